"""Embeddings by a provider: over real HTTP, in batches, with its pauses kept and nothing of the texts told."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.test import override_settings

from memory import search
from memory.search import embedders, embeddings, upkeep
from memory.search.embedders import CannotEmbed
from reasoning import circuit
from reasoning.models import ProviderState
from reasoning.providers.embeddings import BATCH, MOST_CHARACTERS, STATE, ProviderEmbedder
from tests.loopback.server import LoopbackModel
from tests.search.helpers import embed_everything, index_everything, texts
from tests.store.helpers import say

pytestmark = pytest.mark.django_db


@pytest.fixture
def server() -> Iterator[LoopbackModel]:
    """A server of embeddings that the settings name."""
    embedders.forget()
    with LoopbackModel() as model:
        named = {"EMBEDDER": "provider", "EMBEDDING_MODEL": "small-64", "EMBEDDING_BASE_URL": model.url}
        with override_settings(HONCHO=named | {"EMBEDDING_API_KEY": "secret", "EMBED_QUERY_SECONDS": 5.0}):
            yield model
    embedders.forget()


def test_search_by_the_vectors_of_a_provider(server):
    say("The boat sails.", "Tea is green.")
    embed_everything()
    found = search.find(
        search.scope("harbour", "ana"), "green tea", mode="semantic", vector=search.embed_query("green tea"), limit=1
    )
    assert (texts(found), found.embedding.model) == (["Tea is green."], "provider/small-64")
    assert all(call.headers["authorization"] == "Bearer secret" for call in server.calls)
    assert {call.body["model"] for call in server.calls} == {"small-64"}


def test_texts_go_in_batches_and_no_text_is_longer_than_the_model_takes(server):
    vectors = ProviderEmbedder().embed([f"{i} " + "x" * 10_000 for i in range(BATCH + 1)])
    assert len({tuple(vector) for vector in vectors}) == BATCH + 1
    assert [len(call.body["input"]) for call in server.calls] == [BATCH, 1]
    assert max(len(text) for call in server.calls for text in call.body["input"]) == MOST_CHARACTERS


def test_a_pause_is_kept_by_everybody_and_ends(server):
    say("The boat sails.")
    index_everything()
    embeddings.wanted()
    server.then("status", status=429, headers={"Retry-After": "60"})
    assert not upkeep.make_embeddings()
    asked = server.count
    assert not upkeep.make_embeddings()
    assert search.embed_query("boat") is None
    assert server.count == asked, "nobody asks meanwhile"
    assert ProviderState.objects.get().name == STATE
    circuit.resume(STATE)
    embed_everything()
    assert embeddings.status()[0].made == 1


def test_a_search_waits_no_longer_for_its_vector_than_it_was_told(server, settings):
    say("The boat sails.")
    embed_everything()
    settings.HONCHO = {**settings.HONCHO, "EMBED_QUERY_SECONDS": 0.05}
    server.then("stall", seconds=5)
    assert search.embed_query("boat") is None
    found = search.find(search.scope("harbour", "ana"), "boat")
    assert (found.mode, found.note, texts(found)) == ("lexical", embedders.FAILED, ["The boat sails."])


def test_a_text_that_is_refused_holds_up_no_other(server):
    say("The boat sails.", "Tea is green.", "Bad.")
    index_everything()
    server.decide = lambda call: _bad() if "Bad." in call.body["input"] else None
    embed_everything()
    item = embeddings.status()[0]
    assert (item.made, item.waiting, item.failed) == (2, 0, 1)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("http", {"body": "not JSON"}), ("http", {"body": {"data": []}}), ("http", {"body": {"data": [{"index": 0}]}}),
        ("http", {"body": {"data": [{"index": 0, "embedding": ["x"]}]}}), ("http", {"body": [1]}),
        ("http", {"body": {"data": [{"index": 0, "embedding": []}]}}), ("drop", {}), ("status", {"status": 500}),
        ("status", {"status": 401}), ("quota", {}),
    ],
)  # fmt: skip
def test_an_answer_that_is_none_is_told_without_the_text_or_the_key(server, kind, options):
    server.then(kind, **options)
    with pytest.raises(CannotEmbed) as caught:
        ProviderEmbedder().embed(["private words"])
    assert not caught.value.for_good
    assert "private" not in str(caught.value)
    assert "secret" not in str(caught.value)


def _bad():
    from tests.loopback.server import Behaviour

    return Behaviour("status", status=400)
