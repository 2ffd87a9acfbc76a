"""The inverted index of what belongs to a user, session or project: it has what there is, whatever became of it."""

from __future__ import annotations

from collections import Counter
from importlib import import_module
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.test import override_settings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memory import cloning, log, publishing, search
from memory.erasure import act
from memory.models import Event, Passage, Posting, Session, UnmergedPassage, User, WordIndex
from memory.search import backlog, index, lookup, postings
from memory.search.lexemes import lexemes
from memory.search.records import OWN
from memory.search.words import words
from tests.search.helpers import index_everything
from tests.store.helpers import concluded, person, said, say, together

pytestmark = pytest.mark.django_db

VOCABULARY = ["boat", "tea", "harbour", "paint", "friday", "lisbon"]


@pytest.fixture
def small(monkeypatch):
    """Little is left unmerged, and blocks are soon full."""
    monkeypatch.setattr(postings, "MOST_UNMERGED", 6)
    monkeypatch.setattr(postings, "KEPT", 2)
    monkeypatch.setattr(postings, "BLOCK", 3)


def look_up(user: str = "ana") -> lookup.Matches | None:
    """Look all words of the vocabulary up."""
    return lookup.look_up(search.scope("harbour", user), [stems(word) for word in VOCABULARY])


def stems(word: str) -> tuple[int, ...]:
    return lexemes([word])[word]


def expected(user: str) -> dict[int, Counter[str]]:
    """How often each passage that has any of the words has each, by its text; of what has the user's mark."""
    thing = search.scope("harbour", user).thing
    rows = Passage.objects.select_related("event").exclude(event=None)
    mine = [row for row in rows if thing in {row.event.user_id, *feeds_of(row.event)}]
    counted = {row.pk: Counter(word.text for word in words(row.event.content)) for row in mine}
    return {pk: kept for pk, counts in counted.items() if (kept := counts & Counter(dict.fromkeys(VOCABULARY, 99)))}


def feeds_of(event: Event) -> set[Any]:
    return set(event.feed_entries.filter(subject__kind="user").values_list("subject__user", flat=True))


def assert_agrees(user: str) -> None:
    """The index has what the texts have: how often each word is there, how long, and what is beside it."""
    found = look_up(user)
    if found is None:  # it is being filled
        return
    texts = expected(user)
    assert found.records["passage"].tolist() == sorted(texts)
    counts = [[texts[passage][word] for word in VOCABULARY] for passage in sorted(texts)]
    assert found.counts.tolist() == counts
    assert found.frequency.tolist() == [sum(word in text for text in texts.values()) for word in VOCABULARY]
    events = {row.pk: row.event for row in Passage.objects.select_related("event").exclude(event=None)}
    in_session: dict[Any, list[int]] = {}
    for pk, event in sorted(events.items()):
        in_session.setdefault(event.session_id or event.pk, []).append(pk)
    sizes = {pk: len(list(words(event.content))) for pk, event in events.items()}
    for record in found.records:
        pk = int(record["passage"])
        turns = in_session[events[pk].session_id or events[pk].pk]
        place = turns.index(pk)
        before = turns[place - 1] if place else pk
        assert pk - record["previous"] == before
        assert record["words"][OWN] == sizes[pk]
        assert record["words"][0] == (sizes[before] if place else 0)
        assert found.authors[record["authors"][OWN] - 1] == events[pk].author_id


def run(step: tuple[Any, ...]) -> None:
    """Do one of the things that may happen to a log."""
    what, *rest = step
    if what == "say":
        user, session, texts = rest
        events = [log.NewEvent(content=" ".join(text)) for text in texts]
        log.append("harbour", events, user=user, session=session)
    elif what == "index":
        index.work(rest[0])
    elif what == "erase":
        event = Event.objects.order_by("pk")[rest[0] : rest[0] + 1].first()
        if event is not None:
            act.erase(event)
    elif what == "clone":
        session = Session.objects.filter(name="s").first()
        if session is not None and session.owner is not None:
            cloning.clone(session.owner, session)


