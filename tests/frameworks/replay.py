"""A record mapped, folded and priced anew, beside what the providers billed.

In: the folder of a record, of a Python or a JavaScript package. Out: its `Replay`: the rows of observations and traces as the assembler would
write them, repeats of usage recognised; the billed calls; and the record as text.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import cache
from typing import Any, Final, Literal, NamedTuple

from google.protobuf.json_format import MessageToJson
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tailrace.assembler.fold import Fold
from tailrace.assembler.mapping import Mapped, map_record
from tailrace.assembler.price_list import PriceList
from tailrace.assembler.state import PartitionState
from tailrace.core.model import ProjectId
from tailrace.core.money import add_money
from tailrace.core.pricing import PriceTable, load_price_table
from tailrace.runtime.resources import schemas
from tailrace.wire.records import ObservationBodyRow, ObservationRow, TraceRow
from tailrace.wire.topics import RawHeaders, RawKind
from tests.frameworks.catalogue import FOLDER, RECORDS
from tests.frameworks.recording import Request, read_expected, read_requests

RECEIVED_US: Final = 1_800_000_000_000_000

Category = str
"""Of tokens: input, input_cached, input_cache_creation, input_audio, output, output_reasoning, output_audio."""

Kind = Literal["sender", "mapping"]
"""Whose fault a gap is: the sender does not tell it, or not as it is; or he does, and we do not read it."""


class Observation(NamedTuple):
    """An observation as it is stored: its trace, and its values by field, without those that are None."""

    trace_id: str
    values: Mapping[str, Any]

    @property
    def usage(self) -> dict[Category, int]:
        """By category, without those of no tokens; {} if it is not to be counted."""
        counts: Counter[Category] = Counter()
        given: dict[str, int] = self.values["usage_details"] if self.values["counted"] else {}
        for key, units in given.items():
            if key != "total":
                counts[category_of(key)] += units
        return {category: units for category, units in counts.items() if units}


class Replay(NamedTuple):
    """A record as it is stored, beside what was billed. `untold`: steps of its story that the package tells nothing of."""

    mapped: list[Mapped]
    observations: list[Observation]
    traces: Mapping[str, TraceRow]
    calls: list[dict[str, Any]]
    untold: frozenset[str]
    text: str

    @property
    def models(self) -> list[Observation]:
        """The observations that are calls of models."""
        return [each for each in self.observations if each.values["type"] in ("GENERATION", "EMBEDDING")]

    @property
    def answered(self) -> list[dict[str, Any]]:
        """The calls that were answered, other than with a refusal, and that the package tells of."""
        return [
            call
            for call in self.calls
            if call["status"] == 200 and not (is_embedding(call) and "embeddings" in self.untold)
        ]

    @property
    def counted(self) -> list[dict[str, Any]]:
        """The calls whose usage the provider said, and the package tells."""
        return [call for call in self.answered if call["said"] is not None and "usage" not in hidden_in(call)]

    def traces_of_models(self) -> list[TraceRow]:
        return [self.traces[trace_id] for trace_id in {each.trace_id for each in self.models}]

    @property
    def cost(self) -> Decimal:
        """What all its traces cost."""
        return add_money(trace.total_cost for trace in self.traces.values() if trace.total_cost is not None)


@cache
def prices() -> PriceTable:
    return load_price_table((schemas() / "prices.json").read_bytes())


def is_embedding(call: Mapping[str, Any]) -> bool:
    return call["api"].endswith("embeddings")


def hidden_in(call: Mapping[str, Any]) -> Mapping[str, str]:
    """What the package does not tell of this call, each with the reason."""
    return call.get("absent", {})


def records() -> list[str]:
    return sorted(folder.name for folder in RECORDS.iterdir() if (folder / "expected.json").exists())


def absent_of(name: str) -> dict[str, str]:
    """The fields that a record lacks, each with the reason."""
    return {each["field"]: each["reason"] for each in read_expected(RECORDS / name)["absent"]}


def known_gaps(name: str, *kinds: Kind) -> dict[str, str]:
    """The fields that come out otherwise than they were billed, each with the reason; of these kinds, or of all."""
    gaps: dict[Kind, dict[str, dict[str, str]]] = json.loads((FOLDER / "known_gaps.json").read_text(encoding="utf-8"))
    return {field: reason for kind in kinds or gaps.keys() for field, reason in gaps[kind].get(name, {}).items()}


@cache
def replay_of(name: str) -> Replay:
    """The record folded anew."""
    expected = read_expected(RECORDS / name)
    requests = read_requests(RECORDS / name, expected["requests"])
    mapped = [
        map_record(RawHeaders(kind_of(each), ProjectId("p"), RECEIVED_US, count_events(each)), each.body)
        for each in requests
    ]
    observations, traces = _fold(mapped)
    text = "\n".join(_text_of(request) for request in requests)
    untold = frozenset(each["field"] for each in expected.get("untold", ()))
    return Replay(mapped, observations, traces, expected["calls"], untold, text)


def _fold(mapped: Iterable[Mapped]) -> tuple[list[Observation], dict[str, TraceRow]]:
    """The rows after all records, one after the other, as an assembler takes them."""
    state = PartitionState(1 << 28)
    rows: dict[tuple[str, str], ObservationRow] = {}
    bodies: dict[tuple[str, str], ObservationBodyRow] = {}
    traces: dict[str, TraceRow] = {}
    for origin, record in enumerate(mapped):
        fold = Fold(state, PriceList(prices()), origin=origin, received_us=RECEIVED_US + origin, max_spans=10_000)
        for change in record.changes:
            fold.apply(change)
        assert fold.find_turned() == set()
        folded = fold.finish()
        rows |= {(row.trace_id, row.id): row for row in folded.observations}
        bodies |= {(row.trace_id, row.id): row for row in folded.observation_bodies}
        traces |= {row.id: row for row in folded.traces}
    return [Observation(row.trace_id, _values(row, bodies.get(key))) for key, row in rows.items()], traces


def _values(row: ObservationRow, body: ObservationBodyRow | None) -> dict[str, Any]:
    told = {name: getattr(row, name) for name in row.__struct_fields__}
    told |= {
        "input": body and body.input,
        "output": body and body.output,
        "usage_details": json.loads(row.usage_details),
    }
    given = row.provided_cost_details
    told["provided_cost_details"] = None if given is None else json.loads(given, parse_float=Decimal, parse_int=Decimal)
    return {name: value for name, value in told.items() if value is not None}


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
