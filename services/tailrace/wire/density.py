"""How many parts a request is made of, counted before anything is made of them: a small body can hold so many that they fill the memory.

Most bodies are known to be harmless by counting bytes; only dense and large ones are walked through.
"""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

MAX_PARTS: Final = 4_000_000
"""Messages of protobuf that one request may hold; a parsed one takes about 50 bytes, and a span as much as four."""

MAX_VALUES: Final = 8_000_000
"""Values in lists, and lists and objects, that one request in JSON may hold."""

HARMLESS: Final = 1_000_000
_STRING: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_MARKS: Final = b",[{"
_NO_MARKS: Final = bytes(byte for byte in range(256) if byte not in _MARKS)


class _Message(NamedTuple):
    """A kind of message. `weight`: what one takes. `nested`: its own messages by field number."""

    weight: int
    nested: Mapping[int, "_Message"]


def has_too_many_values(body: bytes) -> bool:
    """Whether JSON holds more than MAX_VALUES values."""
    if sum(map(body.count, (b",", b"[", b"{"))) <= MAX_VALUES:
        return False
    return len(_STRING.sub(b"", body).translate(None, _NO_MARKS)) > MAX_VALUES


def has_too_many_parts(body: bytes) -> bool:
    """Whether a trace request in protobuf holds messages of more than MAX_PARTS. One that is dense and malformed counts as such."""
    if len(body) <= HARMLESS or len(body.translate(None, _NO_TAGS)) <= HARMLESS:
        return False
    try:
        return _count_parts(body) > MAX_PARTS
    except IndexError:
        return True


def _count_parts(body: bytes) -> int:
    """Stops beyond MAX_PARTS. Raises IndexError when the body ends in the middle of something, or has groups."""
    parts = 0
    waiting = [(0, len(body), _REQUEST)]
    while waiting and parts <= MAX_PARTS:
        at, end, message = waiting.pop()
        while at < end and parts <= MAX_PARTS:
            tag, at = _read_varint(body, at)
            wire_type = tag & 7
            if wire_type == 2:
                size, at = _read_varint(body, at)
                nested = message.nested.get(tag >> 3)
                if nested is None:
                    at += size
                else:
                    parts += nested.weight
                    waiting.append((at + size, end, message))
                    end, message = at + size, nested
            else:
                at = _skip(body, at, wire_type)
    return parts


def _read_varint(body: bytes, at: int) -> tuple[int, int]:
    byte = body[at]
    if byte < 0x80:
        return byte, at + 1
    number = shift = 0
    while byte >= 0x80:
        number |= (byte & 0x7F) << shift
        shift += 7
        at += 1
        byte = body[at]
        if shift > 63:
            raise IndexError("a number is longer than 64 bits")
    return number | byte << shift, at + 1


def _skip(body: bytes, at: int, wire_type: int) -> int:
    if wire_type == 0:
        return _read_varint(body, at)[1]
    if wire_type not in _FIXED_BYTES:
        raise IndexError("groups are no part of a trace request")
    return at + _FIXED_BYTES[wire_type]


_FIXED_BYTES: Final = {1: 8, 5: 4}
_LEAF: Final = _Message(1, {})
_VALUE_NESTED: dict[int, _Message] = {}
_VALUE: Final = _Message(1, _VALUE_NESTED)
_PAIR: Final = _Message(1, {2: _VALUE})
_VALUE_NESTED.update({5: _Message(1, {1: _VALUE}), 6: _Message(1, {1: _PAIR})})
_EVENT: Final = _Message(1, {3: _PAIR})
_SPAN: Final = _Message(4, {9: _PAIR, 11: _EVENT, 13: _Message(1, {4: _PAIR}), 15: _LEAF})
_RESOURCE: Final = _Message(1, {1: _PAIR, 3: _LEAF})
_SCOPE: Final = _Message(1, {3: _PAIR})
_RESOURCE_SPANS: Final = _Message(4, {1: _RESOURCE, 2: _Message(4, {1: _SCOPE, 2: _SPAN})})
_REQUEST: Final = _Message(0, {1: _RESOURCE_SPANS})

_TAGS: Final = bytes(number << 3 | 2 for number in (1, 2, 3, 4, 5, 6, 9, 11, 13, 15))
_NO_TAGS: Final = bytes(byte for byte in range(256) if byte not in _TAGS and byte & 0x7F not in _TAGS)
"""A number may be written in more bytes than it needs, and then begins with its last seven bits and the highest one."""
