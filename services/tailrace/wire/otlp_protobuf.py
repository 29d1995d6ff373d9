"""OTLP in protobuf: read without ever failing on a text, decoded to plain spans, divided without touching a span's bytes.

The message classes are the official descriptors with every `string` turned into `bytes`: the same on the wire, but no check of
UTF-8. Unknown fields survive.
"""

import base64
import math
import sys
from collections.abc import Iterable, Iterator
from typing import Any, Final

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.resource.v1 import resource_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

from tailrace.core.model import MAX_TIME_US
from tailrace.wire.density import MAX_PARTS, has_too_many_parts
from tailrace.wire.ids import MAX_ID_BYTES
from tailrace.wire.lenient_json import dump_json
from tailrace.wire.otlp_shapes import OtlpError, Part, Scope, SpanData, SpanEvent, Split, SplitRule
from tailrace.wire.otlp_split import REJECTED, ResourceGroup, ScopeGroup, split_groups


def decode_spans(body: bytes) -> Iterator[SpanData]:
    """The spans of a request, one by one. Raises OtlpError."""
    for resource_spans in _parse(_Request, body).resource_spans:
        resource = _attributes(resource_spans.resource.attributes)
        for scope_spans in resource_spans.scope_spans:
            sender = scope_spans.scope
            scope = Scope(_text(sender.name), _text(sender.version), _attributes(sender.attributes))
            for span in scope_spans.spans:
                yield _span(span, resource, scope)


def split_request(body: bytes, rule: SplitRule) -> Split:
    """Check a request and divide it. Raises OtlpError."""
    if has_too_many_parts(body):
        raise OtlpError(f"expected at most {MAX_PARTS} spans, attributes and values in one request, got more")
    partitions = _partitions(_parse(_Request, body), rule)
    if not partitions:
        return Split([], {})
    first = partitions[0]
    if rule.is_one_part(body, len(partitions)) and first != REJECTED and _all_equal(partitions):
        return Split([Part(first, body, len(partitions))], {})
    return split_groups(_groups(body), partitions, rule, _encode)


def _all_equal(numbers: list[int]) -> bool:
    return numbers.count(numbers[0]) == len(numbers)


def _partitions(request: Any, rule: SplitRule) -> list[int]:
    known: dict[bytes, int] = {}
    partitions: list[int] = []
    for resource_at, resource_spans in enumerate(request.resource_spans):
        for scope_at, scope_spans in enumerate(resource_spans.scope_spans):
            for span_at, span in enumerate(scope_spans.spans):
                trace_id, span_id = span.trace_id, span.span_id
                if not trace_id or not span_id:
                    missing = "spanId" if trace_id else "traceId"
                    where = f"resourceSpans[{resource_at}].scopeSpans[{scope_at}].spans[{span_at}]"
                    raise OtlpError(f"expected a {missing} in {where}, got none")
                partition = known.get(trace_id)
                if partition is None:
                    storable = len(trace_id) * 2 <= MAX_ID_BYTES
                    partition = rule.partition_of(trace_id.hex()) if storable else REJECTED
                    known[trace_id] = partition
                if len(span_id) * 2 > MAX_ID_BYTES:
                    partition = REJECTED
                partitions.append(partition)
    return partitions


def _span(span: Any, resource: dict[str, Any], scope: Scope) -> SpanData:
    status = span.status
    events = span.events
    return SpanData(
        resource,
        scope,
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex() or None,
        _text(span.name),
        span.kind,
        _microseconds(span.start_time_unix_nano),
        _microseconds(span.end_time_unix_nano),
        _attributes(span.attributes),
        [
            SpanEvent(_text(event.name), _attributes(event.attributes), _microseconds(event.time_unix_nano))
            for event in events
        ]
        if events
        else [],
        status.code,
        _text(status.message),
    )


