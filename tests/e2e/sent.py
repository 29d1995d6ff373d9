"""Reads back from recorded requests what a client sent, just enough to hold it against `expected`.

In: `Recorded` requests of one run. Out: `Sent`: the observations by name, the trace's fields, the scores by name. It is no
mapping of the wire formats: it knows only the attributes that these clients use.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from tests.payloads import Recorded

TRACE_FIELDS = {
    "langfuse.trace.name": "name",
    "user.id": "userId",
    "session.id": "sessionId",
    "langfuse.trace.tags": "tags",
    "langfuse.version": "version",
    "langfuse.release": "release",
    "langfuse.environment": "environment",
    "deployment.environment.name": "environment",
}


@dataclass(frozen=True, kw_only=True)
class Sent:
    """What one run sent. Observations carry id, name, type, parent (a name, or None), started, ended, input, output, level,
    statusMessage, model, modelParameters and usage, where they were sent.
    """

    trace_ids: set[str]
    trace: dict[str, Any]
    observations: dict[str, dict[str, Any]]
    scores: dict[str, dict[str, Any]]


def read_sent(requests: Iterable[Recorded]) -> Sent:
    """Everything that these requests carry, later events over earlier ones."""
    events: list[dict[str, Any]] = []
    spans: list[dict[str, Any]] = []
    scores: list[dict[str, Any]] = []
    for request in requests:
        if request.path.endswith("/ingestion"):
            events += request.json()["batch"]
        elif request.path.endswith("/scores"):
            posted = request.json()
            scores += posted if isinstance(posted, list) else [posted]
        else:
            spans += _spans(request)
    scores += [event["body"] for event in events if event["type"] == "score-create"]
    by_name = {score["name"]: score for score in scores}
    return _from_spans(spans, by_name) if spans else _from_events(events, by_name)


def count_events(requests: Iterable[Recorded]) -> int:
    """How many events (spans, batch events, scores) these requests carry."""
    return sum(map(_count, requests))


def _count(request: Recorded) -> int:
    if request.path.endswith("/ingestion"):
        return len(request.json()["batch"])
    if request.path.endswith("/scores"):
        posted = request.json()
        return len(posted) if isinstance(posted, list) else 1  # pyright: ignore[reportUnknownArgumentType]
    return sum(1 for _ in _spans(request))


def _from_events(events: list[dict[str, Any]], scores: dict[str, dict[str, Any]]) -> Sent:
    trace: dict[str, Any] = {}
    bodies: dict[str, dict[str, Any]] = {}
    creates_first = sorted(events, key=lambda event: (event["type"].endswith("-update"), event["timestamp"]))
    for event in creates_first:
        kind, _, _ = event["type"].partition("-")
        if kind == "trace":
            trace |= event["body"]
        elif kind != "score":
            bodies.setdefault(event["body"]["id"], {"type": kind}).update(event["body"])
    observations = [
        body | _times(body["startTime"], body.get("endTime")) | {"usage": body.get("usageDetails")}
        for body in bodies.values()
    ]
    return Sent(
        trace_ids={str(trace["id"]), *(str(each["traceId"]) for each in observations)},
        trace=trace,
        observations=_by_name(observations),
        scores=scores,
    )


def _times(started: str, ended: str | None) -> dict[str, datetime | None]:
    return {
        "started": datetime.fromisoformat(started),
        "ended": datetime.fromisoformat(ended) if ended is not None else None,
    }


def _from_spans(spans: list[dict[str, Any]], scores: dict[str, dict[str, Any]]) -> Sent:
    trace: dict[str, Any] = {"metadata": {}}
    for span in spans:
        for key, value in span["attributes"].items():
            if key in TRACE_FIELDS:
                trace[TRACE_FIELDS[key]] = value
            elif key.startswith("langfuse.trace.metadata."):
                trace["metadata"][key.removeprefix("langfuse.trace.metadata.")] = value
    observations = [_observation(span) for span in spans]
    trace_ids = {span["traceId"] for span in spans}
    return Sent(trace_ids=trace_ids, trace=trace, observations=_by_name(observations), scores=scores)


def _observation(span: dict[str, Any]) -> dict[str, Any]:
    attributes = span["attributes"]
    own = {key.removeprefix("langfuse.observation."): value for key, value in attributes.items()}
    is_gen_ai = "gen_ai.operation.name" in attributes
    read = {
        "id": span["id"],
        "parentObservationId": span["parent"],
        "name": span["name"],
        "started": _moment(span["started"]),
        "ended": _moment(span["ended"]),
        "type": "generation" if is_gen_ai else own.get("type", "span"),
        "input": _parsed(own.get("input") or own.get("gen_ai.input.messages")),
        "output": _parsed(own.get("output") or own.get("gen_ai.output.messages")),
        "level": own.get("level") or ("ERROR" if span["status"] == "ERROR" else None),
        "statusMessage": own.get("status_message") or span["statusMessage"] or None,
        "model": own.get("model.name") or own.get("gen_ai.response.model"),
        "modelParameters": _parsed(own.get("model.parameters")),
        "usage": _parsed(own.get("usage_details")),
    }
    if is_gen_ai:
        request = {key.rpartition(".")[2]: value for key, value in own.items() if key.startswith("gen_ai.request.")}
        read["modelParameters"] = {key: value for key, value in request.items() if key != "model"}
        tokens = own["gen_ai.usage.input_tokens"], own["gen_ai.usage.output_tokens"]
        read["usage"] = {"input": tokens[0], "output": tokens[1], "total": sum(tokens)}
    return read


def _moment(nanoseconds: int) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=nanoseconds // 1000)


def _by_name(observations: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    known = list(observations)
    names = {each["id"]: each["name"] for each in known}
    return {each["name"]: {**each, "parent": names.get(each.get("parentObservationId"))} for each in known}


def _parsed(text: Any) -> Any:
    return None if text is None else json.loads(text)


def _spans(request: Recorded) -> Iterator[dict[str, Any]]:
    is_json = request.headers["content-type"].startswith("application/json")
    return _json_spans(request) if is_json else _protobuf_spans(request)


def _json_spans(request: Recorded) -> Iterator[dict[str, Any]]:
    for resource in request.json()["resourceSpans"]:
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                yield {
                    "traceId": span["traceId"],
                    "id": span["spanId"],
                    "parent": span.get("parentSpanId"),
                    "name": span["name"],
                    "started": int(span["startTimeUnixNano"]),
                    "ended": int(span["endTimeUnixNano"]),
                    "status": "ERROR" if span["status"]["code"] == 2 else "",
                    "statusMessage": span["status"].get("message"),
                    "attributes": {each["key"]: _json_value(each["value"]) for each in span["attributes"]},
                }


def _json_value(value: dict[str, Any]) -> Any:
    ((kind, content),) = value.items()
    return [_json_value(each) for each in content["values"]] if kind == "arrayValue" else content


def _protobuf_spans(request: Recorded) -> Iterator[dict[str, Any]]:
    export = ExportTraceServiceRequest.FromString(request.decoded())
    for resource in export.resource_spans:
        shared = {each.key: _value(each.value) for each in resource.resource.attributes}
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield {
                    "traceId": span.trace_id.hex(),
                    "id": span.span_id.hex(),
                    "parent": span.parent_span_id.hex(),
                    "name": span.name,
                    "started": span.start_time_unix_nano,
                    "ended": span.end_time_unix_nano,
                    "status": "ERROR" if span.status.code == span.status.STATUS_CODE_ERROR else "",
                    "statusMessage": span.status.message,
                    "attributes": shared | {each.key: _value(each.value) for each in span.attributes},
                }


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(each) for each in value.array_value.values]
    return None if kind is None else getattr(value, kind)
