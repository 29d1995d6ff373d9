import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.query.json_text import (
    embed_instant,
    embed_money,
    embed_number,
    embed_object,
    embed_text,
    load_decimals,
    load_object,
    nests_too_deep,
    quote_large_integers,
)

any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def written(value: object) -> Any:
    """What a client reads of a value in an answer."""
    return json.loads(orjson.dumps(value))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": [1, "b", null]}', {"a": [1, "b", None]}),
        ('"quoted"', "quoted"),
        ("3", 3),
        (" true ", True),
        ("plain words", "plain words"),
        ("nan", "nan"),
        ("NaN", "NaN"),
        ("{broken", "{broken"),
        ('{"a": NaN}', '{"a": NaN}'),
        ('"\\ud800"', '"\\ud800"'),
        ("", ""),
        (None, None),
    ],
)
def test_input_and_output_are_json_where_they_are_json(text: str | None, value: object) -> None:
    assert written(embed_text(text)) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("9007199254740992", 2**53),
        ("9007199254740993", "9007199254740993"),
        ("-9007199254740993", "-9007199254740993"),
        ('{"id": 123456789012345678901234567890}', {"id": "123456789012345678901234567890"}),
        ('["12345678901234567890", 0.12345678901234567, 1e300]', ["12345678901234567890", 0.12345678901234567, 1e300]),
        ('"\\"12345678901234567890"', '"12345678901234567890'),
        ("1" * 5000, "1" * 5000),
    ],
)
def test_integers_that_clients_cannot_hold_leave_as_strings(text: str, value: object) -> None:
    assert written(embed_text(text)) == value


@given(any_json)
def test_only_large_integers_are_changed(value: Any) -> None:
    text = json.dumps(value, ensure_ascii=False)

    assert json.loads(quote_large_integers(text)) == _quoted(value)


def _quoted(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | list | dict):
        return value
    if isinstance(value, int):
        return str(value) if abs(value) > 2**53 else value
    if isinstance(value, list):
        return [_quoted(one) for one in value]  # pyright: ignore[reportUnknownVariableType]
    return {key: _quoted(one) for key, one in value.items()}  # pyright: ignore[reportUnknownVariableType]


@pytest.mark.parametrize("levels", [255, 256, 257, 5000])
def test_nesting_that_clients_cannot_follow_leaves_as_text(levels: int) -> None:
    text = '{"a":' * levels + "1" + "}" * levels

    assert isinstance(embed_text(text), str) == (levels > 256)
    assert isinstance(embed_text('["' + "[" * levels + '"]'), orjson.Fragment)


def test_many_brackets_side_by_side_are_not_deep() -> None:
    assert not nests_too_deep("[" + "[]," * 5000 + "[]]")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (None, {}),
        ("null", {}),
        ('{"a": 1}', {"a": 1}),
        ('"words"', {"metadata": "words"}),
        ("[1]", {"metadata": [1]}),
    ],
)
def test_metadata_is_always_an_object(text: str | None, value: dict[str, Any]) -> None:
    assert written(embed_object(text)) == value
    assert load_object(text) == value


def test_amounts_are_exact_numbers_for_sdks_and_exact_strings_for_our_own_api() -> None:
    amount = Decimal("0.00000012345678901234567890")

    assert orjson.dumps(embed_number(amount)) == b"0.0000001234567890123456789"
    assert embed_money(amount) == "0.0000001234567890123456789"
    assert orjson.dumps(embed_number(Decimal("1E+2"))) == b"100"
    assert embed_number(Decimal("NaN")) is None
    assert embed_money(None) is None


def test_amounts_are_read_exactly_from_texts_and_from_numbers() -> None:
    found = load_decimals('{"a": "0.10", "b": 0.1000000000000000055511151231257827, "c": 3}')

    assert found == {"a": Decimal("0.10"), "b": Decimal("0.1000000000000000055511151231257827"), "c": Decimal(3)}
    assert load_decimals(None) == {}


def test_instants_have_milliseconds_and_z() -> None:
    assert embed_instant(datetime(2026, 11, 21, 12, 0, 0, 1999, tzinfo=UTC)) == "2026-11-21T12:00:00.001Z"
    assert embed_instant(None) is None
