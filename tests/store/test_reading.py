"""The read path: one statement, names or ids, as of any moment, honest about what it has not read."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from memory import feeds, ids, log, publishing, reading, restoring, tenants, tokens
from memory.errors import NotFound
from memory.log import NewEvent
from memory.models import Event, Representation, Session, Subject, User
from tests.store.helpers import concluded, draft_on, person, said, say
from tests.store.test_rendering import random_text


@pytest.fixture
def place(db):
    """Ana and her session, each with a version, and Ben who has none."""
    app, _ = tenants.make_app("harbour")
    ana, _ = tenants.make_user(app, "ana")
    ben, _ = tenants.make_user(app, "ben")
    session, _ = tenants.make_session(app, ana, "s1")
    tenants.join(session, ben, observes_others=True)
    rows = log.append(app, [NewEvent(content="I moved to Lisbon.")], user=ana, session=session)
    feeds.number()
    events = [row.id for row in rows]
    for subject, text in (
        (tenants.subject_of(ana), "Ana lives in Lisbon."),
        (tenants.subject_of(session), "Ana told of her move."),
        (tenants.subject_of(ana, observer=ben), "Ana told Ben of Lisbon."),
    ):
        concluded(publishing.open_line(subject, "recipe"), text, evidence=events)
    return app, ana, ben, session


def test_a_context_is_one_statement(place, django_assert_num_queries):
    with django_assert_num_queries(1):
        found = reading.context("harbour", "ana", "s1")
    assert found.text == "## Known of ana\nAna lives in Lisbon\n\n## Said and decided\nAna told of her move"
    assert (found.version, found.tag) == (1, "u1s1")
    assert (found.behind_events, found.behind_seconds) == (0, 0.0)
    assert found.as_of == Event.objects.get().recorded_at
    for options in (
        {"tokens": 20},
        {"at": timezone.now()},
        {"version": 1},
        {"observer": "ben"},
        {"session": "s1", "tokens": 5},
    ):
        with django_assert_num_queries(1):
            reading.context("harbour", "ana", **options)


def test_names_and_ids_name_the_same(place):
    app, ana, ben, session = place
    by_name = reading.context("harbour", "ana", "s1", observer="ben")
    by_id = reading.context(app.public_id, ana.public_id, session.public_id, observer=ben.public_id)
    assert by_id == by_name
    assert by_id.user.text == "## Known of ana\nAna told Ben of Lisbon"
    assert reading.representation(app.public_id, user=ana.public_id) == reading.context("harbour", "ana").user


def test_a_name_that_has_the_form_of_an_id_is_found(place):
    name = "2" * 22
    log.append("harbour", [NewEvent(content="x")], user=name, session=name)
    found = reading.context("harbour", name, name)
    assert User.objects.get(pk=found.user_id).name == name
    assert Session.objects.get(pk=found.session_id).name == name


def test_who_takes_part_reads_the_session_by_its_id_and_not_by_its_name(place):
    _, _, _, session = place
    assert reading.context("harbour", "ben", session.public_id).session.text.endswith("Ana told of her move")
    with pytest.raises(NotFound):
        reading.context("harbour", "ben", "s1")


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (("market", "ana"), "App not found"),
        (("harbour", "eve"), "User not found"),
        (("harbour", "ana", "s2"), "Session not found or does not belong to user"),
        (("elsewhere", "zoe"), "App not found"),
    ],
)
def test_what_does_not_exist_is_not_found(place, path, said):
    with pytest.raises(NotFound, match=said):
        reading.context(*path)


def test_another_tenants_rows_are_not_found(place):
    _, ana, ben, session = place
    log.append("market", [NewEvent(content="x")], user="zoe", session="z1")
    for user, also in (
        (ana.public_id, {}),
        ("ana", {}),
        ("zoe", {"session": session.public_id}),
        ("zoe", {"observer": ben.public_id}),
    ):
        with pytest.raises(NotFound):
            reading.context("market", user, **also)
    for of in ({"user": ana.public_id}, {"user": "zoe", "session": session.public_id}, {"project": ana.public_id}):
        with pytest.raises(NotFound):
            reading.representation("market", **of)


def test_who_does_not_observe_sees_nothing(place):
    with pytest.raises(NotFound, match="ana does not observe ben"):
        reading.context("harbour", "ben", observer="ana")
    with pytest.raises(NotFound):
        reading.context("harbour", "ana", observer="eve")


def test_nothing_known_is_an_empty_text_that_says_so(place):
    found = reading.context("harbour", "ben")
    assert (found.text, found.version, found.tag, found.as_of) == ("", 0, "u0", None)
    assert found.behind_events == 1


def test_behind_counts_what_is_numbered_and_what_is_not_yet(place):
    say("two", "three")
    before = reading.context("harbour", "ana")
    assert before.behind_events == 2
    feeds.number()
    say("four")
    assert reading.context("harbour", "ana").behind_events == 3
    assert reading.context("harbour", "ana", "s1").behind_events == 3, "the user is further behind than the session"
    with transaction.atomic():
        log.append("harbour", [NewEvent(content="five")], user="ana", session="s1")
        assert reading.context("harbour", "ana", "s1").session.behind_events == 1
        transaction.set_rollback(True)
    concluded(Subject.objects.get(user__name="ana", kind="user").line, evidence=[])
    assert reading.context("harbour", "ana").behind_events == 1, "the one that had no position"


def test_behind_seconds_is_the_age_of_the_oldest_that_waits(transactional_db):
    person()
    [first, _] = say("one", "two")
    now = timezone.now()
    for numbered in (False, True):
        if numbered:
            feeds.number()
            say("three")
        age = (now - ids.moment_of(first)).total_seconds()  # whose milliseconds are cut off
        seconds = reading.context("harbour", "ana").behind_seconds
        assert age <= seconds < age + 30


def test_a_version_can_be_read_by_its_number(place):
    line = Subject.objects.get(user__name="ana", kind="user").line
    [event] = said("I have a dog.")
    concluded(line, "Ana has a dog.", evidence=[event])
    assert reading.context("harbour", "ana", version=1).text == "## Known of ana\nAna lives in Lisbon"
    assert reading.context("harbour", "ana", version=1).behind_events == 1
    assert reading.context("harbour", "ana", version=2) == reading.context("harbour", "ana")
    publishing.quarantine(line.pk, draft_on(line), "bad")
    for missing in (0, 3, 4):
        with pytest.raises(NotFound, match=f"There is no version {missing}"):
            reading.context("harbour", "ana", version=missing)
        with pytest.raises(NotFound):
            reading.representation("harbour", user="ana", version=missing)


@pytest.fixture
def history(transactional_db):
    """Ana's versions 1 to 5: two by one recipe, a quarantined one, one by another recipe, a rollback."""
    subject = person()
    line = publishing.open_line(subject, "recipe")
    before = timezone.now() - timedelta(days=1)
    [event] = said("one")
    concluded(line, "One.", evidence=[event])
    concluded(line, "Two.", evidence=[event])
    publishing.quarantine(line.pk, draft_on(line), "bad")
    fork = publishing.fork_line(line, "better")
    concluded(line, "Beside.", evidence=[event])
    concluded(fork, "Three.", evidence=[event])
    restoring.roll_back(Subject.objects.get(), 1, reason="why")
    moments = dict(Representation.objects.values_list("number", "created_at"))
    return before, moments


