"""Repricings are read whole or not at all; what cannot be used is one dead letter that has all its bytes."""

from typing import Any

import orjson
import pytest

from tailrace.assembler.mapping import map_record
from tailrace.core.model import ProjectId
from tailrace.core.price_terms import load_terms
from tailrace.core.stamp import UPDATE
from tailrace.wire.records import encode_record
from tailrace.wire.repricing import MOST_OBSERVATIONS
from tailrace.wire.topics import RawHeaders
from tests.repricing import RECEIVED_US, make_repricing, shipped_terms

HEADERS = RawHeaders("repricing", ProjectId("p"), RECEIVED_US, 1)


def payload(**values: Any) -> bytes:
    good = orjson.loads(encode_record(make_repricing({"o": shipped_terms()})))
    return orjson.dumps(good | values)


def test_each_observation_gets_one_change_of_its_price_terms_at_the_commands_time() -> None:
    terms = {"one": shipped_terms(input="1"), "two": shipped_terms(input="2")}

    mapped = map_record(HEADERS, encode_record(make_repricing(terms)))

    assert (mapped.events, mapped.rejects) == (1, [])
    assert [(one.project_id, one.trace_id, one.id, one.is_correction) for one in mapped.changes] == [
        ("p", "t", "one", True),
        ("p", "t", "two", True),
    ]
    assert [load_terms(one.fields["price_terms"]) for one in mapped.changes] == list(terms.values())
    assert {(one.stamp.at_us, one.stamp.phase) for one in mapped.changes} == {(RECEIVED_US + 1_000_000, UPDATE)}


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"[]",
        b"{}",
        payload(traceId=1),
        payload(traceId="t\x00"),
        payload(observations=[]),
        payload(observations=[{"id": "o", "terms": 1}]),
        payload(observations=[{"id": "o", "terms": -1}]),
        payload(observations=[{"id": "o\x00", "terms": 0}]),
        payload(observations=[{"id": "o", "terms": 0}] * (MOST_OBSERVATIONS + 1)),
        payload(commandedAt="2026-01-01T00:00:00"),
        payload(command="me"),
        payload(terms=[{"model": "m", "since": None, "until": None, "price": {"kind": "free"}}]),
    ],
)
def test_what_cannot_be_used_is_one_reject_with_its_bytes(bad: bytes) -> None:
    mapped = map_record(HEADERS, bad)

    assert (mapped.changes, mapped.events) == ([], 1)
    assert [(one.reason, one.payload) for one in mapped.rejects] == [("invalid_payload", bad)]
