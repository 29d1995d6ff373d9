"""A record mapped anew, beside what the providers billed.

In: the folder of a record. Out: its `Replay`: observations and traces after mapping and folding, the billed calls, and the record as text.
"""

import json
from collections import Counter
from collections.abc import Mapping
from functools import cache
from typing import Any, Final, NamedTuple

from google.protobuf.json_format import MessageToJson
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tailrace.assembler.mapping import Mapped, map_record
from tailrace.core.model import ProjectId
from tailrace.wire.topics import RawHeaders, RawKind
from tests.assembler.mapping.senders import fold_changes
from tests.frameworks.catalogue import CATALOGUE, FOLDER, RECORDS
from tests.frameworks.recording import Request, read_expected, read_requests

RECEIVED_US: Final = 1_800_000_000_000_000

Category = str
"""Of tokens: input, input_cached, input_cache_creation, input_audio, output, output_reasoning, output_audio."""


class Observation(NamedTuple):
    """A mapped observation: its trace, and its values by field."""

    trace_id: str
    values: Mapping[str, Any]

    @property
    def usage(self) -> dict[Category, int]:
        """By category, without those of no tokens; {} if it is not to be counted."""
        counts: Counter[Category] = Counter()
        given: dict[str, int] = {} if self.values.get("uncounted") else self.values.get("usage_details") or {}
        for key, units in given.items():
            if key != "total":
                counts[category_of(key)] += units
        return {category: units for category, units in counts.items() if units}


class Replay(NamedTuple):
    """A record after mapping and folding, beside what was billed. `calls` are the ones that were answered, with or without a refusal."""

    mapped: list[Mapped]
    observations: list[Observation]
    traces: Mapping[str, Mapping[str, Any]]
    calls: list[dict[str, Any]]
    text: str

    @property
    def models(self) -> list[Observation]:
        """The observations that are calls of models."""
        return [each for each in self.observations if each.values["type"] in ("GENERATION", "EMBEDDING")]

    @property
    def answered(self) -> list[dict[str, Any]]:
        return [call for call in self.calls if call["status"] == 200]

    @property
    def counted(self) -> list[dict[str, Any]]:
        """The calls whose usage the provider said."""
        return [call for call in self.answered if call["said"] is not None]

    def traces_of_models(self) -> list[Mapping[str, Any]]:
        return [self.traces[trace_id] for trace_id in {each.trace_id for each in self.models}]


def records() -> list[str]:
    return sorted(name for name in CATALOGUE if (RECORDS / name / "expected.json").exists())


def absent_of(name: str) -> dict[str, str]:
    """The fields that a record lacks, each with the reason."""
    return {each["field"]: each["reason"] for each in read_expected(RECORDS / name)["absent"]}


def known_gaps(name: str) -> dict[str, str]:
    """The fields that our mapping does not get right yet, each with the reason."""
    gaps: dict[str, dict[str, str]] = json.loads((FOLDER / "known_gaps.json").read_text(encoding="utf-8"))
    return gaps.get(name, {})


@cache
def replay_of(name: str) -> Replay:
    """The record mapped anew."""
    expected = read_expected(RECORDS / name)
    requests = read_requests(RECORDS / name, expected["requests"])
    mapped = [
        map_record(RawHeaders(kind_of(each), ProjectId("p"), RECEIVED_US, count_events(each)), each.body)
        for each in requests
    ]
    states = fold_changes(change for each in mapped for change in each.changes)
    observations = [Observation(key[1], state.values) for key, state in states.items() if key[0] == "observation"]
    traces = {key[2]: state.values for key, state in states.items() if key[0] == "trace"}
    text = "\n".join(_text_of(request) for request in requests)
    return Replay(mapped, observations, traces, expected["calls"], text)


def kind_of(request: Request) -> RawKind:
    if request.path.endswith("/ingestion"):
        return "ingestion"
    return "otlp-json" if request.content_type == "application/json" else "otlp-protobuf"


def count_events(request: Request) -> int:
    """The spans or batch events of a request, as the edge states them."""
    if kind_of(request) == "ingestion":
        return len(json.loads(request.body)["batch"])
    if kind_of(request) == "otlp-json":
        resources = json.loads(request.body)["resourceSpans"]
        return sum(len(scope["spans"]) for resource in resources for scope in resource["scopeSpans"])
    resources = ExportTraceServiceRequest.FromString(request.body).resource_spans
    return sum(len(scope.spans) for resource in resources for scope in resource.scope_spans)


def category_of(key: str) -> Category:
    """The category that a usage key means, whatever it is called in detail."""
    side = "output" if key.startswith(("output", "completion")) else "input"
    if "audio" in key:
        return f"{side}_audio"
    if "reason" in key or "thought" in key:
        return "output_reasoning"
    if "creat" in key or "write" in key:
        return "input_cache_creation"
    if "cache" in key:
        return "input_cached"
    return key


def _text_of(request: Request) -> str:
    if request.content_type == "application/json":
        return request.body.decode()
    return MessageToJson(ExportTraceServiceRequest.FromString(request.body), ensure_ascii=False)
