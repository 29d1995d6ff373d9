"""The edge and the assembler read one request alike: the same events, and each on the partition of what it speaks of."""

import json
from typing import Any

from hypothesis import given

from tailrace.assembler.mapping import Mapped, map_record
from tailrace.core.model import ProjectId
from tailrace.wire.events import EnvelopeError, Event, decode_batch, decode_scores, encode_batch, encode_scores
from tailrace.wire.otlp import OtlpError, OtlpKind, SplitRule, split_request
from tailrace.wire.topics import RawHeaders, RawKind, partition_of
from tests.wire.json_strategies import EVENT_NAMES, OTLP_NAMES, batches, json_values, otlp_requests, patient

PROJECT = ProjectId("project")
PARTITIONS = 64


def partition(entity_id: str) -> int:
    return partition_of(PROJECT, entity_id, PARTITIONS)


def mapped_of(kind: RawKind, body: bytes, events: int) -> Mapped:
    return map_record(RawHeaders(kind, PROJECT, 1_800_000_000_000_000, events), body)


def partitions_of(mapped: Mapped) -> set[int]:
    return {partition(change.id if change.kind == "score" else change.trace_id) for change in mapped.changes}


def assert_same(kind: RawKind, event: Event, body: bytes) -> None:
    mapped = mapped_of(kind, body, 1)
    assert (mapped.events, mapped.rejects) == (1, [])
    assert partitions_of(mapped) == {partition(event.partition_id)}
    assert event.entity_id in {change.id for change in mapped.changes}


@patient
@given(batches() | json_values(EVENT_NAMES))
def test_every_event_that_the_edge_takes_is_used_on_its_partition(request: Any) -> None:
    try:
        batch = decode_batch(json.dumps(request).encode())
    except EnvelopeError:
        return
    for event in batch.events:
        assert_same("ingestion", event, encode_batch([event]))


@patient
@given(json_values(EVENT_NAMES))
def test_every_score_that_the_edge_takes_is_used_on_its_partition(value: Any) -> None:
    score = {"name": "n", "value": 1, "traceId": "t", "metadata": value}
    for data in (json.dumps(score), json.dumps(score, indent=1) + "\n", json.dumps([score, score])):
        events = decode_scores(data.encode()).events
        for event in events:
            assert_same("scores", event, encode_scores([event]))


@patient
@given(otlp_requests() | json_values(OTLP_NAMES))
def test_every_span_that_the_edge_takes_is_used_on_its_partition(request: Any) -> None:
    check_split("otlp-json", json.dumps(request).encode())


def check_split(kind: OtlpKind, body: bytes) -> None:
    try:
        split = split_request(kind, body, SplitRule(partition, max_span_bytes=1 << 20))
    except OtlpError:
        return
    for part in split.parts:
        mapped = mapped_of(kind, part.body, part.spans)
        assert (mapped.events, mapped.rejects) == (part.spans, [])
        assert partitions_of(mapped) == {part.partition}
