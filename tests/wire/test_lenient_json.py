"""JSON as senders write it: what stays as it is, what is cleaned, what is refused."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.wire.lenient_json import (
    MAX_DEPTH,
    NotJsonError,
    clean_text,
    is_clean,
    is_deep,
    json_text,
    load_json,
    repair_json,
)
from tests.wire.json_strategies import json_values, patient


@pytest.mark.parametrize(("text", "clean"), [("abc", "abc"), ("a\x00b", "ab"), ("a\ud800b", "a\ufffdb"), ("🚀", "🚀")])
def test_a_text_is_cleaned(text: str, clean: str) -> None:
    assert clean_text(text) == clean


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"null", None),
        (b' "abc" ', "abc"),
        (b'"a\\u0000b"', "ab"),
        (b"5", "5"),
        (b"1e999", "1e999"),
        (b'{ "a" : 1.50 }', '{ "a" : 1.50 }'),
        (b'{"a":"\\ud83d\\ude80"}', '{"a":"\\ud83d\\ude80"}'),
        (b'{"a":"\\ud83d"}', '{"a":"\ufffd"}'),
        (b'{"a\\u0000":1}', '{"a":1}'),
    ],
)
def test_a_value_is_stored_as_the_sender_wrote_it_unless_that_cannot_be_stored(data: bytes, text: str | None) -> None:
    assert json_text(data) == text


@pytest.mark.parametrize(
    ("data", "deep"), [(b"[" * 200, False), (b"[" * 201, True), (b'{"a":[' * 101, True), (b"[]" * 500, False)]
)
def test_depth_is_counted(data: bytes, deep: bool) -> None:
    assert is_deep(data) is deep


def test_brackets_in_strings_are_no_depth() -> None:
    assert not is_deep(json.dumps(["[" * 1000, '\\"' + "{" * 1000]).encode())


@pytest.mark.parametrize("data", [b'"' * 1_000_001, b'"\\' * 500_000, b'"' + b'\\"' * 500_000, b'["' * 500_000])
def test_hostile_quotes_cost_no_more_than_their_length(data: bytes) -> None:
    started = time.perf_counter()

    with pytest.raises(NotJsonError):
        repair_json(data + b"[" * 300, cut_level=2)

    assert time.perf_counter() - started < 5


def test_a_value_that_is_too_deep_is_its_own_text_and_its_neighbours_stay() -> None:
    deep = "[" * 500 + "]" * 500

    repaired = json.loads(repair_json(f'{{"a": [1, 2], "deep": {deep}, "b": {{"c": "]"}}}}'.encode(), cut_level=2))

    assert repaired == {"a": [1, 2], "deep": deep, "b": {"c": "]"}}


@pytest.mark.parametrize("data", [b"", b"{", b"[1,]", b"nul", b"{'a':1}", b"[" * 300, b"[" * 200_000])
def test_what_is_no_json_is_refused(data: bytes) -> None:
    with pytest.raises(NotJsonError):
        load_json(data)
    with pytest.raises(NotJsonError):
        repair_json(data, cut_level=2)


def test_a_byte_order_mark_is_no_defect() -> None:
    assert load_json(b'\xef\xbb\xbf{"a":1}') == {"a": 1}


@patient
@given(json_values(["a", "b"]), st.integers(1, 5))
def test_repairing_changes_only_what_cannot_be_stored_and_doing_it_again_changes_nothing(
    value: Any, cut_level: int
) -> None:
    once = repair_json(json.dumps(value).encode(), cut_level=cut_level)

    assert is_clean(once)
    assert repair_json(once, cut_level=cut_level) == once


@patient
@given(st.binary(max_size=40))
def test_any_bytes_are_loaded_or_refused(data: bytes) -> None:
    try:
        loaded = load_json(data)
    except NotJsonError:
        return
    assert json.dumps(loaded, allow_nan=False)


@patient
@given(st.integers(1, 3 * MAX_DEPTH), st.sampled_from(["[", '{"a":']))
def test_whatever_the_depth_a_loaded_value_can_be_written_again(levels: int, opening: str) -> None:
    closing = "]" if opening == "[" else "}"
    data = (opening * levels + ("1" if opening != "[" else "") + closing * levels).encode()

    loaded = load_json(data)

    assert not is_deep(json.dumps(loaded).encode())
