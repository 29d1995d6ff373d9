"""Stored JSON in, JSON that any client can read out, as `orjson.Fragment`: no parse and rebuild where the text can stay as it is.

Clients differ in what they can hold: integers beyond 2^53 leave as strings, and what nests deeper than MAX_DEPTH leaves as text.
"""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, cast

import msgspec
import orjson

from tailrace.core.money import money_text

MAX_DEPTH: Final = 256
"""Nesting that the parsers of all clients can follow inside an answer."""

_largest_exact: Final = 2**53
_string_or_number: Final = re.compile(r'"(?:[^"\\]|\\.)*+"|-?\d++(?:\.\d+)?(?:[eE][+-]?\d+)?')
_string_or_bracket: Final = re.compile(r'"(?:[^"\\]|\\.)*+"|[\[{\]}]')
_many_digits: Final = re.compile(r"\d{16}")
_json_begins: Final = frozenset('{["-0123456789tfn \t\r\n')
_empty: Final = orjson.Fragment(b"{}")


def embed_text(text: str | None) -> orjson.Fragment | str | None:
    """A stored input or output for readers that want it parsed: JSON if it is JSON, else the string."""
    if not text or text[0] not in _json_begins:
        return text
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    return embed_json(text)


def embed_json(text: str | None) -> orjson.Fragment | str | None:
    """A stored JSON value, known to be one."""
    if text is None or nests_too_deep(text):
        return text
    return orjson.Fragment(quote_large_integers(text))


def embed_object(text: str | None) -> orjson.Fragment | dict[str, Any]:
    """A stored JSON value where readers insist on an object: any other value goes under the key `metadata`."""
    if text is None or text == "null":
        return _empty
    if text.startswith("{") and not nests_too_deep(text):
        return orjson.Fragment(quote_large_integers(text))
    return {"metadata": embed_json(text)}


def load_object(text: str | None) -> dict[str, Any]:
    """A stored JSON object, to be changed; an object by the rule of `embed_object`."""
    embedded = embed_object(text)
    loaded: Any = orjson.loads(orjson.dumps(embedded))
    return cast("dict[str, Any]", loaded)


def load_decimals(text: str | None) -> dict[str, Decimal]:
    """A stored map of name to amount; amounts stand in it as texts or as numbers."""
    return msgspec.json.decode(text, type=dict[str, Decimal]) if text else {}


def embed_numbers(amounts: Mapping[str, Decimal]) -> dict[str, orjson.Fragment | None]:
    """Exact amounts as JSON numbers."""
    return {name: embed_number(amount) for name, amount in amounts.items()}


def embed_number(amount: Decimal | None) -> orjson.Fragment | None:
    """An exact amount as a JSON number, digit for digit; whoever parses it may round, we do not."""
    return orjson.Fragment(money_text(amount)) if amount is not None and amount.is_finite() else None


def embed_money(amount: Decimal | None) -> str | None:
    """An exact amount as a string, for our own API."""
    return money_text(amount) if amount is not None and amount.is_finite() else None


def embed_instant(at: datetime | None) -> str | None:
    """A UTC moment as ISO 8601 with milliseconds and Z."""
    return None if at is None else f"{at.isoformat(timespec='milliseconds')[:-6]}Z"


def seconds(duration: timedelta | None) -> float | None:
    """A duration in seconds."""
    return None if duration is None else duration.total_seconds()


def quote_large_integers(json_text: str) -> str:
    """The same valid JSON with every integer beyond 2^53 as a string, exact digits kept."""
    if _many_digits.search(json_text) is None:
        return json_text
    return _string_or_number.sub(lambda token: _quoted_if_large(token.group()), json_text)


def _quoted_if_large(token: str) -> str:
    if token[0] == '"' or len(token) < 16 or not token.lstrip("-").isdigit():
        return token
    too_large = len(token) > 17 or abs(int(token)) > _largest_exact
    return f'"{token}"' if too_large else token


def nests_too_deep(json_text: str) -> bool:
    """Whether arrays and objects of valid JSON nest deeper than MAX_DEPTH. Brackets are counted first, and matched only if many."""
    if json_text.count("[") + json_text.count("{") <= MAX_DEPTH:
        return False
    depth = 0
    for token in _string_or_bracket.finditer(json_text):
        sign = token.group()
        if sign in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                return True
        elif sign in "]}":
            depth -= 1
    return False
