"""Tokens are those of tiktoken, whatever the text is, and counting takes time in proportion to it."""

import base64
import hashlib
import time
import unicodedata
from functools import partial
from importlib import import_module
from inspect import getsource
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailrace.core.vocabularies import Vocabulary
from tailrace.runtime.settings import Processing
from tailrace.runtime.tokens import TokenCounter, TokensUnavailableError, token_counter

VOCABULARIES: tuple[Vocabulary, ...] = get_args(Vocabulary)
toktok: Any = import_module("toktok")
tiktoken: Any = import_module("tiktoken")
openai_public: Any = import_module("tiktoken_ext.openai_public")
COUNTER = TokenCounter()


def ranks_file(vocabulary: Vocabulary) -> bytes:
    """The vocabulary that is counted with, in the form of the files that OpenAI publishes."""
    read: Any = toktok._encoding(vocabulary)
    size = {"cl100k_base": 100_256, "o200k_base": 199_998}[vocabulary]
    lines = (b"%b %d\n" % (base64.b64encode(read.decode_single_token_bytes(rank)), rank) for rank in range(size))
    return b"".join(lines)


@pytest.fixture(scope="module")
def reference() -> dict[str, Any]:
    """tiktoken's encodings, made of tiktoken's own patterns and the vocabularies that are counted with: nothing is downloaded."""
    made: dict[str, Any] = {}
    for vocabulary in VOCABULARIES:
        lines = (line.split() for line in ranks_file(vocabulary).splitlines())
        ranks = {base64.b64decode(token): int(rank) for token, rank in lines}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(openai_public, "load_tiktoken_bpe", partial(_given, ranks))
            made[vocabulary] = tiktoken.Encoding(**getattr(openai_public, vocabulary)())
    return made


def _given(ranks: dict[bytes, int], *_: Any, **__: Any) -> dict[bytes, int]:
    """In the place of a download."""
    return ranks


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
def test_the_vocabulary_is_the_published_one_byte_for_byte(vocabulary: Vocabulary) -> None:
    digest = hashlib.sha256(ranks_file(vocabulary)).hexdigest()

    assert f'expected_hash="{digest}"' in getsource(getattr(openai_public, vocabulary))


_assigned = st.characters(exclude_categories=("Cn", "Cs"), exclude_characters="\u017f")
_pieces = st.one_of(
    st.text(_assigned, max_size=8),
    st.sampled_from(["the", "The", " ", "  ", "\n", "\r\n", "\t", "'s", "'LL", "123", "//", "\x00", "<|endoftext|>"]),
    st.sampled_from(["😀", "👩‍👩‍👧", "é", "e\u0301", "ǅ", "\u3000", "\ufeff", "٣", '{"a":1}', "_" * 40, " " * 40]),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(_pieces, max_size=12).map("".join))
def test_every_text_has_as_many_tokens_as_tiktoken_says(reference: dict[str, Any], text: str) -> None:
    for vocabulary in VOCABULARIES:
        assert COUNTER.count(vocabulary, [text]) == [len(reference[vocabulary].encode_ordinary(text))]


# How many tokens they are is printed in "How to count tokens with tiktoken" of OpenAI's cookbook.
@pytest.mark.parametrize(
    ("vocabulary", "text", "tokens"),
    [
        ("cl100k_base", "tiktoken is great!", 6),
        ("cl100k_base", "antidisestablishmentarianism", 6),
        ("cl100k_base", "2 + 2 = 4", 7),
        ("cl100k_base", "お誕生日おめでとう", 9),
        ("o200k_base", "お誕生日おめでとう", 8),
    ],
)
def test_published_counts(vocabulary: Vocabulary, text: str, tokens: int) -> None:
    assert COUNTER.count(vocabulary, [text]) == [tokens]


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb", "\x00", unicodedata.lookup("ZERO WIDTH JOINER")])
def test_no_text_is_too_strange_to_count(text: str) -> None:
    for vocabulary in VOCABULARIES:
        assert COUNTER.count(vocabulary, [text])[0] >= 1


@pytest.mark.parametrize("piece", ["a", " ", "\n", "=", "/", "😀", "\x00", "e\u0301", "A", "7", "ab", "'s", " /"])
def test_a_text_ten_times_as_long_takes_about_ten_times_as_long(piece: str) -> None:
    def seconds(characters: int) -> float:
        text = piece * (characters // len(piece))
        started = time.process_time()
        COUNTER.count("o200k_base", [text])
        return time.process_time() - started

    seconds(1_000)
    short = min(seconds(100_000) for _ in range(3))
    assert min(seconds(1_000_000) for _ in range(2)) < 40 * max(short, 0.001)


def test_the_texts_of_one_count_are_counted_apart() -> None:
    assert COUNTER.count("o200k_base", ["hello", " world", "", "hello world"]) == [1, 1, 0, 2]
    assert COUNTER.count("o200k_base", []) == []


def test_a_vocabulary_is_ready_once_it_was_used() -> None:
    counter = TokenCounter()
    before = counter.is_ready("cl100k_base")
    counter.count("cl100k_base", ["a"])

    assert (before, counter.is_ready("cl100k_base"), counter.is_ready("o200k_base")) == (False, True, False)


def test_without_the_library_it_says_so() -> None:
    counter = TokenCounter("a_library_that_is_not_there")

    assert not counter.is_available
    with pytest.raises(TokensUnavailableError, match="expected a_library_that_is_not_there to be installed"):
        counter.count("o200k_base", ["a"])


def test_the_settings_decide_whether_anything_is_counted() -> None:
    assert token_counter(Processing(estimate_usage=False)) is None
    assert isinstance(token_counter(Processing()), TokenCounter)
