"""What humans say of statements: added, corrected, pinned, let go of, retracted. It outlives every pass and prompt."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.http import HttpRequest
from django.urls import reverse

from memory import corrections
from memory.admin.acts import Act, Done, Preview, ReasonForm
from memory.admin.outcomes import preview_of
from memory.models import Conclusion, Span, Subject

PERMISSION = "memory.correct_statements"
IMPORTANCE = [("", "as it is"), *((str(value), str(value)) for value in range(5, 0, -1))]
STAYS = "No pass, prompt, rollback or reprocess undoes it; only a human does."


class StatementForm(ReasonForm):
    """The words of a statement, how much it matters, and why."""

    content = forms.CharField(
        label="Statement",
        max_length=corrections.CONTENT_LENGTH,
        widget=forms.Textarea(attrs={"class": "vLargeTextField", "rows": 3}),
        help_text="One sentence that can be understood by itself: say who is meant.",
    )
    importance = forms.ChoiceField(
        choices=IMPORTANCE,
        required=False,
        help_text="What matters more comes first where a text has little room: 5 most.",
    )
    field_order = ("content", "importance", "reason")


class _OfStatement(Act):
    """An act on one statement of a subject."""

    permission = PERMISSION
    undone_by: ClassVar[tuple[str, str]]
    """The button's words and the name of the act that undoes this one."""

    def do(self, obj: Conclusion, data: dict[str, Any], by: str) -> Conclusion:
        """Do it, and return the statement that it leaves."""
        raise NotImplementedError

    def preview(self, obj: Conclusion, data: dict[str, Any]) -> Preview:
        """Show what readers would get."""
        return preview_of(obj.subject, lambda: self.do(obj, data, ""), [("Statement", f"“{obj.content}”")])

    def perform(self, obj: Conclusion, data: dict[str, Any], by: str, preview: Preview) -> Done:
        """Do it, as the API does."""
        left = self.do(obj, data, by)
        verb, name = self.undone_by
        return Done(
            message=f"Done. {STAYS}",
            undo=(verb, self.undo_url(name, obj, left)),
            made=[("the subject’s page", self.page("subject", obj.subject_id))],
            url=self.page("conclusion", left.pk),
        )

    def undo_url(self, name: str, obj: Conclusion, left: Conclusion) -> str:
        """Return where it is undone."""
        return reverse(f"admin:memory_conclusion_{name}", args=[left.pk], current_app=self.site)

    def page(self, model: str, pk: object) -> str:
        """Return the address of a row's page."""
        return reverse(f"admin:memory_{model}_change", args=[pk], current_app=self.site)

    @property
    def site(self) -> str:
        """The name of the admin site that it is done in."""
        return self.model_admin.admin_site.name


class Correct(_OfStatement):
    """Put other words in a statement's place."""

    name = "correct"
    verb = "Correct"
    form_class = StatementForm
    undone_by = ("undo: the words of before", "correct")

    def needs(self, request: HttpRequest, obj: Conclusion) -> bool:
        """What does not stand any more cannot be corrected: the right statement can be added."""
        return Span.objects.filter(line__served=obj.subject_id, conclusion=obj, until=None).exists()

    def about(self, obj: Conclusion) -> str:
        """Say what becomes of it."""
        return f"The statement is taken out, and yours stands in its place, pinned. {STAYS}"

    def form(self, obj: Conclusion, data: Any = None, initial: Mapping[str, Any] | None = None) -> ReasonForm:
        """Begin with the words that stand, or (``?as=``) with those of another statement of the subject."""
        other = _statement_of(obj.subject, dict(initial or {}).get("as"))
        return self.form_class(data, initial={"content": (other or obj).content})

    def do(self, obj: Conclusion, data: dict[str, Any], by: str) -> Conclusion:
        """Correct it."""
        return corrections.edit(
            obj.subject, obj.pk, data["content"], importance=_number(data), by=by, reason=data["reason"]
        )

    def undo_url(self, name: str, obj: Conclusion, left: Conclusion) -> str:
        """Lead to correcting the new statement, with the words of the old."""
        return f"{super().undo_url(name, obj, left)}?as={obj.pk}"


class Pin(_OfStatement):
    """Let a statement stand, whatever a model says."""

    name = "pin"
    verb = "Pin"
    undone_by = ("undo: let go of it", "unpin")

    def needs(self, request: HttpRequest, obj: Conclusion) -> bool:
        """What is pinned is pinned."""
        return not obj.pinned

    def about(self, obj: Conclusion) -> str:
        """Say what becomes of it."""
        return f"The statement stands from now on, whatever a model concludes. {STAYS}"

    def do(self, obj: Conclusion, data: dict[str, Any], by: str) -> Conclusion:
        """Pin it."""
        return corrections.pin(obj.subject, obj.pk, by=by, reason=data["reason"])


class Unpin(_OfStatement):
    """Leave a pinned statement to the model again."""

    name = "unpin"
    verb = "Let go"
    undone_by = ("undo: pin it again", "pin")

    def needs(self, request: HttpRequest, obj: Conclusion) -> bool:
        """Only what is pinned can be let go of."""
        return obj.pinned

    def about(self, obj: Conclusion) -> str:
        """Say what becomes of it."""
        return "The statement stands as it does now, until a pass finds that it holds no longer."

    def do(self, obj: Conclusion, data: dict[str, Any], by: str) -> Conclusion:
        """Let go of it."""
        return corrections.unpin(obj.subject, obj.pk, by=by, reason=data["reason"])


class Retract(_OfStatement):
    """Take a statement out, whoever says it again."""

    name = "retract"
    verb = "Retract"
    undone_by = ("undo: let it stand again", "pin")

    def needs(self, request: HttpRequest, obj: Conclusion) -> bool:
        """What is out is out."""
        return not obj.retracted

    def about(self, obj: Conclusion) -> str:
        """Say what becomes of it."""
        return f"The statement is taken out and stays out, whoever says it again. {STAYS}"

    def do(self, obj: Conclusion, data: dict[str, Any], by: str) -> Conclusion:
        """Retract it."""
        return corrections.retract(obj.subject, obj.pk, data["reason"], by=by)


class Add(Act):
    """Let a statement stand that nobody has concluded."""

    name = "add-statement"
    verb = "Add a statement"
    permission = PERMISSION
    form_class = StatementForm

    def about(self, obj: Subject) -> str:
        """Say what becomes of it."""
        return f"Agents read it from now on, pinned. {STAYS}"

    def preview(self, obj: Subject, data: dict[str, Any]) -> Preview:
        """Show what readers would get."""
        return preview_of(obj, self._adding(obj, data, ""))

    def perform(self, obj: Subject, data: dict[str, Any], by: str, preview: Preview) -> Done:
        """Add it, as the API does."""
        made = self._adding(obj, data, by)()
        site = self.model_admin.admin_site.name
        return Done(
            message=f"Added. {STAYS}",
            undo=("undo: retract it", reverse("admin:memory_conclusion_retract", args=[made.pk], current_app=site)),
            made=[("the statement", reverse("admin:memory_conclusion_change", args=[made.pk], current_app=site))],
        )

    def _adding(self, subject: Subject, data: dict[str, Any], by: str) -> Callable[[], Conclusion]:
        return lambda: corrections.add(subject, data["content"], importance=_number(data), by=by, reason=data["reason"])


def _number(data: Mapping[str, Any]) -> int | None:
    return int(data["importance"]) if data["importance"] else None


def _statement_of(subject: Subject, pk: object) -> Conclusion | None:
    try:
        return Conclusion.objects.filter(subject=subject, pk=UUID(str(pk))).first()
    except ValueError:
        return None
