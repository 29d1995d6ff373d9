import base64
from datetime import UTC, datetime

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.query.cursor import decode_cursor, encode_cursor
from tailrace.query.errors import InvalidRequestError

instants = st.datetimes(timezones=st.just(UTC))
ids = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]))


@given(instants, ids, ids)
def test_a_cursor_comes_back_as_the_row_it_was_made_of(at: datetime, one: str, other: str) -> None:
    cursor = encode_cursor(at, one, other)

    assert decode_cursor(cursor, ids=2) == (at, one, other)
    assert cursor.isascii()
    assert not set(cursor) & set("+/=&#% ")


@given(st.text())
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequestError):
        decode_cursor(f"{text}!", ids=1)


@pytest.mark.parametrize(
    "content", [[], [1], [1, 2], ["x", "a"], [1, "a", "b"], {"a": 1}, None, [10**30, "a"], [[], "a"]]
)
def test_a_cursor_of_another_shape_is_refused(content: object) -> None:
    try:
        text = orjson.dumps(content)
    except orjson.JSONEncodeError:
        text = str(content).replace("'", '"').encode()

    with pytest.raises(InvalidRequestError) as raised:
        decode_cursor(base64.urlsafe_b64encode(text).decode(), ids=1)

    assert raised.value.path == ("cursor",)


def test_a_cursor_may_come_back_padded() -> None:
    cursor = encode_cursor(datetime(2026, 11, 21, tzinfo=UTC), "ab")

    assert decode_cursor(cursor + "=" * (-len(cursor) % 4), ids=1)[1] == "ab"
