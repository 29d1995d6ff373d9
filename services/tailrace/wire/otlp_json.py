"""OTLP in JSON: checked, decoded to plain spans, divided without touching a span's bytes.

Ids are any text as it is; 64-bit integers are numbers or strings. What is not clean JSON is repaired once and then treated as sent.
"""

import math
from collections.abc import Iterator
from typing import Annotated, Any, Final, cast

import msgspec
import orjson
from msgspec import Meta, Raw

from tailrace.core.model import MAX_TIME_US
from tailrace.wire.density import MAX_VALUES, has_too_many_values
from tailrace.wire.ids import is_usable_id
from tailrace.wire.lenient_json import MAX_DEPTH, NotJsonError, dump_json, is_clean, is_deep, load_json, repair_json
from tailrace.wire.otlp_shapes import OtlpError, Part, Scope, SpanData, SpanEvent, Split, SplitRule
from tailrace.wire.otlp_split import REJECTED, ResourceGroup, ScopeGroup, split_groups

VALUE_LEVEL: Final = 10
"""The nesting level of a span attribute's value; one that is too deep becomes a text there."""

_MAX_VALUE_DEPTH: Final = 80
"""More lists in lists than a request of MAX_DEPTH levels can hold."""


def decode_spans(body: bytes) -> Iterator[SpanData]:
    """The spans of a request, one by one. Raises OtlpError."""
    for resource_spans in _objects(_object(_load(body)).get("resourceSpans")):
        resource = _attributes(_object(resource_spans.get("resource")).get("attributes"))
        for scope_spans in _objects(resource_spans.get("scopeSpans")):
            sender = _object(scope_spans.get("scope"))
            scope = Scope(
                _text(sender.get("name")), _text(sender.get("version")), _attributes(sender.get("attributes"))
            )
            for span in _objects(scope_spans.get("spans")):
                yield _span(span, resource, scope)


def split_request(body: bytes, rule: SplitRule) -> Split:
    """Check a request and divide it. Raises OtlpError."""
    if has_too_many_values(body):
        raise OtlpError(f"expected at most {MAX_VALUES} values in one request, got more")
    body, outline, partitions = _read(body, rule)
    if not partitions:
        return Split([], {})
    first = partitions[0]
    alike = partitions.count(first) == len(partitions) and first != REJECTED
    if alike and rule.is_one_part(body, len(partitions)):
        return Split([Part(first, body, len(partitions))], {})
    return split_groups(_groups(outline), partitions, rule, _encode)


_Id = Annotated[str, Meta(min_length=1)]


class _Attributed(msgspec.Struct):
    attributes: list[Raw] | None = None


class _Span(msgspec.Struct, rename="camel"):
    trace_id: _Id
    span_id: _Id
    parent_span_id: str | None = None
    attributes: list[Raw] | None = None
    events: list[_Attributed] | None = None


class _ScopeSpans(msgspec.Struct, rename="camel"):
    spans: list[Raw] | None = None
    scope: Raw = Raw(b"null")
    schema_url: Raw = Raw(b"null")


class _ResourceSpans(msgspec.Struct, rename="camel"):
    scope_spans: list[_ScopeSpans] | None = None
    resource: Raw = Raw(b"null")
    schema_url: Raw = Raw(b"null")


class _Request(msgspec.Struct, rename="camel"):
    resource_spans: list[_ResourceSpans] | None = None


_request_decoder = msgspec.json.Decoder(_Request)
_span_decoder = msgspec.json.Decoder(_Span)
_attributed_decoder = msgspec.json.Decoder(_Attributed | None)


def _read(body: bytes, rule: SplitRule) -> tuple[bytes, _Request, list[int]]:
    """The clean bytes of a request, their outline, and the partition of each span."""
    if is_clean(body):
        try:
            outline = _outline(body)
            return body, outline, _partitions(outline, rule)
        except msgspec.ValidationError as error:
            raise OtlpError(str(error)) from None
        except (msgspec.DecodeError, RecursionError, _TooDeepError):
            pass
    try:
        body = repair_json(body, cut_level=VALUE_LEVEL)
        outline = _outline(body)
        return body, outline, _partitions(outline, rule)
    except (NotJsonError, msgspec.DecodeError, _TooDeepError) as error:
        raise OtlpError(str(error)) from None


class _TooDeepError(Exception):
    """Values are nested deeper than can be handed on."""


def _check_depth(raw: Raw) -> None:
    """Only lists nest values, and a few of them are no danger."""
    data = bytes(raw)
    if data.count(b"arrayValue") + data.count(b"kvlistValue") > 40 and is_deep(data):
        raise _TooDeepError(f"expected values of at most {MAX_DEPTH} levels, got more")


def _outline(body: bytes) -> _Request:
    request = _request_decoder.decode(body)
    for resource_spans in request.resource_spans or ():
        _check_depth(resource_spans.resource)
        _attributed_decoder.decode(resource_spans.resource)
        for scope_spans in resource_spans.scope_spans or ():
            _check_depth(scope_spans.scope)
            _attributed_decoder.decode(scope_spans.scope)
    return request


def _partitions(request: _Request, rule: SplitRule) -> list[int]:
    known: dict[str, int] = {}
    partitions: list[int] = []
    for resource_at, resource_spans in enumerate(request.resource_spans or ()):
        for scope_at, scope_spans in enumerate(resource_spans.scope_spans or ()):
            for span_at, raw in enumerate(scope_spans.spans or ()):
                try:
                    span = _span_decoder.decode(raw)
                except msgspec.ValidationError as error:
                    where = f"resourceSpans[{resource_at}].scopeSpans[{scope_at}].spans[{span_at}]"
                    raise OtlpError(f"{error} of {where}") from None
                _check_depth(raw)
                trace_id = span.trace_id
                partition = known.get(trace_id)
                if partition is None:
                    partition = rule.partition_of(trace_id) if is_usable_id(trace_id) else REJECTED
                    known[trace_id] = partition
                partitions.append(partition if is_usable_id(span.span_id) else REJECTED)
    return partitions