TEXT = st.lists(st.sampled_from([*VOCABULARY, "the", "blue"]), min_size=1, max_size=5)
STEPS = st.one_of(
    st.tuples(
        st.just("say"), st.sampled_from(["ana", "ben"]), st.sampled_from(["s", "t", None]),
        st.lists(TEXT, min_size=1, max_size=5),
    ),
    st.tuples(st.just("index"), st.sampled_from([1, 4, 50])),
    st.tuples(st.just("erase"), st.integers(0, 9)),
    st.tuples(st.just("clone")),
)  # fmt: skip


@settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(STEPS, min_size=3, max_size=12))
def test_it_agrees_with_the_texts_whatever_happened(small, steps):
    with transaction.atomic():
        for name in ("ana", "ben"):
            person(name)
        for step in steps:
            run(step)
        for name in ("ana", "ben"):
            assert_agrees(name)
        index_everything()
        for name in ("ana", "ben"):
            assert_agrees(name)
            assert WordIndex.objects.filter(subject__user__name=name, scanned=None).exists() or not expected(name)
        transaction.set_rollback(True)


def packed() -> int:
    """How many rows hold words."""
    return Posting.objects.count() + UnmergedPassage.objects.count()


def recalled(query: str, user: str = "ana") -> list[str]:
    return [item.text for item in search.recall(search.scope("harbour", user), query).items]


def test_an_answer_without_a_word_of_the_question_is_found_by_the_turn_before_it(small):
    for text in ("Which instrument do you play?", "The violin.", "I see.", "The boat sails."):
        say_in("s", text)
    assert recalled("What instrument is it?")[:2] == ["Which instrument do you play?", "The violin."]
    index_everything()
    say_in("s", *["Nothing at all."] * 8)
    index_everything()
    assert Posting.objects.exists()
    assert recalled("What instrument is it?")[:2] == ["Which instrument do you play?", "The violin."]


def say_in(session: str, *texts: str, user: str = "ana", author: str | None = None) -> None:
    events = [log.NewEvent(content=text, author=author) for text in texts]
    log.append("harbour", events, user=user, session=session)


def test_who_joins_later_is_not_told_of_the_turn_before(small):
    say_in("s", "The keeper sails at dawn.")
    say_in("s", "So does the cook.", author="ben")
    for _ in range(2):
        assert recalled("Who sails like the cook?", "ben") == ["So does the cook."]
        assert recalled("Who sails like the cook?", "ana") == ["The keeper sails at dawn.", "So does the cook."]
        index_everything()


def test_what_is_erased_is_in_no_block_from_that_moment_on(small):
    say_in("s", *[f"The boat {number}." for number in range(12)])
    say_in("t", *[f"Tea {number}." for number in range(12)], user="ben")
    index_everything()
    before = packed()
    thing = search.scope("harbour", "ana").thing
    mine = Posting.objects.filter(index__subject__user=thing)
    assert mine.exists()
    act.erase(Event.objects.filter(session__name="s").earliest("pk"))
    assert not mine.exists()
    assert not UnmergedPassage.objects.filter(index__subject__user=thing).exists()
    assert 0 < packed() < before, "what others have stays"
    assert len(recalled("boat")) == 11, "the other way answers meanwhile"
    index_everything()
    assert mine.exists()
    assert_agrees("ana")
    act.erase(User.objects.get(name="ana"))
    assert not WordIndex.objects.filter(subject__user=thing).exists()
    assert not Posting.objects.exclude(index__in=WordIndex.objects.all()).exists()


def test_a_passage_that_anybody_deletes_empties_the_indexes_that_have_it(small):
    say(*[f"The boat {number}." for number in range(12)])
    index_everything()
    where = search.scope("harbour").app_id
    assert backlog.of_app(where).not_indexed == 0
    Passage.objects.order_by("pk")[:1].get().delete()
    assert packed() == 0
    assert backlog.of_app(where).not_indexed > 0, "an operator sees that it is made anew"
    index_everything()
    assert backlog.of_app(where).not_indexed == 0
    assert len(recalled("boat")) == 11
    assert_agrees("ana")


