from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import QueryParams

from tailrace.query import parameters
from tailrace.query.errors import InvalidRequestError


def query(text: str) -> QueryParams:
    return QueryParams(text)


def test_an_empty_value_is_an_absent_parameter() -> None:
    asked = query("name=&tags=&tags=a&page=&from=&sure=&ids=,")

    assert parameters.text(asked, "name") is None
    assert parameters.texts(asked, "tags") == ["a"]
    assert parameters.comma_list(asked, "ids") == []
    assert parameters.page(asked) == (1, 50)
    assert parameters.instant(asked, "from") is None
    assert parameters.flag(asked, "sure") is None


def test_texts_lose_what_the_database_cannot_hold() -> None:
    asked = query("name=a%00b&tags=%00&tags=x%00")

    assert parameters.text(asked, "name") == "ab"
    assert parameters.texts(asked, "tags") == ["x"]


def test_a_page_knows_its_offset() -> None:
    assert parameters.page(query("page=3&limit=20")).offset == 40


@pytest.mark.parametrize("asked", ["page=0", "page=-1", "page=1.5", "limit=0", "limit=101", "page=²", "limit=1_0"])
def test_a_page_or_limit_out_of_range_is_refused_by_name(asked: str) -> None:
    with pytest.raises(InvalidRequestError) as raised:
        parameters.page(query(asked))

    assert raised.value.path == (asked.partition("=")[0],)
    assert "expected a whole number from 1" in raised.value.message


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-11-21T12:00:00Z", datetime(2026, 11, 21, 12, tzinfo=UTC)),
        ("2026-11-21T12:00:00.123456+05:30", datetime(2026, 11, 21, 6, 30, 0, 123456, tzinfo=UTC)),
        ("2026-11-21T12:00:00 01:00", datetime(2026, 11, 21, 11, tzinfo=UTC)),
        ("2026-11-21", datetime(2026, 11, 21, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 2, tzinfo=UTC)),
        ("9999-12-31T23:59:59Z", datetime(9999, 12, 30, tzinfo=UTC)),
    ],
)
def test_an_instant_has_an_offset_or_is_a_utc_date(text: str, at: datetime) -> None:
    assert parameters.parse_instant(text) == at


@pytest.mark.parametrize(
    "text", ["2026-11-21T12:00:00", "0001-01-01T00:00:00+05:00", "now", "2026-13-01", "1763726400"]
)
def test_what_names_no_moment_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequestError, match="ISO 8601"):
        parameters.parse_instant(text, "from")


@given(st.text(max_size=40))
def test_any_text_is_an_instant_or_refused(text: str) -> None:
    with suppress(InvalidRequestError):
        assert parameters.parse_instant(text).tzinfo is UTC


@pytest.mark.parametrize("text", ["nan", "inf", "-Infinity", "1e999", "one", "0x10"])
def test_a_number_is_finite(text: str) -> None:
    with pytest.raises(InvalidRequestError):
        parameters.finite_number(text, "value")


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("", {"core", "basic"}),
        ("fields=io", {"io"}),
        ("fields=io,%20basic,nope", {"io", "basic"}),
        ("fields=nope", set[str]()),
    ],
)
def test_unknown_groups_are_ignored(asked: str, found: set[str]) -> None:
    assert parameters.groups(query(asked), ("core", "basic", "io"), ("core", "basic")) == found


def test_an_order_is_a_known_field_and_a_direction() -> None:
    assert parameters.order(query("sort=cost.asc"), "sort", ("cost",), "cost.desc") == ("cost", "asc")
    assert parameters.order(query(""), "sort", ("cost",), "cost.desc") == ("cost", "desc")
    for wrong in ("cost", "cost.up", "name.asc", ".asc", "cost.asc; drop table traces"):
        with pytest.raises(InvalidRequestError):
            parameters.order(query("") if not wrong else QueryParams({"sort": wrong}), "sort", ("cost",), "cost.desc")


def test_a_list_has_a_bound() -> None:
    with pytest.raises(InvalidRequestError, match="at most 1000"):
        parameters.comma_list(query("id=" + "a," * 1001), "id")


def test_a_long_wrong_value_is_shown_shortened() -> None:
    with pytest.raises(InvalidRequestError) as raised:
        parameters.choice(query("bucket=" + "x" * 5000), "bucket", ("minute", "hour"))

    assert len(raised.value.message) < 200


def test_a_refusal_says_where_and_why() -> None:
    body: dict[str, Any] = InvalidRequestError("expected more", "filter", 2, "value").body()

    issue = {"code": "custom", "path": ["filter", 2, "value"], "message": "expected more"}
    assert body == {"message": "Invalid request data", "error": [issue]}
