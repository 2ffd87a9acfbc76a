"""A small world for the admin's tests: made by the domain's own functions, reasoned over by answers written here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, timedelta
from decimal import Decimal
from functools import partial

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.utils import timezone

from memory import log, tenants
from memory.log import NewEvent
from memory.models import App, Representation, User
from reasoning import following, groups, passes, queue
from reasoning.models import Budget, Price, PromptVersion, Spend, Work
from reasoning.passes import Prepared
from reasoning.providers.base import Answer, Completion, Failure, Level, ProviderError, Retirement, Statement, Usage
from tests.loop.helpers import STEP

PASSWORD = "open sesame"
HOSTILE = '<script>alert("memory")</script>'

Answerer = Callable[[Prepared], Answer]


def superuser(name: str = "operator"):
    """An operator who may do everything."""
    return get_user_model().objects.create_superuser(name, password=PASSWORD)


def staff(*permissions: str, name: str = "staff"):
    """Somebody who may enter the admin, with these permissions (``view_event``)."""
    user = get_user_model().objects.create_user(name, password=PASSWORD, is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return user


def member(group: str):
    """Somebody of one of the groups that ``operator_groups`` makes, named without "memory "."""
    groups.ensure()
    user = get_user_model().objects.create_user(group.replace(" ", "-"), password=PASSWORD, is_staff=True)
    user.groups.set([Group.objects.get(name=f"memory {group}")])
    return user


def say(app: str, user: str, session: str, *lines: tuple[str | None, str]) -> None:
    """Append messages to a session: (author, content), an author of None is the app's agent."""
    events = [
        NewEvent(content=content, author=author, origin="user" if author else "agent", client_id=None)
        for author, content in lines
    ]
    log.append(app, events, user=user, session=session)


def reason(answer: Answerer, failure: ProviderError | None = None) -> list[Representation]:
    """Run one pass for every line that waits, answered by ``answer``."""
    following.take_in()
    Work.objects.filter(state=Work.State.WAITING).update(due_at=timezone.now() - timedelta(hours=1))
    made = []
    for claim in queue.claim(1_000, "worker-1"):
        prepared = passes.prepare(claim, STEP)
        if prepared is None:
            continue
        if failure is not None:
            passes.fail(claim, failure)
        else:
            completion = Completion(
                answer=answer(prepared),
                raw='{"add": "…"}',
                provider="loopback",
                model="gpt-4o-mini",
                usage=Usage(1240, 180, 900),
            )
            made.append(passes.complete(prepared, completion))
    return made


def summary_only(prepared: Prepared) -> Answer:
    """What is concluded of a session in these tests."""
    text = "Ana plans a week in Lisbon with her daughter and asks about trains, food and museums."
    return Answer(short_summary=text, long_summary=f"{text} They leave on 2 May 2026 and come back on 9 May.")


def ana(name: str = "trip-planner") -> User:
    """Ana, who plans a journey: two versions, a statement that was replaced, and events that wait."""
    session = "lisbon-in-may"
    say(
        name,
        "ana",
        session,
        ("ana", "Hi! I'm planning a week in Lisbon with my daughter Lea, she is nine. We leave on the 2nd of May."),
        (None, "Lovely. Do you have a place to stay, and is there anything that you or Lea cannot eat?"),
        ("ana", "We stay with my brother in Alfama. Lea is allergic to peanuts, and I don't eat meat."),
        ("ana", "I hate flying, so we take the night train to Hendaye and go on from there."),
        (None, "Then I'll look at the connection from Hendaye by Madrid. How long may a day on trains be?"),
        ("ana", "Not longer than eight hours, Lea gets restless."),
    )
    reason(_first)
    say(
        name,
        "ana",
        session,
        ("ana", "Change of plan: my brother moves house that week. We booked a small flat in Graça instead."),
        (None, "Noted: Graça. Shall I look for museums that Lea would like?"),
        ("ana", "Yes please! She is mad about tiles and trams. And somewhere for lunch where I get no meat."),
    )
    reason(_second)
    say(name, "ana", session, ("ana", "One more thing: we would like to see the sea on the last day."))
    following.take_in()
    return User.objects.get(app__name=name, name="ana")


def _first(prepared: Prepared) -> Answer:
    if prepared.request.kind != "user":
        return summary_only(prepared)
    return Answer(
        add=(
            Statement("Ana's daughter Lea is nine years old.", (1,), Level.EXPLICIT, "ana", importance=4),
            Statement("Lea is allergic to peanuts.", (3,), Level.EXPLICIT, "ana", importance=5),
            Statement("Ana does not eat meat.", (3,), Level.EXPLICIT, "ana", importance=4),
            Statement(
                "Ana and Lea stay with Ana's brother in Alfama while they are in Lisbon.",
                (1, 3),
                Level.DEDUCTIVE,
                "ana",
                date(2026, 5, 2),
                date(2026, 5, 9),
                importance=3,
            ),
            Statement("Ana avoids flying and travels by night train where she can.", (4,), Level.INDUCTIVE, "ana"),
            Statement("A day on trains should not be longer than eight hours for Lea.", (6,), Level.EXPLICIT, "ana"),
        ),
        card=("Name: Ana", "Has a daughter, Lea (9)", "Vegetarian; Lea is allergic to peanuts"),
        now="Ana is planning a week in Lisbon with her daughter Lea, from 2 May 2026.",
    )


