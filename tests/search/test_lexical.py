"""Finding by words: any of them, the rare ones first, in any script, indexed or not."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from types import SimpleNamespace

import pytest
from django.db import connection, transaction
from django.test import override_settings

from memory import log, publishing, search, tenants
from memory.models import Conclusion, Passage
from memory.search import index, lexical
from tests.search.helpers import find, index_everything, texts
from tests.store.helpers import concluded, draft_on, person, said, say

pytestmark = pytest.mark.django_db


@pytest.fixture(params=["indexed", "not indexed"])
def indexed(request):
    """A function that indexes what there is, or leaves it to the search."""
    return index_everything if request.param == "indexed" else lambda: None


def test_any_of_the_words_is_enough(indexed):
    say("The harbour opens at nine.", "Ana paints the boat.", "Nothing of note.")
    indexed()
    assert set(find("When did anyone paint a harbour?")) == {"The harbour opens at nine.", "Ana paints the boat."}


def test_forms_of_a_word_are_found(indexed):
    say("She was painting boats.")
    indexed()
    assert find("paint boat") == ["She was painting boats."]


def test_a_rare_word_counts_more_than_a_frequent_one(indexed):
    say(*[f"The boat sails, number {i}." for i in range(20)], "A lighthouse stands there.")
    indexed()
    assert find("boat lighthouse", limit=1) == ["A lighthouse stands there."]


def test_more_words_count_more_than_one(indexed):
    say("The blue boat.", "The blue boat sails to Lisbon.", "Lisbon.")
    indexed()
    assert find("blue boat Lisbon", limit=1) == ["The blue boat sails to Lisbon."]


def test_a_query_of_stop_words_alone_is_looked_for_as_it_is(indexed):
    say("To be or not to be.", "Boats.")
    indexed()
    assert find("to be or not to be") == ["To be or not to be."]


def test_stop_words_find_nothing_beside_others(indexed):
    say("It is the one.", "Boats.")
    indexed()
    assert find("is it the boat?") == ["Boats."]


@pytest.mark.parametrize("query", ["", "   ", "?!", "🙂", "&|!()':*<->\\"])
def test_a_query_without_words_finds_nothing(query):
    say("Anything at all.")
    assert find(query) == []


@pytest.mark.parametrize("query", ["boat:*", "!boat", "boat & (", "'boat'", "boat\\", "boat <-> sea", 'x" boat'])
def test_what_looks_like_syntax_is_words(query, indexed):
    say("The boat.")
    indexed()
    assert find(query) == ["The boat."]


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("Die Straße ist gesperrt.", "STRASSE"),
        ("Ana fährt nach München.", "münchen"),
        ("私は東京に住んでいます。", "東京"),
        ("我喜欢在上海喝咖啡。", "咖啡"),
        ("저는 서울에 살아요.", "서울"),
        ("ฉันอาศัยอยู่ในกรุงเทพ", "กรุงเทพ"),
        ("मैं हिन्दी बोलता हूँ", "हिन्दी"),
        ("Я живу в Москве.", "МОСКВЕ"),
        ("اعيش في القاهرة", "القاهرة"),
        ("ｆｕｌｌｗｉｄｔｈ", "fullwidth"),
    ],
)
def test_words_of_any_script_are_found(text, query, indexed):
    say(text, "Something else altogether.")
    indexed()
    assert find(query) == [text]


@override_settings(HONCHO={"SEARCH_LANGUAGES": ("english", "german")})
def test_forms_of_a_further_language_are_found_where_it_is_set():
    say("Er kaufte zwei Häuser.", "He bought houses.")
    index_everything()
    assert find("Haus") == ["Er kaufte zwei Häuser."]
    assert find("house") == ["He bought houses."]


def test_what_data_say_is_found_too(indexed):
    log.append("harbour", [log.NewEvent(kind="tool_result", data={"invoice": ["March", {"total": 117}]})], user="ana")
    indexed()
    assert find("invoice of March") == ["March 117"]
    assert find("117") == ["March 117"]


def test_a_search_reads_what_was_written_a_moment_ago():
    say("The boat is old.")
    index_everything()
    say("The boat is new.")
    assert set(find("boat")) == {"The boat is old.", "The boat is new."}
    assert Passage.objects.filter(text=None).count() == 1, "and it was not the search that indexed it"


def test_indexing_changes_neither_what_is_found_nor_its_order():
    say("The blue boat.", "The blue boat sails to Lisbon.", "Lisbon.", "Blue.")
    before = find("blue boat Lisbon")
    index_everything()
    assert set(find("blue boat Lisbon")) == set(before) != set()


def test_indexing_that_is_cut_off_is_done_again():
    say("One boat.", "Two boats.", "Three boats.")
    with transaction.atomic():
        assert index.work(2) == 2
        transaction.set_rollback(True)  # as where the process is killed
    assert Passage.objects.filter(text=None).count() == 3
    assert [index.work(2), index.work(2), index.work(2)] == [2, 1, 0]
    assert len(find("boats")) == 3


def test_a_search_of_frequent_words_still_ranks_by_all_of_them(monkeypatch):
    monkeypatch.setattr(lexical, "COUNTED", 20)
    monkeypatch.setattr(lexical, "CANDIDATES", 5)
    say(*[f"The boat sails, number {i}." for i in range(30)], "The boat at the lighthouse.", "A lighthouse.")
    index_everything()
    assert find("boat lighthouse", limit=2) == ["The boat at the lighthouse.", "A lighthouse."]
    assert len(find("boat", limit=40)) == 31


def test_statements_are_found_while_they_stand(indexed):
    subject = person()
    events = said("I like tea.")
    line = publishing.open_line(subject, "recipe")
    concluded(line, "Ana drinks tea.", evidence=events)
    indexed()
    assert set(find("tea")) == {"I like tea.", "Ana drinks tea."}
    retired = publishing.Retired(conclusion_id=Conclusion.objects.get().pk, reason="She changed her mind.")
    publishing.publish(line.pk, draft_on(line, retired=[retired]))
    assert find("tea") == ["I like tea."]


def test_statements_of_a_line_that_does_not_serve_are_not_found(indexed):
    subject = person()
    events = said("I like tea.")
    concluded(publishing.open_line(subject, "recipe"), "Ana drinks tea.", evidence=events)
    concluded(publishing.open_line(subject, "another"), "Ana brews tea.", evidence=events)
    indexed()
    assert find("tea", types=["conclusion"]) == ["Ana drinks tea."]


def test_nothing_of_another_user_or_app_is_found(indexed):
    say("Ana sails.")
    say("Ben sails.", user="ben")
    say("Ana sails elsewhere.", app="other")
    say("Ben sails elsewhere.", user="ben", app="other")
    indexed()
    assert find("sails") == ["Ana sails."]
    assert set(find("sails", user=None)) == {"Ana sails.", "Ben sails."}


def test_a_user_has_what_was_said_in_sessions_that_they_take_part_in(indexed):
    app, _ = tenants.make_app("harbour")
    ana, _ = tenants.make_user(app, "ana")
    ben, _ = tenants.make_user(app, "ben")
    session, _ = tenants.make_session(app, ana, "talk")
    tenants.join(session, ben)
    log.append(app, [log.NewEvent(content="We sail on Friday.")], user=ana, session=session)
    indexed()
    assert find("sail", user="ben") == ["We sail on Friday."]
    assert texts(search.find(search.scope("harbour", "ana", "talk"), "sail")) == ["We sail on Friday."]


def test_deleting_an_event_takes_its_passage_along():
    say("Ana sails.")
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE memory_event DISABLE TRIGGER refuse_delete")
        cursor.execute("DELETE FROM memory_feedentry")
        cursor.execute("DELETE FROM memory_event")
        cursor.execute("ALTER TABLE memory_event ENABLE TRIGGER refuse_delete")
    assert not Passage.objects.exists()


def test_what_was_written_before_there_was_search_is_added(monkeypatch):
    subject = person()
    events = said("I like tea.", "I like boats.", "I like Lisbon.")
    concluded(publishing.open_line(subject, "recipe"), "Ana drinks tea.", evidence=events)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    Passage.objects.all().delete()
    migration = import_module("memory.migrations.0019_passages")
    monkeypatch.setattr(migration, "BATCH", 2)
    for _ in range(2):  # begun again, it adds nothing twice
        migration.add(None, SimpleNamespace(connection=connection))
        assert Passage.objects.count() == 4
    assert set(find("tea")) == {"I like tea.", "Ana drinks tea."}


def test_two_words_that_were_not_counted_to_their_end_are_not_both_taken_for_rare(monkeypatch):
    monkeypatch.setattr(lexical, "COUNTED", 2)
    monkeypatch.setattr(lexical, "CANDIDATES", 4)
    said(*(f"{word} {number}" for word in ("sails", "ropes") for number in range(4)))
    index_everything()
    assert len(find("sails ropes")) == 4


def test_a_search_takes_four_statements_however_much_it_finds(django_assert_num_queries):
    say(*[f"The boat sails to Lisbon, number {i}." for i in range(10)])
    index_everything()
    find("boats in Lisbon")  # what words are is remembered
    with django_assert_num_queries(4):
        assert len(find("boats in Lisbon")) == 10
    with django_assert_num_queries(4):
        assert len(find("boats in Lisbon", limit=1)) == 1


def test_of_what_is_not_indexed_a_search_reads_what_belongs_to_its_scope():
    say("The boat sails.", user="ana")
    say("The boat sinks.", user="ben")
    read = {user: [found.folded for found in index.unindexed(search.scope("harbour", user))] for user in ("ana", "ben")}
    assert read == {"ana": ["the boat sails"], "ben": ["the boat sinks"]}
    assert len(index.unindexed(search.scope("harbour"))) == 2


def test_of_what_is_not_indexed_a_search_of_a_session_reads_its_own_and_what_is_concluded_of_its_user():
    subject = person("ana")
    concluded(publishing.open_line(subject, "recipe"), "Ana has a boat.", evidence=said("The boat sails."))
    log.append("harbour", [log.NewEvent(content="The boat sinks.")], user="ana", session="chat")
    where = search.scope("harbour", "ana", "chat")
    assert [found.folded for found in index.unindexed(where)] == ["the boat sinks"]
    assert "ana has a boat" in [found.folded for found in index.unindexed(replace(where, known=subject.user_id))]
