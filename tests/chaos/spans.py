"""Spans of OpenTelemetry: an observation that must be stored in, the span that says so out, as protobuf or as JSON."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import orjson
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans
from opentelemetry.proto.trace.v1.trace_pb2 import Span as ProtobufSpan

from tests.chaos.texts import dirty_bytes, dirty_json, dirty_text

Value = str | bool | int | float | list[str]


class Service(NamedTuple):
    """A sender: its resource and its scope."""

    resource: dict[str, Value]
    scope: str
    version: str
    scope_attributes: dict[str, Value]

    @property
    def is_langfuse(self) -> bool:
        return self.scope == "langfuse-sdk"

    def technical_metadata(self) -> dict[str, Any]:
        """What it adds to the metadata of each observation."""
        described = {"name": self.scope, "version": self.version, "attributes": self.scope_attributes}
        return {
            **({"resourceAttributes": self.resource} if self.resource else {}),
            "scope": {key: value for key, value in described.items() if value},
        }


SERVICES: Final = (
    Service(
        {"service.name": "shop", "telemetry.sdk.language": "python"}, "langfuse-sdk", "5.0.4", {"public_key": "pk"}
    ),
    Service({"service.name": "shop", "telemetry.sdk.language": "python"}, "langfuse-sdk", "3.15.0", {}),
    Service({"service.name": "web", "service.instance.id": 7}, "langfuse-sdk", "5.11.1", {}),
    Service({"service.name": "agents", "service.version": "2026.3"}, "openinference.instrumentation", "0.1", {}),
)


@dataclass(slots=True)
class Span:
    """A span as it is sent; the texts in it are clean, see `texts`. `service`: an index of SERVICES. Times in microseconds."""

    service: int
    trace_id: str
    span_id: str
    parent_id: str | None
    name: str
    start_us: int
    end_us: int
    attributes: dict[str, Value] = field(default_factory=dict[str, Value])
    status_code: int = 0
    status_message: str = ""
    only_json: bool = False
    """Whether its ids are no hexadecimal numbers, which protobuf cannot hold."""


def encode_protobuf(spans: Sequence[Span]) -> bytes:
    """A trace request."""
    request = ExportTraceServiceRequest()
    group: ResourceSpans | None = None
    service = -1
    for span in spans:
        if group is None or span.service != service:
            service = span.service
            group = _protobuf_group(request, SERVICES[service])
        group.scope_spans[0].spans.append(_protobuf_span(span))
    return dirty_bytes(request.SerializeToString())


def encode_json(spans: Sequence[Span]) -> bytes:
    """The same in OTLP's JSON."""
    groups: list[dict[str, Any]] = []
    service = -1
    for span in spans:
        if span.service != service:
            service = span.service
            groups.append(_json_group(SERVICES[service]))
        groups[-1]["scopeSpans"][0]["spans"].append(_json_span(span))
    return dirty_json(orjson.dumps({"resourceSpans": groups}))


def _protobuf_group(request: ExportTraceServiceRequest, service: Service) -> ResourceSpans:
    group = request.resource_spans.add()
    group.resource.attributes.extend(_protobuf_attributes(service.resource))
    scope = group.scope_spans.add().scope
    scope.name, scope.version = service.scope, service.version
    scope.attributes.extend(_protobuf_attributes(service.scope_attributes))
    return group


def _protobuf_span(span: Span) -> ProtobufSpan:
    encoded = ProtobufSpan(
        trace_id=bytes.fromhex(span.trace_id),
        span_id=bytes.fromhex(span.span_id),
        name=dirty_text(span.name),
        start_time_unix_nano=span.start_us * 1000,
        end_time_unix_nano=span.end_us * 1000,
        attributes=_protobuf_attributes(span.attributes),
    )
    if span.parent_id is not None:
        encoded.parent_span_id = bytes.fromhex(span.parent_id)
    if span.status_code:
        encoded.status.code = span.status_code  # pyright: ignore[reportAttributeAccessIssue]
        encoded.status.message = dirty_text(span.status_message)
    return encoded


def _protobuf_attributes(attributes: dict[str, Value]) -> list[KeyValue]:
    return [KeyValue(key=dirty_text(key), value=_protobuf_value(value)) for key, value in attributes.items()]


def _protobuf_value(value: Value) -> AnyValue:
    if isinstance(value, str):
        return AnyValue(string_value=dirty_text(value))
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    encoded = AnyValue()
    encoded.array_value.values.extend(map(_protobuf_value, value))
    return encoded


def _json_group(service: Service) -> dict[str, Any]:
    scope = {
        "name": service.scope,
        "version": service.version,
        "attributes": _json_attributes(service.scope_attributes),
    }
    return {
        "resource": {"attributes": _json_attributes(service.resource)},
        "scopeSpans": [{"scope": scope, "spans": []}],
    }


def _json_span(span: Span) -> dict[str, Any]:
    return {
        "traceId": span.trace_id,
        "spanId": span.span_id,
        **({} if span.parent_id is None else {"parentSpanId": span.parent_id}),
        "name": span.name,
        "kind": 1,
        "startTimeUnixNano": str(span.start_us * 1000),
        "endTimeUnixNano": span.end_us * 1000,
        "attributes": _json_attributes(span.attributes),
        "status": {"code": span.status_code, "message": span.status_message} if span.status_code else {},
    }


def _json_attributes(attributes: dict[str, Value]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _json_value(value)} for key, value in attributes.items()]


def _json_value(value: Value) -> dict[str, Any]:
    if isinstance(value, str):
        return {"stringValue": value}
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    return {"arrayValue": {"values": [_json_value(item) for item in value]}}