def test_at_a_moment_readers_get_what_they_got_then(history):
    before, moments = history
    got = {number: reading.context("harbour", "ana", at=moment).user.number for number, moment in moments.items()}
    assert got == {1: 1, 2: 2, 3: 2, 4: 2, 5: 5, 6: 6}
    assert reading.context("harbour", "ana", at=before).user.number is None
    assert reading.context("harbour", "ana", at=timezone.now()).user.number == 6
    assert reading.context("harbour", "ana", at=moments[2]).text == "## Known of ana\nOne\nTwo"
    assert reading.representation("harbour", user="ana", at=moments[2]).number == 2


def test_a_representation_of_each_kind_of_subject(place):
    log.append("harbour", [NewEvent(content="Sails are in stock.")], project="spring")
    for of, kind in (
        ({"user": "ana"}, "user"),
        ({"user": "ana", "observer": "ben"}, "observed"),
        ({"user": "ana", "session": "s1"}, "session"),
        ({"project": "spring"}, "project"),
    ):
        view = reading.representation("harbour", **of)
        subject = reading.subject("harbour", **of)
        assert (view.about.kind, view.subject_id) == (kind, subject.pk) == (subject.kind, subject.pk)
    assert view.number is None
    assert view.behind_events == 1


@pytest.mark.parametrize("seed", range(6))
def test_the_whole_context_fits_its_budget(db, seed):
    dice = random.Random(seed)
    subject = person()
    [event] = said("x", user="ana")
    log.append("harbour", [NewEvent(content="x")], user="ana", session="s1")
    feeds.number()
    [other] = Event.objects.exclude(pk=event).values_list("pk", flat=True)
    talk = Subject.objects.get(kind="session")
    for of, evidence in ((subject, event), (talk, other)):
        texts = [f"{number} {random_text(dice)}" for number in range(dice.randint(0, 40))]
        concluded(
            publishing.open_line(of, "recipe"),
            *texts,
            evidence=[evidence],
            now=random_text(dice, 20),
            card=[random_text(dice)],
            short_summary=dice.choice(("", random_text(dice, 30))),
        )
    whole = reading.context("harbour", "ana", "s1")
    for budget in [*range(12), *(dice.randint(12, 900) for _ in range(60)), 100_000]:
        found = reading.context("harbour", "ana", "s1", tokens=budget)
        assert tokens.count(found.text) <= budget, (budget, found.text)
        assert tokens.count(reading.context("harbour", "ana", tokens=budget).text) <= budget
    assert found.text == whole.text, "enough is everything"


def test_in_a_budget_the_session_has_a_third_for_sure_and_what_the_user_leaves(place):
    [event] = said("x")
    line = Subject.objects.get(user__name="ana", kind="user").line
    concluded(line, *(f"Ana knows the harbour number {number}." for number in range(40)), evidence=[event])
    whole = reading.context("harbour", "ana", "s1")
    assert whole.session is not None
    assert whole.session.text in reading.context("harbour", "ana", "s1", tokens=60).text
    tight = reading.context("harbour", "ana", "s1", tokens=60).text
    assert tight.startswith("## Known of ana\nAna ")
    assert tokens.count(tight) > 45


def test_a_budget_of_nothing_is_an_empty_text(place):
    for user in ("ana", "ben"):
        assert reading.context("harbour", user, tokens=0).text == ""
    log.append("harbour", [NewEvent(content="x")], user="ben", session="b1")
    feeds.number()
    talk = Subject.objects.get(session__name="b1")
    event = Event.objects.get(session__name="b1")
    concluded(publishing.open_line(talk, "recipe"), "Ben spoke.", evidence=[event.pk])
    assert reading.context("harbour", "ben", "b1", tokens=0).text == ""


def test_a_read_writes_nothing_and_waits_for_nobody(place, django_assert_num_queries):
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as asked:
        reading.context("harbour", "ana", "s1", tokens=100)
    [statement] = [query["sql"] for query in asked]
    assert statement.lstrip().startswith("SELECT")
    assert not any(word in statement for word in ("INSERT", "UPDATE ", "FOR ", "memory_conclusion", "memory_span"))
