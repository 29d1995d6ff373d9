"""Query parameters: texts of a sender in, typed values out. An empty text is an absent parameter. Never a database in sight."""

import re
from collections.abc import Collection, Iterable
from datetime import UTC, date, datetime, time
from math import isfinite
from typing import Final, Literal, NamedTuple

from starlette.datastructures import QueryParams

from tailrace.query.errors import InvalidRequestError

MAX_PAGE: Final = 1_000_000_000
MAX_LIST_ITEMS: Final = 1000
_spaced_offset: Final = re.compile(r" (\d\d:?\d\d)$")
_digits: Final = re.compile(r"[0-9]{1,12}")
_earliest: Final = datetime(1, 1, 2, tzinfo=UTC)
_latest: Final = datetime(9999, 12, 30, tzinfo=UTC)


class Page(NamedTuple):
    """A counted page: `number` from 1, `limit` rows."""

    number: int
    limit: int

    @property
    def offset(self) -> int:
        return (self.number - 1) * self.limit


def clean_text(text: str) -> str:
    """The text as stored texts are: without U+0000, which the database cannot hold."""
    return text.replace("\x00", "")


def text(query: QueryParams, name: str) -> str | None:
    """The last value of the parameter, or None."""
    return clean_text(query.get(name, "")) or None


def texts(query: QueryParams, name: str) -> list[str]:
    """All values of a parameter that repeats."""
    return _bounded(name, (clean_text(value) for value in query.getlist(name)))


def comma_list(query: QueryParams, name: str) -> list[str]:
    """The values of a comma list."""
    return _bounded(name, (part.strip() for part in (text(query, name) or "").split(",")))


def whole_number(query: QueryParams, name: str, *, default: int, least: int, most: int) -> int:
    """A whole number from `least` to `most`. Raises InvalidRequestError."""
    value = text(query, name)
    if value is None:
        return default
    if _digits.fullmatch(value) is None or not least <= int(value) <= most:
        raise InvalidRequestError(f"expected a whole number from {least} to {most}, got {_shown(value)}", name)
    return int(value)


def number(query: QueryParams, name: str) -> float | None:
    """A finite number. Raises InvalidRequestError."""
    value = text(query, name)
    return None if value is None else finite_number(value, name)


def finite_number(value: str, *path: str | int) -> float:
    """The number in `value`. Raises InvalidRequestError."""
    try:
        found = float(value)
    except ValueError:
        found = float("nan")
    if not isfinite(found):
        raise InvalidRequestError(f"expected a finite number, got {_shown(value)}", *path)
    return found


def flag(query: QueryParams, name: str) -> bool | None:
    """`true` or `false`. Raises InvalidRequestError."""
    value = choice(query, name, ("true", "false"))
    return None if value is None else value == "true"


def choice(query: QueryParams, name: str, choices: Collection[str]) -> str | None:
    """One of `choices`. Raises InvalidRequestError."""
    value = text(query, name)
    if value is not None and value not in choices:
        raise InvalidRequestError(f"expected one of {_listed(choices)}, got {_shown(value)}", name)
    return value


def instant(query: QueryParams, name: str) -> datetime | None:
    """A moment in UTC. Raises InvalidRequestError."""
    value = text(query, name)
    return None if value is None else parse_instant(value, name)


def parse_instant(value: str, *path: str | int) -> datetime:
    """An ISO 8601 moment with Z or an offset, or a date for its UTC midnight. Raises InvalidRequestError.

    A `+` that was not encoded arrives as a space; before an offset it is read as the plus that it was. Years 1 and 9999 are cut to
    what every later computation can hold.
    """
    expected = f"expected an ISO 8601 time with Z or an offset, got {_shown(value)}"
    try:
        if len(value) == 10:
            found = datetime.combine(date.fromisoformat(value), time(), UTC)
        else:
            found = datetime.fromisoformat(_spaced_offset.sub(r"+\1", value))
        if found.tzinfo is None:
            raise InvalidRequestError(expected, *path)
        return min(max(found.astimezone(UTC), _earliest), _latest)
    except (ValueError, OverflowError):
        raise InvalidRequestError(expected, *path) from None


def page(query: QueryParams) -> Page:
    """`page` from 1 and `limit` from 1 to 100. Raises InvalidRequestError."""
    return Page(
        number=whole_number(query, "page", default=1, least=1, most=MAX_PAGE),
        limit=whole_number(query, "limit", default=50, least=1, most=100),
    )


def order(query: QueryParams, name: str, fields: Collection[str], default: str) -> tuple[str, Literal["asc", "desc"]]:
    """`field.asc` or `field.desc`, of a closed list of fields. Raises InvalidRequestError."""
    value = text(query, name) or default
    field, _, direction = value.rpartition(".")
    if field not in fields or direction not in ("asc", "desc"):
        expected = f"expected a field with .asc or .desc, the field one of {_listed(fields)}"
        raise InvalidRequestError(f"{expected}; got {_shown(value)}", name)
    return field, direction


def groups(query: QueryParams, known: Collection[str], default: Collection[str]) -> frozenset[str]:
    """The field groups of `fields`; unknown ones are ignored, absent means `default`."""
    asked = comma_list(query, "fields")
    return frozenset(asked).intersection(known) if asked else frozenset(default)


def _bounded(name: str, values: Iterable[str]) -> list[str]:
    found = [value for value in values if value]
    if len(found) > MAX_LIST_ITEMS:
        raise InvalidRequestError(f"expected at most {MAX_LIST_ITEMS} values, got {len(found)}", name)
    return found


def _shown(value: str) -> str:
    return repr(value if len(value) <= 60 else f"{value[:60]}…")


def _listed(choices: Collection[str]) -> str:
    return ", ".join(choices)