def _groups(request: _Request) -> Iterator[ResourceGroup]:
    for resource_spans in request.resource_spans or ():
        scopes = [
            ScopeGroup(
                b'{"scope":%b,"schemaUrl":%b,"spans":[' % (bytes(one.scope), bytes(one.schema_url)),
                [bytes(span) for span in one.spans or ()],
            )
            for one in resource_spans.scope_spans or ()
        ]
        head = (bytes(resource_spans.resource), bytes(resource_spans.schema_url))
        yield ResourceGroup(b'{"resource":%b,"schemaUrl":%b,"scopeSpans":[' % head, scopes)


def _encode(groups: list[ResourceGroup]) -> bytes:
    return b'{"resourceSpans":[%b]}' % b",".join(
        resource.head + b",".join([scope.head + b",".join(scope.spans) + b"]}" for scope in resource.scopes]) + b"]}"
        for resource in groups
    )


def _load(body: bytes) -> Any:
    try:
        if b"\\u0000" not in body:
            return orjson.loads(body)
    except orjson.JSONDecodeError:
        pass
    try:
        return load_json(repair_json(body, cut_level=VALUE_LEVEL))
    except NotJsonError as error:
        raise OtlpError(str(error)) from None


def _span(span: dict[str, Any], resource: dict[str, Any], scope: Scope) -> SpanData:
    status = _object(span.get("status"))
    return SpanData(
        resource,
        scope,
        _text(span.get("traceId")),
        _text(span.get("spanId")),
        _text(span.get("parentSpanId")) or None,
        _text(span.get("name")),
        _enumeration(span.get("kind"), _KINDS),
        _microseconds(span.get("startTimeUnixNano")),
        _microseconds(span.get("endTimeUnixNano")),
        _attributes(span.get("attributes")),
        [
            SpanEvent(
                _text(one.get("name")), _attributes(one.get("attributes")), _microseconds(one.get("timeUnixNano"))
            )
            for one in _objects(span.get("events"))
        ],
        _enumeration(status.get("code"), _STATUS_CODES),
        _text(status.get("message")),
    )


_KINDS: Final = {
    f"SPAN_KIND_{name}": number
    for number, name in enumerate(("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"))
}
_STATUS_CODES: Final = {"STATUS_CODE_UNSET": 0, "STATUS_CODE_OK": 1, "STATUS_CODE_ERROR": 2}


def _enumeration(value: Any, names: dict[str, int]) -> int:
    """Senders write enumerations as numbers, and some as names."""
    if isinstance(value, str):
        return names.get(value, 0)
    return value if type(value) is int else 0


def _object(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _objects(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        return []
    return [cast("dict[str, Any]", one) for one in cast("list[Any]", value) if isinstance(one, dict)]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _microseconds(nanoseconds: Any) -> int | None:
    number = _integer(nanoseconds)
    return min(number // 1000, MAX_TIME_US) or None if isinstance(number, int) and number > 0 else None


def _integer(value: Any) -> Any:
    """A 64-bit integer that may be written as a string; what is not one stays as it is."""
    if isinstance(value, str) and len(value) <= 20:
        try:
            return int(value)
        except ValueError:
            return value
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _double(value: Any) -> Any:
    """A number that may be written as a string; "NaN" and the infinities stay strings."""
    if isinstance(value, str):
        try:
            number = float(value)
        except ValueError:
            return value
        return number if math.isfinite(number) else value
    return value


def _attributes(pairs: Any) -> dict[str, Any]:
    attributes: dict[str, Any] = {}
    for pair in _objects(pairs):
        key, value = pair.get("key"), pair.get("value")
        plain = value if isinstance(value, str) else _plain(_object(value))
        if plain is not None and isinstance(key, str):
            attributes[key] = plain
    return attributes


def _plain(value: dict[str, Any], depth: int = 0) -> Any:  # noqa: PLR0911 - one for each kind of value
    for kind, item in value.items():
        match kind:
            case "stringValue" | "boolValue":
                return _scalar(item)
            case "intValue":
                return _scalar(_integer(item))
            case "doubleValue":
                return _scalar(_double(item))
            case "arrayValue" if depth < _MAX_VALUE_DEPTH:
                return [_plain(one, depth + 1) for one in _objects(_object(item).get("values"))]
            case "kvlistValue" if depth < _MAX_VALUE_DEPTH:
                return dump_json(_nested(value, depth))
            case "bytesValue":
                return dump_json(_scalar(item))
            case _:
                continue
    return None


def _nested(value: dict[str, Any], depth: int) -> Any:
    """A value inside JSON text: key-value lists are objects there, bytes base64."""
    if depth < _MAX_VALUE_DEPTH and "kvlistValue" in value:
        pairs = _objects(_object(value["kvlistValue"]).get("values"))
        return {_text(pair.get("key")): _nested(_object(pair.get("value")), depth + 1) for pair in pairs}
    if depth < _MAX_VALUE_DEPTH and "arrayValue" in value:
        return [_nested(one, depth + 1) for one in _objects(_object(value["arrayValue"]).get("values"))]
    return _scalar(value["bytesValue"]) if "bytesValue" in value else _plain(value, _MAX_VALUE_DEPTH)


def _scalar(value: Any) -> str | bool | int | float | None:
    return value if isinstance(value, str | bool | int | float) else None
