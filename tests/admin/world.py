"""A world in which every page of the console has something to show, and every act something to be done to."""

from __future__ import annotations

from memory import clock, corrections, ids, keys, proposals, tenants
from memory.erasure import act as erasure
from memory.models import App, Archive, Conclusion, Event, Subject, User
from memory.webhooks import endpoints
from reasoning import circuit, following, labels, prompt_versions, rollbacks, trials
from reasoning.experiments import lifecycle as experiments
from reasoning.experiments.lifecycle import Candidate
from reasoning.models import Batch, Budget, PromptVersion, Worker
from reasoning.providers.base import Failure, ProviderError
from reasoning.reprocessing import lifecycle as reprocesses
from tests.admin import data
from tests.admin.test_quarantine_pages import stop
from tests.admin.test_reprocess_pages import done, draft, started

PROPOSER = "somebody else"


def everything() -> User:
    """Make it; the user whom most of it is about."""
    ana = data.ana()
    app = ana.app
    data.project_with_session(app)
    keys.create("agent", "app", app=app)
    _said_by_humans(ana)
    _told(app)
    _tried(app)
    _erased(app)
    _archived()
    _stopped(ana)
    return ana


def _said_by_humans(ana: User) -> None:
    """A statement that is pinned, one that is retracted, one that waits for a decision."""
    subject = Subject.objects.get(user=ana, kind="user")
    first, second = Conclusion.objects.filter(subject=subject).order_by("pk")[:2]
    corrections.pin(subject, first.pk, by="olga", reason="It is so.")
    corrections.retract(subject, second.pk, "It is not so.", by="olga")
    other = Subject.objects.get(user__app=data.crowd(1, "stopped"), kind="user")
    stop(other.line, "They dive.", evidence=[Event.objects.filter(author=other.user).latest("pk").pk])


def _stopped(ana: User) -> None:
    """Work that is parked, held and waiting, an answer in quarantine, a provider that is paused."""
    other = User.objects.get(app__name="draft run", name="user 0")
    data.quarantined(other)
    data.parked(ana)
    data.crowd(2, "held")
    data.spending(ana.app, rows=3)
    Budget.objects.create(app=App.objects.get(name="held"), period="total", tokens=1)
    data.say("held", "user 0", "session 0", ("user 0", "And I like the number 7."))
    data.reason(lambda prepared: data.one_statement(prepared, "likes 7"))
    data.say("studio", "user 0", "session 0", ("user 0", "This nobody has read yet."))
    following.take_in()
    circuit.failed("openai", ProviderError(Failure.QUOTA, "The key has no credit left."))
    Worker.objects.create(name="host:1", started_at=clock.now(), beat_at=clock.now(), in_flight=3)


def _told(app: App) -> None:
    """A webhook that was tested."""
    endpoints.test(endpoints.create(app, "https://example.com/hook", ["representation.published"], by="olga"))


def _version(app: App | None, message: str) -> PromptVersion:
    first = PromptVersion.objects.get(kind="user", app=None, number=1)
    return prompt_versions.create("user", f"{first.instructions}\n{message}", message=message, app=app)


def _tried(app: App) -> None:
    """Prompt versions with every label, proposals, a dry run, a rollback, experiments and runs in their states."""
    before, live, candidate, plain = (_version(app, message) for message in ("Before", "Live", "Candidate", "Plain"))
    for version in (before, live):
        labels.move("live", version, reason="It is better.", by="olga")
    labels.move("candidate", candidate, reason="It may be.", by="olga")
    trials.ask(plain, Subject.objects.get(user__name="ana", user__app=app, kind="user"), by="olga")
    for version, by in ((plain, PROPOSER), (candidate, "operator")):
        proposals.propose("make_live", version, verb="Make live", data={}, reason="It is better.", by=by)
    rollbacks.roll_back(live, app=app, reason="It was worse.", by="olga")
    for state in ("draft", "running", "paused"):
        _experiment(state)
    _runs()


def _experiment(state: str) -> None:
    app = data.crowd(2, f"{state} experiment")
    control, candidate = _version(app, "Control"), _version(app, "Candidate")
    labels.move("live", control, reason="It is better.")
    made = experiments.create("user", state, [Candidate(candidate, 0.5)], app=app, sample=1.0)
    if state != "draft":
        experiments.start(made)
        data.say(app.name, "user 0", "session 0", ("user 0", "And I like the number 7."))
        data.reason(lambda prepared: data.one_statement(prepared, "likes 7"))
    if state == "paused":
        arm = made.arms.get()
        experiments.pause(made, arm)


def _runs() -> None:
    """Runs that are drafted, under way, paused, done and promoted, and a batch."""
    apps = {name: data.crowd(2, f"{name} run") for name in ("draft", "running", "paused", "done", "promoted")}
    draft(apps["draft"])
    done(apps["done"])
    reprocesses.promote(done(apps["promoted"]), end=False)
    reprocesses.pause(started(apps["paused"]))
    run = started(apps["running"])
    Batch.objects.create(run=run, state="sent", remote_id="batch_123", passes=[])


def _archived() -> None:
    Archive.objects.create(
        partition="memory_event_2020", before=ids.uuid7(), events=12, file="/srv/2020.jsonl", state=Archive.State.DONE
    )


def _erased(app: App) -> None:
    gone, _ = tenants.make_user(app, "gone")
    erasure.erase(gone, reason="Asked for on paper", by="olga")
