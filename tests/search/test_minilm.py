"""The model on the processor: vectors that are right, whatever the batch."""

from __future__ import annotations

import math

import pytest

from memory.search import minilm
from memory.search.embedders import CannotEmbed


@pytest.fixture(scope="module")
def model():
    return minilm.MiniLM()


def similarity(one, other):
    return sum(a * b for a, b in zip(one, other, strict=True))


def test_vectors_have_length_one_and_384_dimensions(model):
    for vector in model.embed(["The boat sails.", "x", "", "🙂", "word " * 2_000]):
        assert len(vector) == 384
        assert math.sqrt(similarity(vector, vector)) == pytest.approx(1, abs=1e-5)


def test_what_means_the_same_lies_nearer(model):
    asked, same, other, far = model.embed(
        ["How old is her kid?", "Her son turned nine last week.", "The invoice is overdue.", "Boats sail on the sea."]
    )
    assert similarity(asked, same) > 0.4
    assert similarity(asked, same) > similarity(asked, other) + 0.2
    assert similarity(asked, same) > similarity(asked, far) + 0.2


def test_what_else_is_in_the_batch_hardly_matters(model):
    """Padding is left out of the mean; the int8 weights alone make a small difference."""
    alone = model.embed(["Ana lives in Lisbon."])[0]
    beside = model.embed(["A much longer text, so that the other is padded. " * 4, "Ana lives in Lisbon."] * 3)[1]
    assert similarity(alone, beside) > 0.99


def test_vectors_are_in_the_order_of_the_texts(model):
    texts = [f"{'word ' * (i % 7)}number {i}" for i in range(40)]
    vectors = model.embed(texts)
    for place in (0, 33, 39):
        near = [similarity(model.embed([texts[place]])[0], vector) for vector in vectors]
        assert max(range(40), key=near.__getitem__) == place


def test_a_package_that_is_missing_is_named(monkeypatch):
    monkeypatch.setattr(minilm, "_TOKENIZER", ("no_such_package", "tokenizer.json"))
    assert "no_such_package is missing. Install it with" in (minilm.missing() or "")
    with pytest.raises(CannotEmbed, match="no_such_package"):
        minilm.MiniLM().embed(["x"])
