"""From a sentence to the events under it and what made it, and from an event to the sentences that rest on it."""

from __future__ import annotations

from datetime import date
from types import SimpleNamespace

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from memory import explaining, feeds, ids, log, places, publishing, restoring, tenants
from memory.errors import Invalid, NotFound
from memory.models import Conclusion, Line, Subject
from memory.publishing import NewConclusion, Retired
from tests.store.helpers import concluded, draft_on, person, said


@pytest.fixture
def ana(db):
    """Ana's line: a version on one event, a second that adds one to it, a fork, and a version that retires it there."""
    line = publishing.open_line(person(), "first recipe")
    first, second = said("I moved to Lisbon."), said("Lisbon is home now.")
    concluded(line, "Ana lives in Lisbon.", "Ana sings.", evidence=first, made_by={"model": "m", "prompt_number": 3})
    concluded(line, "Ana lives in Lisbon.", evidence=second)
    fork = publishing.fork_line(line, "better recipe")
    city = Conclusion.objects.get(content="Ana lives in Lisbon.")
    new = NewConclusion(content="Ana lives in Porto.", evidence=second)
    retired = [Retired(conclusion_id=city.pk, reason="She moved.", replaced_by=0)]
    publishing.publish(fork.pk, draft_on(fork, added=[new], retired=retired))
    return SimpleNamespace(subject=Subject.objects.get(), line=line, fork=fork, city=city, events=[*first, *second])


def test_a_sentence_is_explained(ana):
    found = explaining.explain(ana.subject, ana.city)
    assert not found.stands
    assert found.introduced.number == 1
    assert found.introduced.made_by == {"model": "m", "prompt_number": 3}
    assert [(row.event_id, row.representation.number) for row in found.evidence] == [
        (ana.events[0], 1),
        (ana.events[1], 2),
    ]
    assert found.resting_on == 2
    assert {(item.span.line.recipe, item.serving) for item in found.spans} == {
        ("first recipe", False),
        ("better recipe", True),
    }
    serving = [item.span for item in found.spans if item.serving]
    assert [(span.until, span.reason, span.replaced_by.content) for span in serving] == [
        (3, "She moved.", "Ana lives in Porto.")
    ]


def test_what_stands_now_and_what_was_brought_back(ana):
    porto = Conclusion.objects.get(content="Ana lives in Porto.")
    assert explaining.explain(ana.subject, porto).stands
    assert explaining.explain(ana.subject, porto).introduced.number == 3
    restoring.roll_back(ana.subject, 2, reason="why")
    subject = Subject.objects.get()
    assert not explaining.explain(subject, porto).stands
    again = explaining.explain(subject, ana.city)
    assert again.stands
    assert again.introduced.number == 1
    assert [(item.span.since, item.span.until) for item in again.spans if item.serving] == [(1, None)]


@pytest.mark.parametrize(
    "words",
    [
        "Ana lives in Lisbon.",
        "- Ana lives in Lisbon.",
        "ana  lives in LISBON",
        "Ana lives in L",
        "Lives in Lisbon",
        "Ana lives in Lisbon!",
    ],
)
def test_a_sentence_is_found_by_how_it_is_shown(ana, words):
    assert explaining.find_conclusion(ana.subject, words)[0] == ana.city


def test_a_sentence_is_found_by_its_id(ana, django_assert_num_queries):
    with django_assert_num_queries(1):
        assert explaining.find_conclusion(ana.subject, ana.city.public_id) == (ana.city, "id")


def test_each_line_that_is_shown_is_found(db):
    line = publishing.open_line(person(), "recipe")
    [event] = said("x")
    days = [(None, None), (date(2025, 3, 1), None), (None, date(2025, 4, 1)), (date(2025, 3, 1), date(2025, 4, 1))]
    texts = [
        "# A title",
        "100% sure_ly\\",
        "Two\nlines",
        "Works (since 2020-01-01)",
        "- a dash",
        "Is (a) nurse.",
        "ana sings.",
    ]
    added = [
        NewConclusion(
            content=f"{text} {number}" if number else text, evidence=[event], held_from=since, held_until=until
        )
        for text in texts
        for number, (since, until) in enumerate(days)
    ]
    version = publishing.publish(line.pk, draft_on(line, added=added))
    subject = Subject.objects.get()
    found = [explaining.find_conclusion(subject, shown)[0] for shown in version.text.split("\n")[1:]]
    assert {row.pk for row in found} == set(Conclusion.objects.values_list("pk", flat=True))


