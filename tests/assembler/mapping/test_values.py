"""Environment names, level words, times, tags and lengths, as any sender may write them."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.assembler.mapping.values import (
    cut_key,
    dump_json,
    level_of,
    normalise_environment,
    object_of,
    tags_of,
    text_of,
    time_of,
)
from tailrace.core.model import MAX_TIME_US, MIN_TIME_US


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("production", "production"),
        ("Production", "production"),
        ("langfuse-prod", "prod"),
        ("LANGFUSE_langfuse-prod", "prod"),
        ("langfuseprod", "prod"),
        ("langfuse", "default"),
        ("not allowed", "default"),
        ("żółw", "default"),
        ("a" * 41, "a" * 40),
        ("my-langfuse-env", "my-langfuse-env"),
        ("a\n", "default"),
    ],
)
def test_an_environment_is_normalised_and_never_refused(name: str, expected: str) -> None:
    assert normalise_environment(name) == expected


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("ERROR", "ERROR"),
        ("error", "ERROR"),
        ("fatal", "ERROR"),
        ("Critical", "ERROR"),
        ("warn", "WARNING"),
        ("TRACE", "DEBUG"),
        ("verbose", "DEBUG"),
        ("info", "DEFAULT"),
        ("SUCCESS", "DEFAULT"),
        ("loud", None),
        (None, None),
        (3, None),
    ],
)
def test_a_level_is_known_by_the_words_of_many_libraries(word: Any, expected: str | None) -> None:
    assert level_of(word) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:00:00.000001Z", 1),
        ("1970-01-01T02:00:00+02:00", 0),
        ("0001-01-02T00:00:00Z", MIN_TIME_US),
        ("9999-12-30T23:59:59.999999Z", MAX_TIME_US),
        ("0001-01-01T23:59:59.999999Z", None),
        ("9999-12-31T00:00:00Z", None),
        ("0001-01-01T00:00:00+01:00", None),
        ("9999-12-31T23:59:59-01:00", None),
        ("1970-01-01T00:00:00", None),
        ("1970-13-01T00:00:00Z", None),
        ("", None),
        (0, None),
    ],
)
def test_a_time_has_an_offset_and_lies_in_the_years_that_can_be_stored(text: Any, expected: int | None) -> None:
    assert time_of(text) == expected


def test_tags_of_anything_else_are_none() -> None:
    assert tags_of(3) == []
    assert tags_of('{"a": 1}') == ['{"a": 1}']
    assert tags_of("[broken") == ["[broken"]


def test_a_key_is_cut_between_characters() -> None:
    assert cut_key("a" * 1000) == "a" * 1000
    assert cut_key("a" * 1001).startswith("a" * 983 + "~")
    assert cut_key("東" * 400).startswith("東" * 327 + "~")


@given(st.text(max_size=60), st.integers(1, 60), st.text(alphabet="a東", max_size=2))
def test_keys_that_differ_stay_different_within_their_bound(word: str, times: int, more: str) -> None:
    text = word * times
    kept = cut_key(text)

    assert len(kept.encode()) <= 1000
    assert cut_key(kept) == kept
    assert (cut_key(text + more) == kept) == (more == "")


def test_texts_stay_and_everything_else_becomes_json() -> None:
    assert text_of("a") == "a"
    assert text_of(None) is None
    assert text_of([1, True, "é"]) == '[1,true,"é"]'
    assert dump_json(2**70) == str(2**70)


def test_metadata_of_a_body_is_always_an_object_that_any_library_can_write() -> None:
    assert object_of(None) is None
    assert object_of({"a": 2**64, "b": [2**63 - 1]}) == {"a": str(2**64), "b": [2**63 - 1]}
    assert object_of("text") == {"metadata": "text"}
    assert object_of([1, "a"]) == {"metadata": json.dumps([1, "a"], separators=(",", ":"))}
