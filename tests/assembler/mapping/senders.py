"""Small senders for the tests of mapping: each writes just what a test is about, and the rest is plain."""

import json
from collections.abc import Iterable, Mapping
from functools import reduce
from typing import Any

from tailrace.assembler.mapping import Mapped, map_record
from tailrace.core.merge import Change, EntityKind, Folded, absorb, lift
from tailrace.core.metadata import read_metadata
from tailrace.core.model import ProjectId
from tailrace.wire.topics import RawHeaders, RawKind

PROJECT = ProjectId("project")
RECEIVED_US = 1_800_000_000_000_000
START_US = 1_700_000_000_000_000
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
SPAN_ID = "b7ad6b7169203331"
PARENT_ID = "00f067aa0ba902b7"
LANGFUSE = "langfuse-sdk"


def headers(kind: RawKind, events: int = 1) -> RawHeaders:
    return RawHeaders(kind, PROJECT, RECEIVED_US, events)


def any_value(value: Any) -> dict[str, Any]:
    """A value as OTLP's JSON writes it."""
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, list):
        return {"arrayValue": {"values": [any_value(item) for item in value]}}  # pyright: ignore[reportUnknownVariableType]
    return {"stringValue": value}


def pairs(attributes: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": any_value(value)} for key, value in attributes.items()]


def span(attributes: Mapping[str, Any] | None = None, **overrides: Any) -> dict[str, Any]:
    """A root span of one second; `overrides` are OTLP's own fields."""
    plain = {
        "traceId": TRACE_ID,
        "spanId": SPAN_ID,
        "name": "step",
        "startTimeUnixNano": str(START_US * 1000),
        "endTimeUnixNano": str((START_US + 1_000_000) * 1000),
        "attributes": pairs(attributes or {}),
    }
    return {**plain, **overrides}


def child(attributes: Mapping[str, Any] | None = None, **overrides: Any) -> dict[str, Any]:
    """A span with a parent."""
    return span(attributes, **{"parentSpanId": PARENT_ID, **overrides})


def span_event(name: str, attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": name, "attributes": pairs(attributes)}


def trace_request(
    spans: Iterable[Mapping[str, Any]],
    *,
    scope: str = LANGFUSE,
    version: str = "5.0.4",
    resource: Mapping[str, Any] | None = None,
) -> bytes:
    """An OTLP request of one group."""
    scope_spans = [{"scope": {"name": scope, "version": version}, "spans": list(spans)}]
    described = {"attributes": pairs(resource or {})}
    return json.dumps({"resourceSpans": [{"resource": described, "scopeSpans": scope_spans}]}).encode()


def map_spans(*spans: Mapping[str, Any], **group: Any) -> Mapped:
    return map_record(headers("otlp-json", len(spans)), trace_request(spans, **group))


def observation_of(
    attributes: Mapping[str, Any] | None = None, *, group: Mapping[str, Any] | None = None, **overrides: Any
) -> Mapping[str, Any]:
    """The fields of the observation that one root span makes."""
    (change,) = changes_of(map_spans(span(attributes, **overrides), **(group or {})), "observation")
    return change.fields


def trace_of(*spans: Mapping[str, Any], **group: Any) -> dict[str, Any]:
    """The values of the trace that spans make together."""
    return folded(map_spans(*spans, **group), "trace", TRACE_ID)


def event(kind: str, body: Mapping[str, Any], **overrides: Any) -> dict[str, Any]:
    """A batch event."""
    plain = {"id": f"event-of-{body.get('id')}", "type": kind, "timestamp": "2026-01-01T00:00:00.000Z", "body": body}
    return {**plain, **overrides}


def batch(*events: Any) -> bytes:
    return json.dumps({"batch": events}).encode()


def map_events(*events: Any) -> Mapped:
    return map_record(headers("ingestion", len(events)), batch(*events))


def changes_of(mapped: Mapped, kind: EntityKind) -> list[Change]:
    return [change for change in mapped.changes if change.kind == kind]


def fold_changes(changes: Iterable[Change]) -> dict[tuple[EntityKind, str, str], Folded]:
    """The state of every entity after all changes."""
    states: dict[tuple[EntityKind, str, str], Folded] = {}
    for change in changes:
        key = (change.kind, change.trace_id, change.id)
        if key in states:
            absorb(states[key], lift(change), change.kind)
        else:
            states[key] = lift(change)
    return states


def folded(mapped: Mapped, kind: EntityKind, entity_id: str) -> dict[str, Any]:
    """The values of one entity, with its metadata."""
    (state,) = [
        state
        for (of_kind, _, found), state in fold_changes(mapped.changes).items()
        if (of_kind, found) == (kind, entity_id)
    ]
    metadata = {} if state.metadata is None else {"metadata": read_metadata(state.metadata)}
    return state.values | metadata


def nested_json(levels: int) -> str:
    """JSON text of `levels` lists in each other."""
    return reduce(lambda inner, _: f"[{inner}]", range(levels), "1")
