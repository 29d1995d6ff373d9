"""Counts as senders write them: any value flows in, a whole number of units or nothing flows out. No error, whatever comes."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Final, cast

MAX_UNITS: Final = 10**12
"""More of a unit than any call uses, and so few that the sums of millions of calls fit into 64 bits."""

_WHOLE_NUMBER: Final = re.compile(r"\d{1,19}", re.ASCII)
_ANY_NUMBER: Final = re.compile(r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?", re.ASCII)
_MAX_SHOWN_CHARACTERS: Final = 80
_NOTHING: Final[Mapping[object, object]] = {}


def read_units(value: object) -> int | None:
    """A whole number of units from 0 to 10^12, or None. A number without a fraction, as 12.0 or "12", is whole."""
    if type(value) is int:
        return value if 0 <= value <= MAX_UNITS else None
    if isinstance(value, str):
        text = value.strip()
        value = int(text) if _WHOLE_NUMBER.fullmatch(text) else None
    elif isinstance(value, float):
        value = int(value) if value.is_integer() else None
    elif isinstance(value, Decimal):
        value = int(value) if value.is_finite() and value <= MAX_UNITS and value == value.to_integral_value() else None
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_UNITS:
        return value
    return None


def mapping_of(value: object) -> Mapping[object, object]:
    """The value if it is a mapping, else an empty one."""
    if type(value) is dict or isinstance(value, Mapping):
        return cast("Mapping[object, object]", value)
    return _NOTHING


def read_counts(value: object) -> dict[str, int]:
    """The counts of a mapping by their names; whatever is no count is left out."""
    given = mapping_of(value)
    return {
        key: units
        for key, item in given.items()
        if (units := item if type(item) is int and 0 <= item <= MAX_UNITS else read_units(item)) is not None
        and isinstance(key, str)
    }


def is_spoilt(value: object) -> bool:
    """Whether it is a number that is no count: negative, fractional or too large. Only called for what `read_units` refuses."""
    if isinstance(value, str):
        return len(value) <= _MAX_SHOWN_CHARACTERS and _ANY_NUMBER.fullmatch(value.strip()) is not None
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def spoilt_warning(key: str) -> str:
    """What a row says of a count that was left out."""
    return f"usage {key[:_MAX_SHOWN_CHARACTERS]} was no whole number from 0 to 10^12 and was left out"
