"""One without a permission sees neither the button nor the URL: of every act and page that the admin knows."""

from __future__ import annotations

from itertools import chain
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission

from memory.admin.acts import Act
from memory.admin.base import HonchoAdmin
from memory.admin.pages import Page
from tests.admin import data, world
from tests.admin.pages import ACTS, CONSOLE, PAGES, address, addresses, done_to, every_page, url_of
from tests.loop.helpers import AT_ONCE

pytestmark = pytest.mark.django_db

REFUSED, FOUND, MOVED, MISSING = 403, 200, 302, 404

GUARDED: list[tuple[HonchoAdmin[Any], type[Act] | type[Page]]] = [*ACTS, *PAGES]


def without(permission: Any, name: str = "without") -> Any:
    """Somebody who may do all but what one permission, or any of several, lets people do."""
    lacking = (permission,) if isinstance(permission, str) else permission
    user = get_user_model().objects.create_user(name, is_staff=True)
    having = Permission.objects.select_related("content_type")
    user.user_permissions.set([row for row in having if f"{row.content_type.app_label}.{row.codename}" not in lacking])
    return user


@pytest.mark.parametrize("permission", sorted({item.permission for _, item in GUARDED}, key=str), ids=str)
def test_addresses_are_refused_without_their_permission(client, permission):
    urls = [address(owner, item) for owner, item in GUARDED if item.permission == permission]
    client.force_login(without(permission))
    for url in urls:
        assert (client.get(url).status_code, client.post(url).status_code) == (REFUSED, REFUSED), url
    client.force_login(data.superuser())
    for url in urls:
        assert client.get(url).status_code in (FOUND, MISSING), url


def test_every_address_is_refused_without_any_permission(client):
    client.force_login(data.staff())
    for url in chain.from_iterable(map(addresses, CONSOLE)):
        assert client.get(url).status_code in (REFUSED, MOVED), url  # moved: there is no such row


def test_each_act_is_offered_to_who_may_and_hidden_from_who_may_not(client, settings):
    settings.HONCHO = AT_ONCE | {"MAX_ATTEMPTS": 1}
    world.everything()
    may, viewer = data.superuser(), data.member("viewer")
    never: list[str] = []
    for number, (owner, act) in enumerate(ACTS):
        client.force_login(may)
        found = offered(client, may, owner, act)
        if found is None:
            never.append(f"{owner.model.__name__}: {act.name}")
            continue
        page, url = found
        client.force_login(without(act.permission, f"without-{number}"))
        shown = client.get(page)
        assert shown.status_code in (FOUND, REFUSED)
        assert url not in shown.content.decode(), f"{url} is offered on {page}"
        if act.bulk:
            listed = client.get(url_of(owner, "changelist"))
            assert f'<option value="{act.name}"' not in listed.content.decode(), f"{act.name} is in the list"
    assert not never, "no row shows these: let tests.admin.world make one"
    client.force_login(viewer)
    for url in every_page(viewer, 1):
        shown = client.get(url)
        assert shown.status_code in (FOUND, REFUSED), url
        assert not acts_in(shown.content.decode()), url


def offered(client: Any, user: Any, owner: HonchoAdmin[Any], act: type[Act]) -> tuple[str, str] | None:
    """The page on which an act is offered, and its address there."""
    for row in done_to(owner, act, user):
        page, url = url_of(owner, "change", row), address(owner, act, row)
        shown = client.get(page)
        if shown.status_code == FOUND and f'href="{url}"' in shown.content.decode():
            return page, url
    return None


def acts_in(text: str) -> list[str]:
    """The links to acts in a page."""
    links = [part.partition('"')[0].partition("?")[0] for part in text.split('href="')[1:]]
    names = {(f"/{owner.opts.app_label}/{owner.opts.model_name}/", f"/{act.name}/") for owner, act in ACTS}
    return [link for link in links for model, act in names if model in link and link.endswith(act)]
