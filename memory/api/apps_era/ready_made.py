"""The metamessage that the server of that time wrote by itself: what is known of a user, under a label of its own.

Here it is read from what is served. It is no row, and cannot be changed.
"""

from __future__ import annotations

from memory import ids, publishing, tenants
from memory.models import Metamessage, Representation, Session, User

LABEL = "honcho_user_representation"


def of(user: User, session: Session | None) -> list[Metamessage]:
    """Return what is known of a user now, as if it were said in ``session``; empty where nothing is yet."""
    version = tenants.subject_of(user).current
    return [] if version is None else [_told(user, session, version)]


def find(user: User, session: Session | None, ref: str) -> Metamessage | None:
    """Return the published version of that id, None where the user has none such."""
    version_id = ids.decode(ref)
    if version_id is None:
        return None
    own = Representation.objects.filter(subject=tenants.subject_of(user), status=Representation.Status.PUBLISHED)
    version = own.filter(pk=version_id).first()
    return None if version is None else _told(user, session, version)


def _told(user: User, session: Session | None, version: Representation) -> Metamessage:
    return Metamessage(
        id=version.pk,
        app_id=user.app_id,
        user=user,
        session=session,
        label=LABEL,
        content=publishing.text_of(version).text,
        created_at=version.created_at,
    )
