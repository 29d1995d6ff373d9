"""A case through the whole pure pipeline, as a request of each protocol: map, fold, price, row."""

import json
from collections.abc import Iterator
from typing import Any

from tailrace.assembler.fold import Fold
from tailrace.assembler.mapping import map_record
from tailrace.assembler.price_list import PriceList
from tailrace.assembler.state import PartitionState
from tailrace.core.model import ProjectId
from tailrace.core.pricing import PriceTable
from tailrace.wire.records import ObservationBodyRow, ObservationRow
from tailrace.wire.topics import RawHeaders, RawKind
from tests.assembler.mapping.senders import pairs
from tests.golden.cases import Case
from tests.wire.otlp_requests import TRACE, encode_request, make_span

RECEIVED_US = 1_800_000_000_000_000
Request = tuple[RawKind, bytes]


def requests_of(case: Case, trace_id: str = TRACE) -> Iterator[Request]:
    """The case as every protocol that can carry it sends it, in this trace."""
    if case.body:
        yield "ingestion", _batch(case, trace_id, json.loads(case.body))
        return
    if case.span:
        name, _, version = case.scope.rpartition(" ")
        yield from _spans(case, trace_id, json.loads(case.span), {"name": name, "version": version})
        return
    yield "ingestion", _batch(case, trace_id, {"usageDetails": case.provider_usage})
    attributes = {"langfuse.observation.usage_details": json.dumps(case.provider_usage)}
    if case.model is not None:
        attributes["langfuse.observation.model.name"] = case.model
    yield from _spans(case, trace_id, attributes, {"name": "langfuse-sdk", "version": "5.0.4"})


def fold_request(request: Request, prices: PriceTable) -> tuple[ObservationRow, ObservationBodyRow | None]:
    """The rows of the one observation of a request."""
    kind, payload = request
    mapped = map_record(RawHeaders(kind, ProjectId("project"), RECEIVED_US, 1), payload)
    assert mapped.rejects == []
    fold = Fold(PartitionState(1 << 24), PriceList(prices), origin=0, received_us=RECEIVED_US, max_spans=10)
    for change in mapped.changes:
        fold.apply(change)
    folded = fold.finish()
    (row,) = folded.observations
    return row, folded.observation_bodies[0] if folded.observation_bodies else None


def _spans(case: Case, trace_id: str, attributes: dict[str, Any], scope: dict[str, str]) -> Iterator[Request]:
    nanos = int(case.start.timestamp()) * 1_000_000_000
    times = {"startTimeUnixNano": str(nanos), "endTimeUnixNano": str(nanos + 1)}
    span = make_span(traceId=trace_id, attributes=pairs(attributes), **times)
    yield "otlp-json", encode_request("otlp-json", span, scope=scope)
    yield "otlp-protobuf", encode_request("otlp-protobuf", span, scope=scope)


def _batch(case: Case, trace_id: str, body: dict[str, Any]) -> bytes:
    told = {"id": "o", "traceId": trace_id, "startTime": case.at, **body}
    if case.model is not None:
        told["model"] = case.model
    event = {"id": "e", "type": "generation-create", "timestamp": case.at, "body": told}
    return json.dumps({"batch": [event]}).encode()
