"""Calls over gRPC by the chaos suite's client, to the edge's own handler on a port: taken, put off, or refused for good."""

import asyncio
import gzip
import random
from collections.abc import Sequence

import pytest

from tailrace.edge.grpc import grpc_handler
from tailrace.edge.publisher import RawRecord
from tailrace.local.ports import free_port
from tailrace.runtime import http2
from tests.chaos import client
from tests.chaos.calls import can_be_called
from tests.chaos.client import Delivered, NotDeliveredError, deliver
from tests.chaos.requests import BATCH_PATH, OTLP_PATH, Request
from tests.edge.fakes import EdgeUnderTest, full_key
from tests.wire.otlp_requests import encode_request, make_span

BODY = encode_request("otlp-protobuf", make_span())
PROTOBUF = "application/x-protobuf"


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(client, "MAX_RETRY_AFTER_SECONDS", 0.02)


def spans(count: int, encoding: str = "") -> list[Request]:
    body = gzip.compress(BODY) if encoding else BODY
    return [Request(OTLP_PATH, body, PROTOBUF, encoding, 1, 0, number) for number in range(count)]


async def send(edge: EdgeUnderTest, asked: list[Request], *, key: str | None = None) -> Delivered:
    """All that gRPC can carry over gRPC: there is no HTTP server at the origin."""
    port, stop = free_port(), asyncio.Event()
    handler = grpc_handler(edge.edge)
    async with http2.listening(handler, host="127.0.0.1", port=port, stop=stop, drain_seconds=2):
        return await deliver(
            ["http://127.0.0.1:9"],
            {"authorization": key or full_key()},
            asked,
            seconds=0,
            concurrency=2,
            rng=random.Random(1),
            grpc_addresses=[f"127.0.0.1:{port}"],
        )


def test_grpc_carries_spans_in_protobuf_and_nothing_else() -> None:
    assert all(map(can_be_called, spans(1) + spans(1, "gzip")))
    assert not can_be_called(Request(OTLP_PATH, b"{}", "application/json", "", 1, 0, 0))
    assert not can_be_called(Request(BATCH_PATH, b"{}", "application/json", "", 1, 0, 0))


@pytest.mark.parametrize("encoding", ["", "gzip"])
async def test_every_other_delivery_goes_over_grpc_and_is_the_same_record(encoding: str) -> None:
    edge = EdgeUnderTest()
    delivered = await send(edge, spans(6, encoding))

    assert delivered.requests == 6
    assert delivered.statuses["gRPC OK"] == 6
    assert delivered.statuses["ConnectError"] > 0, "what was tried over HTTP found nobody, and was tried again"
    assert [record.body for record in edge.publisher.records] == [BODY] * 6


async def test_what_is_put_off_is_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    edge = EdgeUnderTest()
    publish, asked = edge.publisher.publish, 0

    async def publish_later(records: Sequence[RawRecord]) -> None:
        nonlocal asked
        asked += 1
        edge.publisher.away = asked <= 3
        await publish(records)

    monkeypatch.setattr(edge.publisher, "publish", publish_later)
    delivered = await send(edge, spans(2))

    assert delivered.statuses["gRPC UNAVAILABLE"] == 3
    assert delivered.requests == edge.publisher.events == 2


async def test_what_is_refused_for_good_is_said() -> None:
    with pytest.raises(NotDeliveredError, match="expected to be taken or put off, got UNAUTHENTICATED"):
        await send(EdgeUnderTest(), spans(2), key=full_key("a", "wrong"))
