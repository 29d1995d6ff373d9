"""Whatever the bytes are: no exception, every event counted once, and the same answer each time."""

import json
from collections.abc import Iterator
from typing import Any, cast, get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tailrace.assembler.mapping import Mapped, map_record
from tailrace.core.merge import lift
from tailrace.wire.topics import RawKind
from tests.assembler.mapping.senders import batch, headers, nested_json, span, trace_request
from tests.payloads import clients, recording_of
from tests.strategies import anything_json

KINDS: tuple[RawKind, ...] = get_args(RawKind)
GOOD = [each.decoded() for client in clients() for each in recording_of(client).requests]
GOOD_JSON = [payload for payload in GOOD if payload[:1] in (b"{", b"[")]


def check(kind: RawKind, payload: bytes) -> Mapped:
    """Map a record and check what must hold of any."""
    mapped = map_record(headers(kind), payload)
    assert map_record(headers(kind), payload) == mapped
    assert len(mapped.rejects) <= mapped.events
    assert mapped.events > 0 or not mapped.changes
    for change in mapped.changes:
        lift(change)
        json.dumps(change.fields, default=str, allow_nan=False)
        for text in texts_in([change.trace_id, change.id, change.stamp.event_id, change.fields]):
            assert "\x00" not in text
            text.encode()
    return mapped


def texts_in(value: Any) -> Iterator[str]:
    """Every text in a value, keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for pair in cast("dict[str, Any]", value).items():
            yield from texts_in(list(pair))
    elif isinstance(value, list):
        for item in cast("list[Any]", value):
            yield from texts_in(item)


@given(st.sampled_from(KINDS), st.binary(max_size=200))
@example("otlp-protobuf", b"")
@example("otlp-json", b"")
@example("ingestion", b"\xef\xbb\xbf{}")
@example("scores", b"null")
def test_junk_never_raises(kind: RawKind, payload: bytes) -> None:
    check(kind, payload)


@given(st.sampled_from(KINDS), anything_json())
def test_any_json_never_raises(kind: RawKind, value: Any) -> None:
    check(kind, json.dumps(value).encode())


@given(st.sampled_from(KINDS), st.sampled_from(GOOD), st.data())
def test_good_requests_that_were_damaged_never_raise(kind: RawKind, payload: bytes, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(payload)))
    end = data.draw(st.integers(start, min(len(payload), start + 20)))
    check(kind, payload[:start] + data.draw(st.binary(max_size=8)) + payload[end:])


@given(st.sampled_from(KINDS), st.sampled_from(GOOD_JSON), anything_json(), st.data())
def test_good_requests_with_one_value_replaced_never_raise(
    kind: RawKind, payload: bytes, value: Any, data: st.DataObject
) -> None:
    document = json.loads(payload)
    container, key = data.draw(st.sampled_from(list(places_in(document))))
    container[key] = value
    check(kind, json.dumps(document).encode())


def places_in(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, key) in a document."""
    if isinstance(value, dict | list):
        container = cast("dict[Any, Any]", value)
        for key in list(container) if isinstance(value, dict) else range(len(container)):
            yield container, key
            yield from places_in(container[key])


@given(
    st.dictionaries(st.sampled_from(["id", "traceId", "type", "timestamp", "body", "name", "value"]), anything_json())
)
def test_any_event_is_used_or_rejected(body: dict[str, Any]) -> None:
    told = {"id": "e", "type": "span-create", "timestamp": "2026-01-01T00:00:00Z", "body": {"id": "o"}}
    for damaged in (told | body, told | {"body": told["body"] | body} if isinstance(told["body"], dict) else told):
        mapped = check("ingestion", batch(damaged))
        assert mapped.events == 1
        assert bool(mapped.changes) != bool(mapped.rejects) or damaged["type"] == "sdk-log"


@pytest.mark.parametrize("kind", ["ingestion", "scores"])
def test_json_of_a_thousand_levels_is_kept_as_text(kind: RawKind) -> None:
    deep = json.loads(nested_json(900))
    score = {"id": "s", "name": "n", "value": 1, "traceId": "t", "metadata": {"deep": deep}}
    body = {"id": "e", "type": "score-create", "timestamp": "2026-01-01T00:00:00Z", "body": score}
    mapped = check(kind, json.dumps({"batch": [body]} if kind == "ingestion" else score).encode())
    assert mapped.rejects == []


def test_an_attribute_of_a_thousand_levels_is_kept() -> None:
    deep = nested_json(2000)
    sent = span({"langfuse.observation.input": deep, "langfuse.observation.metadata.k": deep})
    mapped = check("otlp-json", trace_request([sent]))
    assert mapped.rejects == []
    assert mapped.changes[0].fields["input"] == deep


def test_numbers_beyond_64_bits_anywhere_can_be_written_again() -> None:
    sent = span(dict.fromkeys(["langfuse.observation.metadata.k", "n", "model"], 2**70))
    fields = check("otlp-json", trace_request([sent], scope="app", resource={"n": 2**70})).changes[0].fields
    assert (fields["metadata"]["k"], fields["model"]) == (str(2**70), str(2**70))
    assert fields["metadata"]["resourceAttributes"] == {"n": str(2**70)}
