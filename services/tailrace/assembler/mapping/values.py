"""Single values as senders write them, read into what a Change may hold. No convention's names are known here."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import blake2b
from math import ceil
from typing import Any, Final, cast

import msgspec

from tailrace.core.model import LEVELS, MAX_TIME_US, MIN_TIME_US
from tailrace.wire.lenient_json import NotJsonError, load_json

MAX_KEY_BYTES: Final = 1000
"""The longest text that is searched for by an index: Postgres refuses index entries of more than about 2,700 bytes."""

DEFAULT_ENVIRONMENT: Final = "default"

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_MAX_ENVIRONMENT_CHARACTERS: Final = 40
_ENVIRONMENT: Final = re.compile(r"[a-z0-9_-]+")
_OWN_PREFIX: Final = re.compile(r"(?:langfuse[-_]?)+")
_DIGEST_BYTES: Final = 8
_INT64: Final = 2**63
_CONTAINER_STARTS: Final = '{["'
_NUMBER_STARTS: Final = "-0123456789"
_NUMBER: Final = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?", re.ASCII)
_LITERALS: Final[Mapping[str, bool | None]] = {"true": True, "false": False, "null": None}
_LEVEL_WORDS: Final[Mapping[str, str]] = {
    **{level: level for level in LEVELS},
    "TRACE": "DEBUG",
    "VERBOSE": "DEBUG",
    "INFO": "DEFAULT",
    "LOG": "DEFAULT",
    "NOTICE": "DEFAULT",
    "OK": "DEFAULT",
    "SUCCESS": "DEFAULT",
    "WARN": "WARNING",
    "FATAL": "ERROR",
    "CRITICAL": "ERROR",
}


def dump_json(value: Any) -> str:
    """JSON text of a value that was read from JSON; integers of any size stay exact."""
    return msgspec.json.encode(value).decode()


def text_of(value: Any) -> str | None:
    """A value as it is stored for people: a text itself, None as None, everything else as JSON text."""
    return value if value is None or isinstance(value, str) else dump_json(value)


def decode_text(value: Any) -> Any:
    """The value that a text is the JSON of, or the text itself if it is not JSON; what is no text stays as it is.

    What comes out can be written as JSON by any library: it is at most 200 levels deep, and integers beyond 64 bits are texts.
    """
    if not isinstance(value, str) or not value:
        return storable(value)
    first = value[0]
    if first in _NUMBER_STARTS:
        if not _NUMBER.fullmatch(value):
            return value
    elif first not in _CONTAINER_STARTS:
        return _LITERALS.get(value, value)
    try:
        return storable(load_json(value.encode()))
    except NotJsonError:
        return value


def storable(value: Any) -> Any:
    """A value that was read from JSON, with integers beyond 64 bits as texts."""
    if isinstance(value, dict):
        return {key: storable(item) for key, item in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [storable(item) for item in cast("list[Any]", value)]
    if type(value) is int and not -_INT64 <= value < _INT64:
        return str(value)
    return value


def object_of(value: Any) -> dict[str, Any] | None:
    """Metadata of a body as an object: what is none is kept as a text under the key `metadata`, None stays None."""
    if value is None:
        return None
    if isinstance(value, dict):
        return cast("dict[str, Any]", storable(value))
    return {"metadata": text_of(value)}


def parse_object(value: Any) -> dict[str, Any] | None:
    """The JSON object that a text or a mapping is, else None."""
    decoded = decode_text(value)
    return cast("dict[str, Any]", decoded) if isinstance(decoded, dict) else None


def first_text(attributes: Mapping[str, Any], keys: Iterable[str]) -> str | None:
    """The first non-empty value under `keys`, as text."""
    for key in keys:
        value = attributes.get(key)
        if value is not None and value != "":
            return text_of(value)
    return None


def cut_key(text: str) -> str:
    """`text`, cut to MAX_KEY_BYTES: a digest of the whole at its end keeps different texts different."""
    if len(text) * 4 <= MAX_KEY_BYTES:
        return text
    encoded = text.encode()
    if len(encoded) <= MAX_KEY_BYTES:
        return text
    mark = f"~{blake2b(encoded, digest_size=_DIGEST_BYTES).hexdigest()}"
    return encoded[: MAX_KEY_BYTES - len(mark)].decode(errors="ignore") + mark


def put_key(fields: dict[str, Any], field: str, text: str | None) -> None:
    """Set a field that indexes hold; an empty text is none, and cutting a long one leaves a warning."""
    if not text:
        return
    kept = cut_key(text)
    fields[field] = kept
    if kept != text:
        warn(fields, f"{field} was longer than {MAX_KEY_BYTES} bytes and was cut")


def warn(fields: dict[str, Any], warning: str) -> None:
    """Say in the changed entity what could not be kept as it was sent."""
    fields.setdefault("warnings", []).append(warning)


@lru_cache(maxsize=1024)
def normalise_environment(name: str) -> str:
    """The name that an environment is known by; one that cannot be used is `default`.

    >>> normalise_environment("langfuse-Production")
    'production'
    """
    plain = _OWN_PREFIX.sub("", name.lower(), count=1) if name[:8].lower() == "langfuse" else name.lower()
    plain = plain[:_MAX_ENVIRONMENT_CHARACTERS]
    return plain if _ENVIRONMENT.fullmatch(plain) else DEFAULT_ENVIRONMENT


def level_of(word: Any) -> str | None:
    """The level that a word of any logging library means, None for an unknown one."""
    return _LEVEL_WORDS.get(word.upper()) if isinstance(word, str) else None


def time_of(text: Any) -> int | None:
    """Microseconds since 1970 of an ISO-8601 time with an offset, in the years 1 to 9999; else None."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        return None
    microseconds = (moment - _EPOCH) // _MICROSECOND
    return microseconds if MIN_TIME_US <= microseconds <= MAX_TIME_US else None


def word_of(value: Any) -> str:
    """A text itself, anything else as the empty text: what a table of words is asked by."""
    return value if isinstance(value, str) else ""


def time_after(start_us: int | None, delay: Any, unit_us: int) -> int | None:
    """`delay` units after a start, rounded up to milliseconds of delay; both times are microseconds since 1970. None if that is no time."""
    if start_us is None or type(delay) not in (int, float) or not 0 <= delay <= MAX_TIME_US:
        return None
    moment = start_us + ceil(delay * unit_us / 1000) * 1000
    return moment if moment <= MAX_TIME_US else None


def tags_of(value: Any) -> list[str]:
    """Tags from a list, the JSON text of a list, a comma list, or a single text."""
    decoded = decode_text(value) if isinstance(value, str) and value[:1] == "[" else value
    if isinstance(decoded, str):
        decoded = [part.strip() for part in decoded.split(",")]
    if not isinstance(decoded, list):
        return []
    texts = (text_of(item) for item in cast("list[Any]", decoded))
    return [cut_key(text) for text in texts if text]


def plain_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Model parameters: texts and numbers stay, everything else is stringified, what has no value is left out."""
    return {
        key: value if type(value) in (str, int, float) else dump_json(value)
        for key, value in parameters.items()
        if value is not None
    }
