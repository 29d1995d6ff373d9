"""What the fuzz takes for broken in answers to calls over gRPC, and that its client sees them as they are."""

import asyncio
from typing import Any

import pytest

from tailrace.edge.grpc import grpc_handler
from tailrace.local.ports import free_port
from tailrace.runtime import http2
from tests.edge.fakes import EdgeUnderTest, full_key
from tests.fuzz.grpc_attacks import GOOD
from tests.fuzz.grpc_client import Answer, Call, exchange_call, frame_message
from tests.fuzz.verdict import broken_rule_of_call

_REASON = {"grpc-message": "why"}


@pytest.mark.parametrize(
    ("call", "answer", "rule"),
    [
        (Call(GOOD), Answer("0", {}), None),
        (Call(GOOD), Answer("3", _REASON), None),
        (Call(GOOD), Answer("3", {}), "every refusal says its reason"),
        (Call(GOOD), Answer("13", _REASON), "no status but those that OTLP has a meaning for"),
        (Call(GOOD), Answer("14", _REASON), "who may come again hears when"),
        (Call(GOOD), Answer("14", {**_REASON, "grpc-status-details-bin": "x"}), None),
        (Call(GOOD), Answer("closed", {}), "every legal call is answered"),
        (Call(GOOD), Answer("silent", {}), "every legal call is answered"),
        (Call(GOOD, is_legal=False), Answer("goaway 1", {}), None),
        (Call(GOOD, ending="given up"), Answer("given up", {}), None),
        (Call(GOOD, authorization=b"x"), Answer("0", {}), "nobody writes without a key"),
    ],
)
def test_an_answer_is_good_or_breaks_a_rule(call: Call, answer: Answer, rule: str | None) -> None:
    assert broken_rule_of_call(call, answer) == rule


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({}, "0"),
        ({"authorization": b""}, "16"),
        ({"body": frame_message(b"junk")}, "3"),
        ({"ending": "half closed"}, "3"),
        ({"headers": ((b":path", b"/x/Y"),)}, "12"),
        ({"headers": ((b"content-type", b"application/json"),)}, "http 415"),
        # Whoever writes on is reset, and may lose the last word by that.
        ({"before": b"\xff" * 40, "is_legal": False}, ("goaway", "closed")),
        ({"piece_bytes": 3}, "0"),
    ],
)
async def test_the_client_sees_what_the_edge_answers(changed: dict[str, Any], status: str | tuple[str, ...]) -> None:
    edge, port = EdgeUnderTest(), free_port()
    call = Call(GOOD)._replace(**changed)
    handler = grpc_handler(edge.edge)
    async with http2.listening(handler, host="127.0.0.1", port=port, stop=asyncio.Event(), drain_seconds=2):
        answer = await asyncio.to_thread(exchange_call, port, call, authorization=full_key().encode())

    assert answer.status.startswith(status)
    assert len(edge.publisher.records) == (status == "0")
