import re
from contextlib import suppress
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.query.columns import OBSERVATION_COLUMNS, SCORE_COLUMNS, TRACE_COLUMNS
from tailrace.query.errors import InvalidRequestError
from tailrace.query.filters import add_filter, parse_filter
from tailrace.query.sql import Where

HOSTILE = "'; drop table traces; -- $1 {key}"
types = ["datetime", "string", "number", "stringOptions", "categoryOptions", "arrayOptions", "stringObject"]
types += ["numberObject", "booleanObject", "boolean", "null"]
operators = [
    "=",
    "<>",
    ">",
    "<",
    ">=",
    "<=",
    "any of",
    "none of",
    "all of",
    "contains",
    "does not contain",
    "starts with",
]
operators += ["ends with", "is null", "is not null", "is set", "is not set", HOSTILE]
any_value: list[Any] = [HOSTILE, 1, 0.5, True, None, [HOSTILE], [], "2026-11-21T12:00:00Z", [1], {}]


def where_of(*conditions: dict[str, Any]) -> Where:
    where = Where("t", "p1")
    add_filter(where, TRACE_COLUMNS, parse_filter(orjson.dumps(conditions).decode()))
    return where


def test_a_condition_becomes_a_closed_fragment_and_a_value() -> None:
    where = where_of({"type": "string", "column": "name", "operator": "=", "value": HOSTILE})

    assert str(where) == "t.project_id = $1 and t.name = $2::text"
    assert where.values == ["p1", HOSTILE]


def test_the_key_of_a_condition_is_a_value_too() -> None:
    where = where_of({"type": "stringObject", "column": "metadata", "operator": "=", "value": "v", "key": HOSTILE})

    assert "drop" not in str(where)
    assert where.values == ["p1", HOSTILE, "v"]


@given(
    st.sampled_from(types),
    st.sampled_from(sorted({*TRACE_COLUMNS, *OBSERVATION_COLUMNS, *SCORE_COLUMNS, HOSTILE})),
    st.sampled_from(operators),
    st.sampled_from(any_value),
    st.none() | st.just(HOSTILE),
)
def test_no_text_of_a_sender_becomes_sql(type_: str, column: str, operator: str, value: Any, key: str | None) -> None:
    condition = {"type": type_, "column": column, "operator": operator, "value": value, "key": key}
    for columns in (TRACE_COLUMNS, OBSERVATION_COLUMNS, SCORE_COLUMNS):
        where = Where("t", "p1")
        with suppress(InvalidRequestError):
            add_filter(where, columns, parse_filter(orjson.dumps([condition]).decode()))
            placeholders = {int(found) for found in re.findall(r"\$(\d+)", str(where))}
            assert placeholders == set(range(1, len(where.values) + 1))
        assert "drop" not in str(where)


@given(st.text())
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequestError):
        parse_filter(f"{text}!")


def test_no_filter_is_no_condition() -> None:
    assert parse_filter(None) == []


def test_a_filter_has_a_bound() -> None:
    one = {"type": "null", "column": "name", "operator": "is null"}

    with pytest.raises(InvalidRequestError, match="at most 50"):
        where_of(*[one] * 51)


def test_a_wrong_type_names_those_that_fit() -> None:
    with pytest.raises(InvalidRequestError) as raised:
        where_of({"type": "number", "column": "name", "operator": "=", "value": 1})

    assert raised.value.message == "expected the type of name to be one of string, stringOptions, null"
    assert raised.value.path == ("filter", 0)