def _second(prepared: Prepared) -> Answer:
    if prepared.request.kind != "user":
        return summary_only(prepared)
    old = next(item.number for item in prepared.request.known if "Alfama" in item.content)
    return Answer(
        add=(
            Statement(
                "Ana and Lea have booked a small flat in Graça for their week in Lisbon.",
                (1,),
                Level.EXPLICIT,
                "ana",
                date(2026, 5, 2),
                date(2026, 5, 9),
                importance=4,
            ),
            Statement("Lea loves tiles and trams.", (3,), Level.EXPLICIT, "ana", importance=3),
            Statement("Ana does not eat meat.", (3,), Level.EXPLICIT, "ana", importance=4),
        ),
        retire=(Retirement(old, "Her brother moves house that week; they booked a flat instead.", 0),),
        card=(
            "Name: Ana",
            "Has a daughter, Lea (9), who loves tiles and trams",
            "Vegetarian; Lea is allergic to peanuts",
        ),
        now="Ana is planning a week in Lisbon with her daughter Lea, from 2 May 2026. They stay in a flat in Graça.",
    )


def crowd(size: int, app: str = "crowd") -> App:
    """Users with a session, events and a version each."""
    for number in range(size):
        say(app, f"user {number}", f"session {number}", (f"user {number}", f"I like the number {number}."))
    reason(lambda prepared: one_statement(prepared, "likes a number"))
    return App.objects.get(name=app)


def one_statement(prepared: Prepared, words: str) -> Answer:
    """One statement that rests on every event shown, and a summary."""
    events = tuple(range(1, len(prepared.events) + 1))
    text = f"{prepared.request.subject} {words}"
    return Answer(add=(Statement(text, events),), now=text, short_summary=text)


def grow(user: User, versions: int, statements: int = 1) -> None:
    """Give a user's subject so many more versions, each of which adds statements that rest on several events."""
    for number in range(versions):
        say(user.app.name, user.name, "long", *[(user.name, f"Sentence {number}.{i}") for i in range(3)])
        reason(partial(_many, number=number, statements=statements))


def _many(prepared: Prepared, number: int, statements: int) -> Answer:
    events = tuple(range(1, len(prepared.events) + 1))
    add = tuple(Statement(f"Statement {number}.{i}", events) for i in range(statements))
    retire = (Retirement(1, "No longer so", 0),) if len(prepared.known) > statements else ()
    return Answer(add=add, retire=retire, now="Now", short_summary="Short", long_summary="Long")


def quarantined(user: User) -> Representation:
    """A version that the gate stopped, with a hostile answer kept at its pass."""
    say(user.app.name, user.name, "long", (user.name, f"What does {HOSTILE} do?"))
    made = reason(lambda prepared: Answer(add=(Statement(f"It says {HOSTILE}", (99,)),), now=HOSTILE))
    return next(item for item in made if item.subject.kind == "user")


def parked(user: User) -> Work:
    """Work of the user's own line that failed until it was parked."""
    say(user.app.name, user.name, "long", (user.name, "Something that no model can read"))
    error = ProviderError(Failure.REFUSED, f"The provider refused: {HOSTILE}", raw=HOSTILE)
    while not (rows := Work.objects.filter(state=Work.State.PARKED, line__subject__user=user)):
        reason(summary_only, error)
    return rows[0]


def project_with_session(app: App, names: Sequence[str] = ("atlas",)) -> None:
    """Projects with a session each, in which two users take part and observe each other."""
    for name in names:
        project, _ = tenants.make_project(app, name)
        one, _ = tenants.make_user(app, "one")
        other, _ = tenants.make_user(app, "other")
        session, _ = tenants.make_session(app, one, f"about {name}", project=project)
        tenants.join(session, one, observes_others=True)
        tenants.join(session, other, observes_others=True)


def spending(app: App, *, model: str = "gpt-4o-mini", rows: int = 1, period: str = "day") -> Budget:
    """What an app spent on so many days, a budget of it, and the model's price."""
    version = PromptVersion.objects.get(app=None, kind="user", labels__name="live")
    today = timezone.now().astimezone(UTC).date()
    for days in range(rows):
        Spend.objects.get_or_create(
            app=app, day=today - timedelta(days=days), prompt_version=version, provider="openai", model=model,
            defaults={
                "calls": 3, "input_tokens": 3_720, "output_tokens": 540, "cached_tokens": 2_700, "tokens": 4_260,
                "cost": Decimal("0.000882"),
            },
        )  # fmt: skip
    Price.objects.get_or_create(
        model=model,
        since=date(2026, 1, 1),
        defaults={"input_price": Decimal("0.15"), "cached_price": Decimal("0.075"), "output_price": Decimal("0.6")},
    )
    return Budget.objects.create(app=app, period=period, tokens=1_000_000, money=5)
