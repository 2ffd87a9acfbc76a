"""Tokens are counted as the library counts them, without what the library loads for decoding."""

import subprocess
import sys
import warnings

import pytest

from memory import tokens

TEXTS = [
    "",
    "Hello, world",
    "日本 é 👩‍👩‍👧",
    "<|endoftext|>",
    "half \ud800 a character",
    "\n\n  x / y\n",
    "word " * 9_000,
]


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_a_text_has_as_many_tokens_as_the_library_makes_of_it(text: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of how it reads its vocabulary
        import bpe_openai
    assert tokens.count(text) == len(bpe_openai.get_encoding("o200k_base").encode_ordinary(text))


def test_a_text_may_be_of_any_length() -> None:
    assert tokens.count("word " * 1_000_000) >= 1_000_000


@pytest.mark.parametrize("first", ["memory.tokens", "bpe_openai"])
def test_counting_and_the_whole_library_go_together_in_either_order(first: str) -> None:
    count = "from memory import tokens; assert tokens.count('Hello, world') == 3"
    library = "import bpe_openai; assert len(bpe_openai.get_encoding('o200k_base').encode('Hello, world')) == 3"
    program = [count, library] if first == "memory.tokens" else [library, count]
    subprocess.run([sys.executable, "-W", "ignore", "-c", "; ".join(program)], check=True)


def test_counting_does_not_load_the_whole_library() -> None:
    program = "import sys; from memory import tokens; tokens.count('x'); sys.exit('bpe_openai.registry' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)
