"""Protobuf by hand, so that it can be wrong: fields of any number and wire type, groups, and trace requests that are nearly right."""

import struct
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

TRACE_ID = bytes.fromhex("0af7651916cd43dd8448eb211c80319c")
SPAN_ID = bytes.fromhex("b7ad6b7169203331")

VARINT, FIXED64, LENGTH, GROUP, END_GROUP, FIXED32 = range(6)


def varint(number: int) -> bytes:
    """64 bits; a negative number takes ten bytes."""
    number &= (1 << 64) - 1
    data = bytearray()
    while number > 0x7F:
        data.append(number & 0x7F | 0x80)
        number >>= 7
    data.append(number)
    return bytes(data)


def tag(number: int, wire_type: int) -> bytes:
    return varint(number << 3 | wire_type)


def chunk(number: int, data: bytes) -> bytes:
    """A length-delimited field."""
    return tag(number, LENGTH) + varint(len(data)) + data


def group(number: int, data: bytes) -> bytes:
    return tag(number, GROUP) + data + tag(number, END_GROUP)


def any_value(value: Any) -> bytes:  # noqa: PLR0911 - one for each kind of value
    """An AnyValue of a plain Python value; a dict is a key-value list."""
    match value:
        case str():
            return chunk(1, value.encode("utf-8", "surrogatepass"))
        case bool():
            return tag(2, VARINT) + varint(value)
        case int():
            return tag(3, VARINT) + varint(value)
        case float():
            return tag(4, FIXED64) + struct.pack("<d", value)
        case bytes():
            return chunk(7, value)
        case dict():
            return chunk(6, b"".join(chunk(1, pair(key, item)) for key, item in value.items()))  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        case list():
            return chunk(5, b"".join(chunk(1, any_value(item)) for item in value))  # pyright: ignore[reportUnknownVariableType]
        case _:
            return b""


def pair(key: str, value: Any) -> bytes:
    return chunk(1, key.encode("utf-8", "surrogatepass")) + chunk(2, any_value(value))


def nested(levels: int, *, lists: bool) -> bytes:
    """An AnyValue of lists, or key-value lists, in each other."""
    data = any_value("core")
    for _ in range(levels):
        data = chunk(5, chunk(1, data)) if lists else chunk(6, chunk(1, chunk(1, b"k") + chunk(2, data)))
    return data


def span(
    attributes: Mapping[str, Any], *, trace_id: bytes = TRACE_ID, span_id: bytes = SPAN_ID, more: bytes = b""
) -> bytes:
    """A span that has a name, and `more` fields behind it."""
    pairs = b"".join(chunk(9, pair(key, value)) for key, value in attributes.items())
    return chunk(1, trace_id) + chunk(2, span_id) + chunk(5, b"step") + pairs + more


def request(*spans: bytes, resource: bytes = b"", scope: bytes = b"") -> bytes:
    scope_spans = chunk(1, scope) + b"".join(chunk(2, one) for one in spans)
    return chunk(1, chunk(1, resource) + chunk(2, scope_spans))


_SCALAR = "scalar"
_BYTES = "bytes"
_SCHEMA: Mapping[str, Mapping[int, str]] = {
    "Request": {1: "ResourceSpans"},
    "ResourceSpans": {1: "Resource", 2: "ScopeSpans", 3: _BYTES},
    "Resource": {1: "KeyValue", 2: _SCALAR},
    "ScopeSpans": {1: "Scope", 2: "Span", 3: _BYTES},
    "Scope": {1: _BYTES, 2: _BYTES, 3: "KeyValue", 4: _SCALAR},
    "Span": {3: _BYTES, 4: _BYTES, 5: _BYTES, 6: _SCALAR, 7: _SCALAR, 8: _SCALAR}
    | {9: "KeyValue", 10: _SCALAR, 11: "Event", 12: _SCALAR, 13: "Link", 14: _SCALAR, 15: "Status", 16: _SCALAR},
    "Event": {1: _SCALAR, 2: _BYTES, 3: "KeyValue", 4: _SCALAR},
    "Link": {1: _BYTES, 2: _BYTES, 4: "KeyValue"},
    "Status": {2: _BYTES, 3: _SCALAR},
    "KeyValue": {1: _BYTES, 2: "AnyValue"},
    "AnyValue": {1: _BYTES, 2: _SCALAR, 3: _SCALAR, 4: _SCALAR, 5: "ArrayValue", 6: "KeyValueList", 7: _BYTES},
    "ArrayValue": {1: "AnyValue"},
    "KeyValueList": {1: "KeyValue"},
}
_NUMBERS = st.sampled_from([0, 1, 2, 2**31, 2**32, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1])
_TEXTS = st.sampled_from(
    [b"", b"a", b"user.id", b"\x00", b"\xff\xfe", b"\xed\xa0\x80", b"\xc0\x80", "żółw".encode(), TRACE_ID]
)
_FIELD_NUMBERS = st.integers(1, 20) | st.sampled_from([0, 15000, 2**29 - 1, 2**29, 2**32])


@st.composite
def nearly_requests(draw: DrawFn) -> bytes:
    """A request that has the shape of one, but for what is wrong in it; most have a span that has its ids."""
    data = _message(draw, "Request", 0)
    if draw(st.booleans()):
        strange = _message(draw, "Span", 0)
        data += request(span({}, more=strange))
    return data


def _message(draw: DrawFn, name: str, depth: int) -> bytes:
    count = draw(st.integers(0, 4 if depth < 6 else 1))
    ids = chunk(1, TRACE_ID) + chunk(2, SPAN_ID) if name == "Span" and draw(st.integers(0, 5)) else b""
    return ids + b"".join(_field(draw, name, depth) for _ in range(count))


def _field(draw: DrawFn, name: str, depth: int) -> bytes:
    known = _SCHEMA[name]
    if not draw(st.integers(0, 4)):
        return _strange_field(draw)
    number = draw(st.sampled_from(sorted(known)))
    kind = known[number]
    if kind == _SCALAR:
        return _scalar(draw, number)
    if kind == _BYTES:
        return chunk(number, draw(_TEXTS))
    data = _message(draw, kind, depth + 1)
    return group(number, data) if not draw(st.integers(0, 12)) else chunk(number, data)


def _scalar(draw: DrawFn, number: int) -> bytes:
    """Varint, fixed, or packed, whatever the field is."""
    value = draw(_NUMBERS)
    match draw(st.integers(0, 3)):
        case 0:
            return tag(number, VARINT) + varint(value)
        case 1:
            return tag(number, FIXED64) + value.to_bytes(8, "little")
        case 2:
            return tag(number, FIXED32) + (value & 0xFFFFFFFF).to_bytes(4, "little")
        case _:
            return chunk(number, varint(value) * 3)


def _strange_field(draw: DrawFn) -> bytes:
    number, data = draw(_FIELD_NUMBERS), draw(_TEXTS)
    shapes: SearchStrategy[bytes] = st.sampled_from(
        [
            chunk(number, data),
            group(number, chunk(1, data)),
            tag(number, GROUP),
            tag(number, END_GROUP),
            tag(number, 6) + data,
            tag(number, 7) + data,
            tag(number, LENGTH) + varint(1 << 40) + data,
            tag(number, LENGTH) + varint(1 << 63),
            tag(number, VARINT) + b"\xff" * 11,
            tag(number, VARINT) + b"\x80",
            group(number, b"") * 3,
            data,
        ]
    )
    return draw(shapes)