def _microseconds(nanoseconds: int) -> int | None:
    return min(nanoseconds // 1000, MAX_TIME_US) or None


def _text(data: bytes) -> str:
    text = str(data, "utf-8", "replace")
    return text.replace("\x00", "") if "\x00" in text else text


def _attributes(pairs: Iterable[Any]) -> dict[str, Any]:
    attributes: dict[str, Any] = {}
    for pair in pairs:
        value = pair.value
        data = value.string_value
        plain = _text(data) if data else _plain(value)
        if plain is not None:
            name = pair.key
            attributes[_names.get(name) or _name(name)] = plain
    return attributes


_names: Final[dict[bytes, str]] = {}
_MOST_NAMES: Final = 10_000
_MOST_NAME_BYTES: Final = 100


def _name(data: bytes) -> str:
    """A name of an attribute; those that come again and again are one text each."""
    name = _text(data)
    if len(data) <= _MOST_NAME_BYTES and len(_names) < _MOST_NAMES:
        _names[data] = name = sys.intern(name)
    return name


def _plain(value: Any) -> Any:  # noqa: PLR0911 - one for each kind of value
    match value.WhichOneof("value"):
        case "string_value":
            return _text(value.string_value)
        case "bool_value":
            return value.bool_value
        case "int_value":
            return value.int_value
        case "double_value":
            return _number(value.double_value)
        case "array_value":
            return [_plain(item) for item in value.array_value.values]
        case "kvlist_value":
            return dump_json(_nested(value))
        case "bytes_value":
            return f'"{_base64(value.bytes_value)}"'
        case _:
            return None


def _nested(value: Any) -> Any:
    """A value inside JSON text: key-value lists are objects there, bytes base64."""
    match value.WhichOneof("value"):
        case "kvlist_value":
            return {_text(pair.key): _nested(pair.value) for pair in value.kvlist_value.values}
        case "array_value":
            return [_nested(item) for item in value.array_value.values]
        case "bytes_value":
            return _base64(value.bytes_value)
        case _:
            return _plain(value)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _number(number: float) -> float | str:
    if math.isfinite(number):
        return number
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"


def _groups(body: bytes) -> list[ResourceGroup]:
    """The request with each span left as bytes. What the heads hold besides (unknown fields too) stays in them."""
    groups: list[ResourceGroup] = []
    for resource_spans in _parse(_OpaqueRequest, body).resource_spans:
        scopes: list[ScopeGroup] = []
        for scope_spans in resource_spans.scope_spans:
            spans = list(scope_spans.spans)
            scope_spans.ClearField("spans")
            scopes.append(ScopeGroup(scope_spans.SerializeToString(), spans))
        resource_spans.ClearField("scope_spans")
        groups.append(ResourceGroup(resource_spans.SerializeToString(), scopes))
    return groups


def _encode(groups: list[ResourceGroup]) -> bytes:
    return b"".join(
        _field(1, resource.head + b"".join(_field(2, _encode_scope(scope)) for scope in resource.scopes))
        for resource in groups
    )


def _encode_scope(scope: ScopeGroup) -> bytes:
    return scope.head + b"".join([_field(2, span) for span in scope.spans])


def _field(number: int, data: bytes) -> bytes:
    """A length-delimited field."""
    prefix = bytearray((number << 3 | 2,))
    length = len(data)
    while length > 0x7F:
        prefix.append(length & 0x7F | 0x80)
        length >>= 7
    prefix.append(length)
    return bytes(prefix) + data


def _parse(kind: Any, body: bytes) -> Any:
    try:
        return kind.FromString(body)
    except DecodeError:
        raise OtlpError("expected an ExportTraceServiceRequest in protobuf, got something else") from None


def _lenient_request_class() -> Any:
    pool = DescriptorPool()
    for module in (common_pb2, resource_pb2, trace_pb2, trace_service_pb2):
        file = FileDescriptorProto()
        module.DESCRIPTOR.CopyToProto(file)
        for message in file.message_type:
            _loosen(message)
        pool.Add(file)
    name = trace_service_pb2.ExportTraceServiceRequest.DESCRIPTOR.full_name
    return GetMessageClass(pool.FindMessageTypeByName(name))


def _loosen(message: Any) -> None:
    for field in message.field:
        if field.type == FieldDescriptorProto.TYPE_STRING:
            field.type = FieldDescriptorProto.TYPE_BYTES
    for nested in message.nested_type:
        _loosen(nested)


def _opaque_request_class() -> Any:
    """A request whose spans are bytes; resource and scope are unknown fields and so survive as they are."""
    file = FileDescriptorProto(name="tailrace/opaque.proto", package="tailrace", syntax="proto3")
    outlines = (
        ("Request", "resource_spans", 1, "ResourceSpans"),
        ("ResourceSpans", "scope_spans", 2, "ScopeSpans"),
        ("ScopeSpans", "spans", 2, None),
    )
    for message, field, number, kind in outlines:
        file.message_type.add(name=message).field.add(
            name=field,
            number=number,
            label=FieldDescriptorProto.LABEL_REPEATED,
            type=FieldDescriptorProto.TYPE_MESSAGE if kind else FieldDescriptorProto.TYPE_BYTES,
            type_name=f".tailrace.{kind}" if kind else None,
        )
    pool = DescriptorPool()
    pool.Add(file)
    return GetMessageClass(pool.FindMessageTypeByName("tailrace.Request"))


_Request: Final = _lenient_request_class()
_OpaqueRequest: Final = _opaque_request_class()
