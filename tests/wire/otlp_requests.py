"""OTLP requests for tests, in both encodings, from one description: a span is a dict of what the test is about."""

import json
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tailrace.wire.otlp import OtlpKind

TRACE = "0af7651916cd43dd8448eb211c80319c"
OTHER_TRACE = "1bf7651916cd43dd8448eb211c80319d"
SPAN = "b7ad6b7169203331"


def make_span(**overrides: Any) -> dict[str, Any]:
    """A span in the shape of OTLP JSON."""
    return {"traceId": TRACE, "spanId": SPAN, "name": "ask-model", **overrides}


def make_attributes(**values: Any) -> list[dict[str, Any]]:
    """Attributes in the shape of OTLP JSON; a dict is taken as an AnyValue."""
    return [{"key": key.replace("__", "."), "value": _any_value(value)} for key, value in values.items()]


def encode_request(kind: OtlpKind, *spans: dict[str, Any], resource: Any = None, scope: Any = None) -> bytes:
    """A request of one resource and one scope."""
    head = {"resource": resource} if resource else {}
    scope_head = {"scope": scope} if scope else {}
    request = {"resourceSpans": [{**head, "scopeSpans": [{**scope_head, "spans": list(spans)}]}]}
    return json.dumps(request).encode() if kind == "otlp-json" else encode_protobuf(request)


def encode_protobuf(request: dict[str, Any]) -> bytes:
    """The same request in protobuf."""
    message = ExportTraceServiceRequest()
    for resource_spans in request["resourceSpans"]:
        resource_message = message.resource_spans.add()
        resource_message.resource.attributes.extend(_pairs(resource_spans.get("resource", {}).get("attributes", [])))
        for scope_spans in resource_spans["scopeSpans"]:
            scope_message = resource_message.scope_spans.add()
            scope = scope_spans.get("scope", {})
            scope_message.scope.name = scope.get("name", "")
            scope_message.scope.version = scope.get("version", "")
            scope_message.scope.attributes.extend(_pairs(scope.get("attributes", [])))
            scope_message.spans.extend([_span(span) for span in scope_spans["spans"]])
    return message.SerializeToString()


def _span(span: dict[str, Any]) -> Span:
    message = Span(
        trace_id=bytes.fromhex(span["traceId"]),
        span_id=bytes.fromhex(span["spanId"]),
        parent_span_id=bytes.fromhex(span.get("parentSpanId", "")),
        name=span["name"],
        kind=span.get("kind", 0),
        start_time_unix_nano=int(span.get("startTimeUnixNano", 0)),
        end_time_unix_nano=int(span.get("endTimeUnixNano", 0)),
        attributes=_pairs(span.get("attributes", [])),
    )
    for event in span.get("events", []):
        message.events.add(
            name=event["name"],
            attributes=_pairs(event.get("attributes", [])),
            time_unix_nano=int(event.get("timeUnixNano", 0)),
        )
    status = span.get("status", {})
    message.status.code = status.get("code", 0)
    message.status.message = status.get("message", "")
    return message


def _pairs(attributes: list[dict[str, Any]]) -> list[KeyValue]:
    return [KeyValue(key=pair["key"], value=_value(pair["value"])) for pair in attributes]


def _value(value: dict[str, Any]) -> AnyValue:
    message = AnyValue()
    if "stringValue" in value:
        message.string_value = value["stringValue"]
    elif "boolValue" in value:
        message.bool_value = value["boolValue"]
    elif "intValue" in value:
        message.int_value = int(value["intValue"])
    elif "doubleValue" in value:
        message.double_value = float(value["doubleValue"])
    elif "bytesValue" in value:
        message.bytes_value = value["bytesValue"].encode()
    elif "arrayValue" in value:
        message.array_value.values.extend([_value(item) for item in value["arrayValue"]["values"]])
    elif "kvlistValue" in value:
        message.kvlist_value.values.extend(_pairs(value["kvlistValue"]["values"]))
    return message


def _any_value(value: Any) -> Any:
    match value:
        case str():
            return {"stringValue": value}
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
        case list():
            return {"arrayValue": {"values": [_any_value(item) for item in value]}}  # pyright: ignore[reportUnknownVariableType]
        case _:
            return value
