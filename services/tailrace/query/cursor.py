"""Keyset cursors: the last row of a page in, an opaque URL-safe text out, and back. Nothing in it is trusted but its shape."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Final

import orjson

from tailrace.query.errors import InvalidRequestError
from tailrace.query.parameters import clean_text

_epoch: Final = datetime(1970, 1, 1, tzinfo=UTC)
_microsecond: Final = timedelta(microseconds=1)


def encode_cursor(at: datetime, *ids: str) -> str:
    """The cursor after the row at `at` with these ids."""
    position = [(at - _epoch) // _microsecond, *ids]
    return base64.urlsafe_b64encode(orjson.dumps(position)).rstrip(b"=").decode()


def decode_cursor(text: str, *, ids: int) -> tuple[datetime, *tuple[str, ...]]:
    """The row that a page begins after: its time and `ids` ids. Raises InvalidRequestError."""
    try:
        padded = text + "=" * (-len(text) % 4)
        at, *found = orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        position = _epoch + int(at) * _microsecond, *(clean_text(one) for one in found)
    except (ValueError, TypeError, AttributeError, OverflowError):
        position = None
    if position is None or len(position) != ids + 1:
        raise InvalidRequestError("expected the `meta.cursor` of the page before", "cursor")
    return position
