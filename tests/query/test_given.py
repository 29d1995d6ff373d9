"""What a sender is told that it gave: short, whatever it was."""

from typing import Any

import pytest

from tailrace.query.given import kind_of


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "nothing"),
        ({"a": 1}, "an object"),
        ([1, 2], "a list of 2"),
        ("abc", "'abc'"),
        (1.5, "1.5"),
        (True, "True"),
        pytest.param(10**5000, "a number of many digits", id="large"),
        pytest.param(-(10**5000), "a number of many digits", id="low"),
    ],
)
def test_a_value_is_named_in_few_words(value: Any, words: str) -> None:
    assert kind_of(value) == words


def test_a_long_text_is_cut() -> None:
    assert len(kind_of("x" * 1_000_000)) <= 81