def test_of_several_the_one_that_stands_is_meant(ana):
    assert explaining.find_conclusion(ana.subject, "Ana lives in")[0].content == "Ana lives in Porto."
    with pytest.raises(Invalid, match="Several conclusions begin so"):
        explaining.find_conclusion(ana.subject, "Ana")
    restoring.roll_back(ana.subject, 2, reason="why")
    assert explaining.find_conclusion(Subject.objects.get(), "Ana lives in") == (ana.city, "beginning")


@pytest.mark.parametrize("words", ["Lives in: Porto", "In Porto Ana lives", "Now Ana lives in Porto."])
def test_what_a_card_says_in_other_words_is_found_by_its_words(ana, words):
    found, how = explaining.find_conclusion(ana.subject, words)
    assert (found.content, how) == ("Ana lives in Porto.", "likeness")
    with pytest.raises(NotFound):
        explaining.find_conclusion(ana.subject, "In Lisbon she lives no longer")


def test_what_is_not_there_is_not_found(ana):
    other = person("ben")
    for subject, words in ((ana.subject, "Ana lives in Rome"), (other, ana.city.public_id), (other, "Ana lives")):
        with pytest.raises(NotFound):
            explaining.find_conclusion(subject, words)
    with pytest.raises(Invalid):
        explaining.find_conclusion(ana.subject, " - ")


def test_from_an_event_to_what_rests_on_it(ana):
    app, _ = tenants.make_app("harbour")
    user, _ = tenants.make_user(app, "ana")
    ben, _ = tenants.make_user(app, "ben")
    session, _ = tenants.make_session(app, user, "s1")
    tenants.join(session, ben, observes_others=True)
    [row] = log.append(app, [log.NewEvent(content="I sail.", project="spring")], user=user, session=session)
    event = explaining.find_event(places.find("harbour", "ana", "s1"), ids.encode(row.id))
    feeds.number()
    for subject in Subject.objects.filter(feed__event=event.pk).order_by("pk"):
        line = subject.line or publishing.open_line(subject, "recipe")
        concluded(line, f"Sails, of {subject.kind} {subject}.", evidence=[event.pk])
    kinds = [item.evidence.conclusion.subject.kind for item in explaining.statements_on(event)]
    assert sorted(kinds) == ["observed", "project", "session", "user", "user"]
    own = explaining.statements_on(event, of_user=user.pk)
    assert sorted(item.evidence.conclusion.subject.kind for item in own) == ["session", "user"]
    assert {item.evidence.conclusion.subject.user for item in own} == {user, None}
    assert all(item.stands and item.spans for item in own)
    restoring.roll_back(Subject.objects.get(user=user, kind="user"), 3, reason="why")
    [of_user] = [item for item in explaining.statements_on(event) if item.evidence.conclusion.subject.user == user
                 and item.evidence.conclusion.subject.kind == "user"]  # fmt: skip
    assert not of_user.stands
    assert of_user.spans[0].span.reason == "Rolled back to version 3"


def test_an_event_is_found_in_its_place_alone(ana):
    person(app="market", name="zoe")
    ref = ids.encode(ana.events[0])
    assert explaining.find_event(places.find("harbour", "ana"), ref).pk == ana.events[0]
    for place, wrong in (
        (places.find("market", "zoe"), ref),
        (places.find("harbour", "ana"), "x"),
        (places.find("harbour", "ana"), ana.city.public_id),
    ):
        with pytest.raises(NotFound, match="Event not found"):
            explaining.find_event(place, wrong)


def test_what_was_said_in_anothers_session_is_found_with_whoever_takes_part(ana):
    app, _ = tenants.make_app("harbour")
    [row] = log.append(app, [log.NewEvent(content="We sail.", author="ben")], user="ana", session="s1")
    ref = ids.encode(row.id)
    assert explaining.find_event(places.find("harbour", "ben"), ref).pk == row.id
    log.append(app, [log.NewEvent(content="Me too.")], user="cleo")
    with pytest.raises(NotFound, match="Event not found"):
        explaining.find_event(places.find("harbour", "cleo"), ref)


def test_the_questions_do_not_grow(ana):
    counts = []
    for size in (1, 40):
        events = said(*(f"x{number}" for number in range(size)))
        line = Line.objects.get(pk=ana.fork.pk)
        concluded(line, *(f"Ana knows {number} of {size}." for number in range(size)), evidence=events)
        subject = Subject.objects.get()
        with CaptureQueriesContext(connection) as asked:
            found, _ = explaining.find_conclusion(subject, f"Ana knows 0 of {size}.")
            assert explaining.explain(subject, found).resting_on == size
            event = explaining.find_event(places.find("harbour", "ana"), ids.encode(events[0]))
            assert len(explaining.statements_on(event)) == size
        counts.append(len(asked))
    assert counts[0] == counts[1]
