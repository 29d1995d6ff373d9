"""JSON as senders really write it: bytes in, clean values or clean bytes out.

Clean means: valid UTF-8, no lone surrogate, no U+0000, no bare NaN or Infinity. What is broken in a text is replaced, what cannot
be a number becomes a string, and what is nested deeper than MAX_DEPTH becomes the text of itself. Integers are exact.
Valid input takes the fast path and keeps its bytes. Nothing here recurses as deep as its input.
"""

import json
import math
import re
from array import array
from itertools import accumulate
from typing import Any, Final, cast

import orjson

MAX_DEPTH: Final = 200
"""Levels that a parsed value may have: far under the limits of orjson (254 to write) and of Python's stack."""


class NotJsonError(ValueError):
    """The bytes are not JSON, whatever is replaced in them."""


def clean_text(text: str) -> str:
    """`text` without U+0000, with U+FFFD in the place of lone surrogates."""
    if "\x00" in text:
        text = text.replace("\x00", "")
    return _SURROGATE.sub("\ufffd", text)


def is_clean(data: bytes) -> bool:
    """Whether `data`, if it is JSON at all, has valid UTF-8 and no escaped U+0000. Says nothing of lone surrogates."""
    if b"\\u0000" in data:
        return False
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def load_json(data: bytes) -> Any:
    """The clean value of `data`, at most MAX_DEPTH levels deep. Raises NotJsonError."""
    if b"\\u0000" in data or _LONG_DIGITS.search(data) or is_deep(data):
        return _load_slowly(data, cut_level=MAX_DEPTH // 2)
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return _load_slowly(data, cut_level=MAX_DEPTH // 2)


def json_text(data: bytes) -> str | None:
    """A JSON value as the text that is stored for it: a string itself, null as None, everything else as JSON text.

    Raises NotJsonError.
    """
    data = data.strip()
    if data == b"null":
        return None
    if data[:1] == b'"':
        return cast("str", load_json(data))
    if is_clean(data) and not _SURROGATE_ESCAPE.search(data):
        return data.decode()
    try:
        orjson.loads(data)
    except orjson.JSONDecodeError:
        return dump_json(_load_slowly(data, cut_level=1))
    return data.decode() if is_clean(data) else dump_json(_load_slowly(data, cut_level=1))


def repair_json(data: bytes, *, cut_level: int) -> bytes:
    """`data` made clean: parsed, cleaned and written again. Raises NotJsonError.

    A container that opens at `cut_level` (the outermost is 1) and is too deep becomes one string with its own text.
    """
    return dump_json(_load_slowly(data, cut_level=cut_level)).encode()


def dump_json(value: Any) -> str:
    """`value` as compact JSON text; integers of any size."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def is_deep(data: bytes) -> bool:
    """Whether `data` is nested deeper than MAX_DEPTH."""
    if data.count(b"[") + data.count(b"{") <= MAX_DEPTH:
        return False
    steps = array("b", _STRING.sub(b"", data).translate(_STEP_OF_BRACKET, _NO_BRACKETS))
    return max(accumulate(steps), default=0) > MAX_DEPTH


_MOST_LEVELS = 100_000
_SURROGATE = re.compile("[\ud800-\udfff]")
_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")
_LONG_DIGITS = re.compile(rb"[0-9]{19}")
_STRUCTURE = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_NO_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_STEP_OF_BRACKET = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")


def _load_slowly(data: bytes, *, cut_level: int) -> Any:
    text = data.decode("utf-8", "replace").removeprefix("\ufeff")
    if is_deep(data):
        text = _cut_deep_parts(text, cut_level)
    try:
        value = json.loads(text, strict=False, parse_constant=str, parse_int=_whole_number, parse_float=_number)
        return _clean_value(value)
    except json.JSONDecodeError as error:
        raise NotJsonError(f"expected JSON, got {error.msg} at character {error.pos}") from None
    except RecursionError:
        raise NotJsonError(f"expected JSON of at most {MAX_DEPTH} levels, got more") from None


def _cut_deep_parts(text: str, cut_level: int) -> str:
    depth = deepest = start = kept = 0
    pieces: list[str] = []
    for token in _STRUCTURE.finditer(text):
        first = token[0][0]
        if first in "[{":
            depth += 1
            if depth > _MOST_LEVELS:
                raise NotJsonError(f"expected JSON of at most {_MOST_LEVELS} levels, got more")
            if depth == cut_level:
                start, deepest = token.start(), depth
            deepest = max(deepest, depth)
        elif first in "]}":
            if depth == cut_level and deepest - cut_level >= MAX_DEPTH // 2:
                pieces += (text[kept:start], json.dumps(text[start : token.end()]))
                kept = token.end()
            depth -= 1
    pieces.append(text[kept:])
    return "".join(pieces)


def _whole_number(digits: str) -> int | str:
    return int(digits) if len(digits) <= 4000 else digits


def _number(literal: str) -> float | str:
    number = float(literal)
    return literal if math.isinf(number) else number


def _clean_value(value: Any) -> Any:
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, list):
        return [_clean_value(item) for item in cast("list[Any]", value)]
    if isinstance(value, dict):
        items = cast("dict[str, Any]", value).items()
        return {clean_text(key): _clean_value(item) for key, item in items}
    return value
