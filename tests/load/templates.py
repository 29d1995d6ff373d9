"""Request bodies of the load, made once: ids are marks that each request replaces in the bytes, so that sending costs little beside serving."""

import os
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, Literal

import orjson
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans, Span

from tests.load.stories import MEDIAN_BYTES, MODEL, Step, Story, draw_size, draw_story

TRACES_PATH: Final = "/api/public/otel/v1/traces"
INGESTION_PATH: Final = "/api/public/ingestion"
SPANS_PER_TRACE: Final = 10
MIX_TEMPLATES: Final = 200
MOST_SDK_STEPS: Final = 15

type_of_path: Final = {TRACES_PATH: "application/x-protobuf", INGESTION_PATH: "application/json"}

_TRACE_MARK: Final = b"\xa5\x5a\xa5\x5a\xa5\x5a\xa5\x5a"
_SPAN_MARK: Final = b"\xa6\x6a\xa6\x6a"

SMALL_BYTES: Final = 500

Workload = Literal["batches", "small", "sdk", "tall"]

TALL_STEPS: Final = 50


@dataclass(frozen=True)
class Template:
    """A request body whose ids are marks, with the cost of its users in USD. `trace_events`: its events that are no spans."""

    body: bytes
    spans: int
    cost: dict[str, Decimal]
    path: str = TRACES_PATH
    trace_events: int = 0
    trace: bytes | None = None
    """The trace that all requests belong to, where it is one."""

    @property
    def events(self) -> int:
        """What it counts for where accepted and applied events are counted."""
        return self.spans + self.trace_events

    @property
    def headers(self) -> dict[str, str]:
        return {"content-type": type_of_path[self.path]}

    def fresh(self) -> bytes:
        """The body with ids that no other has."""
        trace, span = self.trace or os.urandom(8), os.urandom(4)
        if self.path == TRACES_PATH:
            return self.body.replace(_TRACE_MARK, trace).replace(_SPAN_MARK, span)
        return self.body.replace(_TRACE_MARK.hex().encode(), trace.hex().encode()).replace(
            _SPAN_MARK.hex().encode(), span.hex().encode()
        )


def make_templates(workload: Workload, traces: int = 5) -> list[Template]:
    """The bodies of a workload, the same each time.

    batches: OTLP requests of `traces` traces of ten spans, with 4 KB of text in each generation. small: the same with half a kilobyte. sdk: one trace of 1 to 15 spans in a request, half
    OTLP and half ingestion batches, text of a median of 4 KB and a 99th percentile of 200 KB. tall: requests of 50 spans that all
    belong to one trace, with half a kilobyte of text.
    """
    if workload == "sdk":
        return [_make_sdk_template(seed) for seed in range(MIX_TEMPLATES)]
    if workload == "tall":
        return [_make_tall_template()]
    text_bytes = SMALL_BYTES if workload == "small" else MEDIAN_BYTES
    return [make_template(seed, traces=traces, text_bytes=text_bytes) for seed in range(8)]


def make_template(seed: int, *, traces: int, text_bytes: int = MEDIAN_BYTES, users: int = 200) -> Template:
    """An OTLP body of `traces` traces; the same for the same seed."""
    rng = random.Random(seed)
    stories = [
        draw_story(rng, steps=SPANS_PER_TRACE, users=users, text_bytes=lambda: text_bytes) for _ in range(traces)
    ]
    return _otlp(seed, stories)


def trace_id_of(body: bytes) -> str:
    """The first trace id of an OTLP body."""
    at = body.index(b"\x0a\x10") + 2
    return body[at : at + 16].hex()


def _make_sdk_template(seed: int) -> Template:
    rng = random.Random(seed)
    story = draw_story(rng, steps=rng.randint(1, MOST_SDK_STEPS), users=2_000, text_bytes=lambda: draw_size(rng))
    return _otlp(seed, [story]) if seed % 2 else _ingestion(seed, story)


def _make_tall_template() -> Template:
    rng = random.Random(1)
    story = draw_story(rng, steps=TALL_STEPS, users=1, text_bytes=lambda: SMALL_BYTES)
    return replace(_otlp(1, [story]), trace=os.urandom(8))


