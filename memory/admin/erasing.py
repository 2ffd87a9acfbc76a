"""Erasing from the page of what can be erased: what would go is counted first, and a receipt is what is left."""

from __future__ import annotations

from typing import Any

from memory.admin.acts import Act, Done, Preview, ReasonForm
from memory.admin.links import page_url
from memory.erasure import act
from memory.erasure.act import Plan

_WORDS = {
    "users": "Users",
    "sessions": "Sessions",
    "projects": "Projects",
    "events": "Events",
    "representations": "Versions",
    "conclusions": "Statements",
    "documents": "Documents",
    "api_keys": "API keys",
}
"""What somebody who erases looks for among the counts; the rest only serves these."""


class ErasureForm(ReasonForm):
    """Why something is erased."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason"].help_text = "It is kept with the receipt: leave out the names of what is erased."


class Erase(Act):
    """Take something away for good, with all that refers to it and all that was made of it."""

    name, verb, permission, form_class = "erase", "Erase", "memory.erase", ErasureForm
    erases = True

    def about(self, obj: Any) -> str:
        """Say what it means."""
        return (
            "To erase is to take away for good: this, everything that refers to it, and everything that was concluded "
            "from it. It is counted first; nothing goes before you confirm. What stays is a receipt without a name."
        )

    def preview(self, obj: Any, data: dict[str, Any]) -> Preview:
        """Count what would go. Raises :class:`memory.errors.Invalid` for a reason that would keep a name."""
        found = act.plan(obj, reason=data["reason"])
        return Preview(
            lines=_lines(found),
            warning="There is no way back: no rollback, import or repeated request brings it back.",
            token=_token(found),
        )

    def perform(self, obj: Any, data: dict[str, Any], by: str, preview: Preview) -> Done:
        """Erase it, and lead to the receipt."""
        receipt = act.erase(obj, reason=data["reason"], by=by)
        return Done(
            message=f"Erased. This is the receipt, {receipt.public_id}.",
            url=page_url(receipt, self.model_admin.admin_site.name),
        )


def _lines(found: Plan) -> list[tuple[str, str]]:
    named = [(word, f"{found.counts[key]:,} erased") for key, word in _WORDS.items() if key in found.counts]
    rest = sum(count for key, count in found.counts.items() if key not in _WORDS)
    return [
        *named,
        ("Rows that only serve these", f"{rest:,} erased"),
        ("Memories emptied", f"{found.unreadable:,}: readers get nothing that knew of it any more"),
        ("Of them rebuilt", f"{found.rebuilding:,}: reasoned over again from what stays"),
    ]


def _token(found: Plan) -> str:
    """Stand for the things that would go. Events come in all the time, and are no reason to ask again."""
    things = [found.counts.get(name, 0) for name in ("users", "sessions", "projects")]
    return f"{found.scope.what} {found.scope.target} {things} {found.unreadable}"