def test_what_was_indexed_before_there_were_inverted_indexes_is_filled_in(small):
    say(*[f"The boat {number}." for number in range(12)])
    index_everything()
    WordIndex.objects.all().delete()
    assert packed() == 0
    migration = import_module("memory.migrations.0026_word_indexes")
    with connection.cursor() as cursor:
        cursor.execute(migration.BEFORE)
    say("The newest boat.")
    index.work(5)  # indexes what is new, and leaves it to who fills
    assert look_up() is None
    assert len(recalled("boat")) == 13
    index_everything()
    assert_agrees("ana")


def test_a_merge_that_is_cut_off_is_done_again(small):
    say(*[f"The boat {number}." for number in range(5)])
    index_everything()
    say(*[f"The boat {number}." for number in range(5)])
    with transaction.atomic():
        index.work()
        transaction.set_rollback(True)  # as where the process is killed
    assert not Posting.objects.exists()
    assert_agrees("ana")
    index_everything()
    assert_agrees("ana")


@pytest.mark.parametrize("wordless", ["👍", "x" * 40_000])
def test_passages_without_a_word_are_merged_too(small, wordless):
    """One thing with no others would stop indexing for all of the site: it is done for every app at once."""
    say(*[wordless] * 12)
    say("The boat sails.", app="quay")
    index_everything()
    assert not Passage.objects.filter(text=None).exists()
    say("The boat sails.")
    index_everything()
    assert_agrees("ana")
    assert recalled("boat")[0] == "The boat sails."


def test_what_is_said_to_be_of_the_year_9999_is_indexed_and_found_too(small):
    """The log takes no such event, but the index must take whatever is stored: it is one for all of the site."""
    [said_then] = say("The boat sails.")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE memory_passage SET at = '9999-12-31T23:59:59Z' WHERE event_id = %s", [said_then])
    assert recalled("boat") == ["The boat sails."]
    index_everything()
    assert recalled("boat") == ["The boat sails."]


def test_of_frequent_words_the_newest_are_read_and_rare_ones_come_first(small, monkeypatch):
    monkeypatch.setattr(lookup, "MOST_READ", 6)
    say("The old boat at the lighthouse.", *[f"The boat sails {number}." for number in range(40)])
    index_everything()
    assert recalled("boat lighthouse")[0] == "The old boat at the lighthouse."
    assert recalled("boats")[0] in {f"The boat sails {number}." for number in range(20, 40)}


def test_statements_are_found_beside_ever_so_many_events(small, monkeypatch):
    monkeypatch.setattr(lookup, "MOST_READ", 6)
    subject = person()
    events = said("I like boats.")
    concluded(publishing.open_line(subject, "recipe"), "Ana owns a boat.", evidence=events)
    say(*[f"The boat sails {number}." for number in range(40)])
    index_everything()
    assert "Ana owns a boat." in recalled("Ana's boat")


def test_after_a_change_of_languages_all_is_indexed_anew(small):
    say("Er kaufte zwei Häuser.", *[f"Das Boot {number}." for number in range(12)])
    index_everything()
    with override_settings(HONCHO={"SEARCH_LANGUAGES": ("german",)}):
        assert recalled("Haus") == []
        call_command("index", "--anew", verbosity=0)
        assert recalled("Haus") == ["Er kaufte zwei Häuser."]
        assert WordIndex.objects.exclude(scanned=None).count() == 0


@pytest.mark.django_db(transaction=True)
def test_two_that_index_at_once_add_nothing_twice(small):
    say(*[f"The boat {number}." for number in range(30)])

    def work() -> None:
        while Passage.objects.filter(text=None).exists():
            index.work(4)

    together(work, work)
    index_everything()
    assert_agrees("ana")
    assert WordIndex.objects.get(subject__kind="user").documents == 30