def _otlp(seed: int, stories: Sequence[Story]) -> Template:
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    _set(resource.resource.attributes.add(), "service.name", "load")
    scope = resource.scope_spans.add()
    scope.scope.name, scope.scope.version = "langfuse-sdk", "5.0.4"
    for trace, story in enumerate(stories):
        for number, step in enumerate(story.steps):
            _add_span(scope, (seed, trace, number), story.user, step)
    spans = sum(len(story.steps) for story in stories)
    return Template(request.SerializeToString(), spans, _cost_by_user(stories))


def _ingestion(seed: int, story: Story) -> Template:
    """A batch as the SDKs before OpenTelemetry send it: the trace, and one event for each observation."""
    now = datetime.now(UTC)
    trace_id = _TRACE_MARK.hex() + f"{seed * 1000:016x}"
    trace = {"id": trace_id, "name": "request", "userId": story.user, "sessionId": f"session-{story.user}"}
    events = [_event(0, "trace-create", trace, now)]
    for number, step in enumerate(story.steps):
        body: dict[str, Any] = {
            "id": _span_id(0, number).hex(),
            "traceId": trace_id,
            "name": step.name,
            "startTime": now.isoformat(),
            "endTime": now.isoformat(),
        }
        if step.parent is not None:
            body["parentObservationId"] = _span_id(0, step.parent).hex()
        if (made := step.generation) is not None:
            body |= {
                "model": MODEL,
                "usageDetails": {"input": made.tokens_in, "output": made.tokens_out},
                "input": [{"role": "user", "content": made.question}],
                "output": {"role": "assistant", "content": made.answer},
            }
        events.append(_event(number + 1, "generation-create" if made else "span-create", body, now))
    return Template(orjson.dumps({"batch": events}), len(story.steps), _cost_by_user([story]), INGESTION_PATH, 1)


def _event(number: int, kind: str, body: dict[str, Any], now: datetime) -> dict[str, Any]:
    return {"id": f"{_TRACE_MARK.hex()}-{number}", "type": kind, "timestamp": now.isoformat(), "body": body}


def _cost_by_user(stories: Sequence[Story]) -> dict[str, Decimal]:
    costs: Counter[str] = Counter()
    for story in stories:
        costs[story.user] += story.cost  # pyright: ignore[reportArgumentType] - a Counter of USD
    return dict(costs)  # pyright: ignore[reportReturnType]


def _add_span(scope: ScopeSpans, place: tuple[int, int, int], user: str, step: Step) -> None:
    seed, trace, number = place
    span = scope.spans.add()
    span.trace_id = _TRACE_MARK + (seed * 1000 + trace).to_bytes(8, "big")
    span.span_id = _span_id(trace, number)
    if step.parent is not None:
        span.parent_span_id = _span_id(trace, step.parent)
    span.name = step.name
    span.start_time_unix_nano = time.time_ns() - 60_000_000_000 + trace * 1_000_000 + number * 10_000_000
    span.end_time_unix_nano = span.start_time_unix_nano + 250_000_000
    _set(span.attributes.add(), "langfuse.trace.name", "request")
    _set(span.attributes.add(), "user.id", user)
    _set(span.attributes.add(), "session.id", f"session-{user}")
    _set(span.attributes.add(), "langfuse.observation.type", "generation" if step.generation else "span")
    if step.generation is not None:
        _add_generation(span, step)


def _add_generation(span: Span, step: Step) -> None:
    made = step.generation
    assert made is not None
    usage = {"input": made.tokens_in, "output": made.tokens_out, "total": made.tokens_in + made.tokens_out}
    _set(span.attributes.add(), "langfuse.observation.model.name", MODEL)
    _set(span.attributes.add(), "langfuse.observation.usage_details", orjson.dumps(usage).decode())
    question = [{"role": "user", "content": made.question}]
    _set(span.attributes.add(), "langfuse.observation.input", orjson.dumps(question).decode())
    answer = {"role": "assistant", "content": made.answer}
    _set(span.attributes.add(), "langfuse.observation.output", orjson.dumps(answer).decode())


def _set(attribute: KeyValue, key: str, value: str) -> None:
    attribute.key = key
    attribute.value.string_value = value


def _span_id(trace: int, number: int) -> bytes:
    return _SPAN_MARK + (trace * 100 + number).to_bytes(4, "big")
