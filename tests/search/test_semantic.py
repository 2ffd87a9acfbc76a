"""Finding by meaning: vectors of one model at a time, made in the background, narrowed by the same filters."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import override_settings

from memory import clock, log, search, tenants
from memory.models import Embedding, EmbeddingModel, Passage
from memory.search import embedders, embeddings, fusion, index, semantic, upkeep
from tests.loopback.vectors import vector
from tests.search.helpers import OTHER_WORDS, WORDS, Words, embed_everything, index_everything, texts
from tests.store.helpers import say

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """Nothing is loaded, and the embedder of these tests does what it should."""
    embedders.forget()
    monkeypatch.setattr(Words, "asked", [])
    yield
    embedders.forget()


@pytest.fixture
def configured():
    """The settings name an embedder."""
    with override_settings(HONCHO=WORDS):
        yield


def look(query: str, user: str | None = "ana", app: str = "harbour", **options) -> search.Found:
    """Search as the API does."""
    return search.find(search.scope(app, user), query, vector=search.embed_query(query), **options)


def test_without_an_embedder_search_says_that_it_is_by_words():
    say("The boat sails.")
    embed_everything()
    found = look("boat", mode="semantic")
    assert (found.mode, found.note, found.embedding) == ("lexical", "No embeddings are configured.", None)
    assert texts(found) == ["The boat sails."]


def test_before_any_vector_is_made_search_says_so(configured):
    say("The boat sails.")
    assert look("boat").note == "No embeddings have been made yet."


def test_what_has_vectors_is_found_by_them(configured):
    say("The boat sails.", "Tea is green.", "")
    embed_everything()
    found = look("green tea", mode="semantic", limit=1)
    assert (texts(found), found.mode, found.note) == (["Tea is green."], "semantic", None)
    assert (found.items[0].lexical_rank, found.items[0].semantic_rank) == (None, 1)
    assert found.embedding == search.Embedded("words/words-64", 2, 0)


def test_hybrid_ranks_by_both(configured):
    say("The boat sails.", "Tea is green.")
    embed_everything()
    first = look("green tea").items[0]
    assert (first.lexical_rank, first.semantic_rank) == (1, 1)
    assert first.score == pytest.approx(2 / (fusion.FLATTENING + 1))


def test_a_recall_weighs_what_is_near_in_meaning_beside_what_has_the_words(configured):
    say("The boat sails.", "Tea is green.", "Nothing of the kind.")
    embed_everything()
    say("Another boat.")  # has no vector yet
    where = search.scope("harbour", "ana")
    found = search.recall(where, "boat", vector=search.embed_query("Tea is green."))
    assert found.mode == "hybrid"
    assert texts(found)[0] == "Tea is green."
    assert {"The boat sails.", "Another boat."} < set(texts(found))


def test_the_vector_of_a_question_is_made_without_the_names_of_who_is_asked_about(configured):
    say("The boat sails.")
    embed_everything()
    Words.asked.clear()
    search.embed_question(search.scope("harbour", "ana"), "What is Ana's boat called?")
    assert Words.asked == [["What is boat called?"]]


def test_a_text_that_is_there_twice_is_embedded_once_now_and_later(configured):
    say("The boat sails.", "Tea is green.", "The boat sails.")
    embed_everything()
    say("The boat sails.", "Tea is black.", user="ben")
    embed_everything()
    made = [text for asked in Words.asked for text in asked if text in {"The boat sails.", "Tea is green."}]
    assert sorted(made) == ["Tea is green.", "The boat sails."]
    kept = [str(vector) for vector in Embedding.objects.values_list("vector", flat=True)]
    assert (len(kept), len(set(kept)), "None" in kept) == (5, 3, False)


def test_what_has_no_vector_yet_is_found_by_its_words(configured):
    say("The boat sails.")
    embed_everything()
    say("The boat is green.")
    assert set(texts(look("boat"))) == {"The boat sails.", "The boat is green."}


def test_where_the_query_gets_no_vector_words_are_looked_for(configured, monkeypatch):
    say("The boat sails.")
    embed_everything()
    monkeypatch.setattr(Words, "fails", True)
    found = look("boat")
    assert (found.mode, texts(found)) == ("lexical", ["The boat sails."])
    assert found.note == embedders.FAILED


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("mode", ["semantic", "hybrid"])
def test_under_a_filter_the_best_that_fulfil_it_are_found(configured, seed, mode):
    draw = random.Random(seed)
    vocabulary = ["boat", "tea", "green", "lighthouse", "friday", "invoice", "lisbon", "python", "paint", "sail"]
    for i in range(60):
        app, user = draw.choice(["harbour", "other"]), draw.choice(["ana", "ben"])
        event = log.NewEvent(
            content=" ".join(draw.choices(vocabulary, k=draw.randint(1, 5))) + f" {i}",
            kind=draw.choice(["message", "note.kept"]),
            occurred_at=clock.now() - timedelta(days=draw.randint(0, 9)),
            metadata={"room": draw.randint(0, 2)},
        )
        log.append(app, [event], user=user)
    embed_everything()
    query, since = " ".join(draw.sample(vocabulary, 3)), clock.now() - timedelta(days=5)
    where = search.scope("harbour", "ana")
    filters = search.Filters(kinds=["message"], since=since, metadata={"room": 1})
    found = search.find(where, query, filters=filters, mode=mode, vector=search.embed_query(query), limit=100)

    fulfil = [
        passage.event
        for passage in Passage.objects.select_related("event")
        if passage.event.app_id == where.app_id and passage.event.user_id == where.thing
        and passage.event.kind == "message" and passage.event.occurred_at >= since
        and passage.event.metadata == {"room": 1}
    ]  # fmt: skip
    assert {hit.id for hit in found.items} == {event.pk for event in fulfil}
    asked = vector(query, 64, "words/words-64")
    near = {
        event.pk: sum(a * b for a, b in zip(vector(event.content, 64, "words/words-64"), asked, strict=True))
        for event in fulfil
    }
    by_rank = sorted((hit for hit in found.items), key=lambda hit: hit.semantic_rank)
    assert [near[hit.id] for hit in by_rank] == pytest.approx(sorted(near.values(), reverse=True), abs=1e-5)
    if mode == "hybrid":
        scores = [sum(1 / (60 + rank) for rank in (hit.lexical_rank, hit.semantic_rank) if rank) for hit in found.items]
        assert [hit.score for hit in found.items] == pytest.approx(scores)
        assert scores == sorted(scores, reverse=True)


def test_nothing_of_another_app_is_near(configured):
    say("The boat sails.", app="other")
    say("Nothing of the kind.")
    embed_everything()
    assert texts(look("the boat sails", user=None, mode="semantic")) == ["Nothing of the kind."]


def test_a_change_of_model_makes_all_anew_while_the_old_one_serves(configured, monkeypatch):
    monkeypatch.setattr(embeddings, "BATCH", 2)
    say(*[f"The boat number {i} sails." for i in range(6)])
    embed_everything()
    old = embedders.serving()
    with override_settings(HONCHO=OTHER_WORDS):
        say("The newest boat.")
        index.work()
        embeddings.work(1)  # enlists
        assert Embedding.objects.filter(model__name="words/others-96", vector=None).count() > 0
        found = look("boat number 3", mode="semantic", limit=1)
        assert (texts(found), found.embedding.model) == (["The boat number 3 sails."], old.name)
        assert len(search.embed_query("boat").values) == 64, "the query is asked of the model that serves"
        while embeddings.work(1):
            assert embedders.serving().pk in (old.pk, EmbeddingModel.objects.get(wanted=True).pk)
        found = look("boat number 3", mode="semantic", limit=1)
        assert (texts(found), found.embedding.model) == (["The boat number 3 sails."], "words/others-96")
        assert len(look("newest", mode="semantic").items) == 7


def test_a_search_that_began_before_the_change_ends_with_the_model_it_began_with(configured):
    say("The boat sails.", "Tea is green.")
    embed_everything()
    asked = search.embed_query("green tea")
    with override_settings(HONCHO=OTHER_WORDS):
        embed_everything()
        assert embedders.serving().pk != asked.model
        found = search.find(search.scope("harbour", "ana"), "green tea", mode="semantic", vector=asked, limit=1)
        assert texts(found) == ["Tea is green."]


@pytest.mark.django_db(transaction=True)
def test_the_old_vectors_are_dropped_when_the_new_ones_have_served_for_a_while(configured, monkeypatch):
    say("The boat sails.")
    embed_everything()
    with override_settings(HONCHO=OTHER_WORDS):
        embed_everything()
        assert EmbeddingModel.objects.count() == 2
        monkeypatch.setattr(embeddings, "GRACE", timedelta(0))
        embed_everything()
    [model] = EmbeddingModel.objects.all()
    assert model.name == "words/others-96"
    assert Embedding.objects.count() == 1


def test_going_back_to_a_model_goes_on_with_what_it_has(configured):
    say("The boat sails.")
    embed_everything()
    with override_settings(HONCHO=OTHER_WORDS):
        embeddings.work(0)
        say("Tea is green.")
        index_everything()
    Words.asked.clear()
    embed_everything()
    assert Words.asked == [["Tea is green."]]
    assert len(look("tea", mode="semantic").items) == 2


def test_making_vectors_is_begun_again_where_it_was_cut_off(configured, monkeypatch):
    monkeypatch.setattr(embeddings, "BATCH", 2)
    say("One.", "Two.", "Three.", "Four.", "Five.")
    index_everything()
    embeddings.work(1)
    Words.asked.clear()
    monkeypatch.setattr(Words, "fails", True)
    with pytest.raises(embedders.CannotEmbed):
        embeddings.work(1)
    assert not upkeep.make_embeddings(), "in the background it is only logged"
    monkeypatch.setattr(Words, "fails", False)
    embed_everything()
    assert sorted(text for batch in Words.asked for text in batch) == ["One.", "Three.", "Two."]


def test_a_text_that_is_refused_holds_up_no_other(configured, monkeypatch):
    monkeypatch.setattr(Words, "refuses", "Three.")
    say("One.", "Two.", "Three.", "Four.", "Five.")
    embed_everything()
    [item] = embeddings.status()
    assert (item.made, item.waiting, item.failed) == (4, 0, 1)
    assert Embedding.objects.exclude(problem="").get().problem == "It is refused."


@pytest.mark.django_db(transaction=True)
def test_an_index_is_built_when_it_is_worth_its_while_and_loses_nothing_under_a_filter(configured, monkeypatch):
    for i in range(400):
        user = "ben" if i % 100 == 0 else "ana"
        say(f"boat {i}", user=user, occurred_at=clock.now() - timedelta(days=i % 7))
    embed_everything()
    assert not embeddings.build_index()
    monkeypatch.setattr(embeddings, "INDEX_FROM", 400)
    assert embeddings.build_index()
    assert not embeddings.build_index(), "once"
    exact = {user: texts(look("boat 7", user=user, mode="semantic", limit=20)) for user in ("ana", "ben", None)}
    walks = []
    walk = semantic._walk
    monkeypatch.setattr(semantic, "_walk", lambda *given: walks.append(found := walk(*given)) or found)
    monkeypatch.setattr(semantic, "EXACT", 2)
    for user, expected in exact.items():
        found = texts(look("boat 7", user=user, mode="semantic", limit=20))
        assert len(found) == len(expected) == (4 if user == "ben" else 20)
        assert found[0] == expected[0]
    iterates = semantic._index_iterates(embedders.serving().pk)  # not with an older pgvector
    assert len(walks) == (3 if iterates else 0), "the index was asked"
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_indexes WHERE indexname LIKE 'memory_embedding_hnsw_%'")
        assert cursor.fetchone() == (1,)
        cursor.execute(f"DROP INDEX {semantic.index_name(embedders.serving())}")


def test_the_command_says_how_far_the_models_are_and_remakes(configured, capsys):
    call_command("embeddings", "--status")
    assert capsys.readouterr().out.startswith("There are none.")
    say("The boat sails.")
    call_command("index")
    call_command("embeddings")
    assert "words/words-64 (64 dimensions) serves: 1 made, 0 waiting, 0 refused" in capsys.readouterr().out
    call_command("embeddings", "--remake")
    out = capsys.readouterr().out
    assert "words/words-64 (64 dimensions) serves: 1 made" in out
    assert "goes: 1 made" in out
    with override_settings(HONCHO={}), pytest.raises(CommandError, match="No embeddings are configured"):
        call_command("embeddings", "--remake")


def test_an_embedder_that_cannot_be_loaded_says_so(settings):
    settings.HONCHO = {"EMBEDDER": "no.such.thing"}
    with pytest.raises(embedders.CannotEmbed, match="cannot be loaded"):
        embeddings.work(1)
    assert not upkeep.make_embeddings()


def test_deleting_a_passage_takes_its_vectors_along(configured):
    say("The boat sails.")
    embed_everything()
    tenants.make_app("another")
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("DELETE FROM memory_passage")
    assert not Embedding.objects.exists()
