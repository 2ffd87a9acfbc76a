"""What the tests of experiments share: prompt versions, experiments, and people who fall where they are wanted."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from memory import tenants
from memory.models import Line, Subject
from reasoning import assignment, following, labels, passes, prompt_versions, queue
from reasoning.experiments import lifecycle, split
from reasoning.experiments.lifecycle import Candidate
from reasoning.models import Arm, Experiment, PromptVersion
from reasoning.prompts.library import default_instructions
from reasoning.providers.base import Answer, Kind, Request, Statement
from tests.loop.helpers import completion, make_due, prepared
from tests.store.helpers import person, say

APP = "harbour"


def prompt(words: str, app: str | None = APP, kind: str = "user") -> PromptVersion:
    """A prompt version whose answers say that they come of it, with ``marked``."""
    owner = None if app is None else tenants.make_app(app)[0]
    return prompt_versions.create(kind, f"{default_instructions(Kind(kind))}\n{words}", message=words, app=owner)


def live(words: str, app: str | None = APP) -> PromptVersion:
    version = prompt(words, app)
    labels.move("live", version, reason="A test")
    return version


def marked(request: Request) -> Answer:
    """One statement for each event, which says by which prompt."""
    word = request.instructions.rsplit("\n", 1)[-1]
    said = tuple(Statement(f"{word}: {event.content}", (event.number,)) for event in request.events)
    return Answer(add=said, now=word)


def reason(answer: Callable[[Request], Answer] = marked) -> None:
    """Let whatever waits be reasoned over, without threads."""
    while following.take_in() or queue.next_due() is not None:
        make_due()
        for claim in queue.claim(100, "d1"):
            ready = prepared(claim)
            passes.complete(ready, completion(answer(ready.request)))


def tell(subject: Subject, *texts: str, answer: Callable[[Request], Answer] = marked) -> None:
    """Append messages and let them be reasoned over."""
    say(*texts, user=subject.user.name, app=subject.app.name)
    reason(answer)


def experiment(*candidates: PromptVersion, share: float = 1.0, app: str | None = APP, **how) -> Experiment:
    """An experiment that runs."""
    owner = None if app is None else tenants.find_app(app)
    tried = [Candidate(version, share) for version in candidates]
    found = lifecycle.create("user", how.pop("name", "tone"), tried, app=owner, **how)
    return lifecycle.start(found)


def arm(found: Experiment, place: int = 0) -> Arm:
    return found.arms.order_by("pk").select_related("version", "experiment")[place]


def someone(found: Experiment, falls_to: Arm | None, app: str = APP) -> Subject:
    """Somebody new who falls to an arm, or to the control."""
    arms = list(found.arms.all())
    return newcomer(lambda pk: assignment.arm_of(arms, split.bucket_of(found.salt, pk)) == falls_to, app)


def newcomer(fits: Callable[[UUID], bool], app: str = APP) -> Subject:
    """Somebody new whose id fits."""
    number = Subject.objects.count()
    while True:
        number += 1
        subject = person(f"user-{number}", app)
        if fits(subject.pk):
            return subject


def line(subject: Subject, version: PromptVersion, branch: str = "") -> Line | None:
    return Line.objects.filter(subject=subject, recipe=version.recipe, branch=branch).first()


def serving(subject: Subject) -> str:
    """By which recipe a subject is served."""
    return Subject.objects.select_related("line").get(pk=subject.pk).line.recipe


def shown(subject: Subject) -> str:
    """What readers get."""
    return Subject.objects.select_related("current").get(pk=subject.pk).current.text
