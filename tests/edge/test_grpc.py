"""OTLP over gRPC: the same laws as over HTTP, in gRPC's words. What becomes of an edge's records is the business of the tests of the endpoints."""

import gzip
import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from prometheus_client import REGISTRY

from tailrace.edge.grpc import grpc_handler
from tailrace.runtime.http2_stream import Answer
from tailrace.runtime.keys import Quota
from tests.edge.fakes import OTLP, EdgeUnderTest, full_key, scores_key
from tests.edge.grpc_client import DEFLATE, GZIP, LOGS, METRICS, TRACES, GrpcClient, Reply, calling
from tests.wire.otlp_requests import encode_request, make_attributes, make_span

BODY = encode_request("otlp-protobuf", make_span())
WRONG = "Invalid credentials. Confirm that you've configured the correct host."


@pytest.fixture
async def client(edge: EdgeUnderTest) -> AsyncGenerator[GrpcClient]:
    async with calling(edge.edge) as client:
        yield client


async def test_the_senders_bytes_are_in_the_log_when_it_hears_ok(edge: EdgeUnderTest, client: GrpcClient) -> None:
    reply = await client.call(BODY, headers={"x-langfuse-sdk-name": "go", "x-langfuse-sdk-version": "1.2"})

    (record,) = edge.publisher.records
    assert reply == Reply("OK")
    assert (record.body, record.headers.kind, record.headers.events) == (BODY, "otlp-protobuf", 1)
    assert (record.headers.sdk_name, record.headers.sdk_version) == ("go", "1.2")


async def test_what_is_recorded_is_what_http_records(edge: EdgeUnderTest, client: GrpcClient) -> None:
    spans = [make_span(traceId=f"{n:032x}", spanId=f"{n:016x}") for n in range(1, 50)]
    body = encode_request("otlp-protobuf", *spans)

    await client.call(body)
    by_grpc, edge.publisher.records = edge.publisher.records, []
    await edge.post(OTLP, body, headers={"Content-Type": "application/x-protobuf"})

    assert len(by_grpc) > 1
    assert [(one.partition, one.body) for one in by_grpc] == [
        (one.partition, one.body) for one in edge.publisher.records
    ]


@pytest.mark.parametrize("compression", [GZIP, DEFLATE])
async def test_a_compressed_message_is_the_same(edge: EdgeUnderTest, client: GrpcClient, compression: Any) -> None:
    body = encode_request("otlp-protobuf", make_span(attributes=make_attributes(text="x" * 10_000)))

    reply = await client.call(body, compression=compression)

    assert reply == Reply("OK")
    assert [record.body for record in edge.publisher.records] == [body]


@pytest.mark.parametrize("method", [METRICS, LOGS])
async def test_metrics_and_logs_are_taken_and_dropped(edge: EdgeUnderTest, client: GrpcClient, method: str) -> None:
    assert await client.call(b"\x0a\x03abc", method=method, compression=GZIP) == Reply("OK")
    assert edge.publisher.records == []


async def test_spans_that_are_left_out_are_counted_in_the_answer() -> None:
    edge = EdgeUnderTest(max_observation_bytes=10_000)
    large = make_span(attributes=make_attributes(text="x" * 20_000))

    async with calling(edge.edge) as client:
        reply = await client.call(encode_request("otlp-protobuf", large, make_span()))

    response = ExportTraceServiceResponse.FromString(reply.message)
    assert reply.code == "OK"
    assert response.partial_success.rejected_spans == 1
    assert response.partial_success.error_message == "left out: 1 spans larger than an observation may be"
    assert edge.publisher.events == 1


@pytest.mark.parametrize(
    ("key", "code", "text"),
    [
        ("", "UNAUTHENTICATED", "No authorization header"),
        ("Digest x", "UNAUTHENTICATED", "Invalid authorization header"),
        (full_key(secret="wrong"), "UNAUTHENTICATED", WRONG),
        (full_key("unknown"), "UNAUTHENTICATED", WRONG),
        (scores_key(), "PERMISSION_DENIED", "expected Basic authorization with public and secret key"),
        (full_key("suspended"), "PERMISSION_DENIED", "ingestion is suspended for this project"),
    ],
)
@pytest.mark.parametrize("method", [TRACES, METRICS, LOGS])
async def test_who_may_not_write_is_told_so(client: GrpcClient, method: str, key: str, code: str, text: str) -> None:
    assert await client.call(BODY, method=method, key=key) == Reply(code, text)


async def test_the_tenant_is_the_keys(edge: EdgeUnderTest, client: GrpcClient) -> None:
    await client.call(BODY, key=full_key("b"), headers={"x-langfuse-public-key": "pk-lf-a"})
    await client.call(BODY)

    assert [record.headers.project_id for record in edge.publisher.records] == ["project-b", "project-a"]


@pytest.mark.parametrize("body", [b"\xff\xff\xff\xff", b"\x0a\x05ab", b'{"resourceSpans": []}'])
async def test_a_message_that_is_no_otlp_is_an_invalid_argument(client: GrpcClient, body: bytes) -> None:
    reply = await client.call(body)

    assert reply == Reply("INVALID_ARGUMENT", "expected an ExportTraceServiceRequest in protobuf, got something else")


async def test_a_defect_of_one_span_is_named(client: GrpcClient) -> None:
    reply = await client.call(encode_request("otlp-protobuf", make_span(), make_span(traceId="")))

    assert reply.code == "INVALID_ARGUMENT"
    assert "spans[1]" in reply.text


async def test_an_unknown_ingestion_version_is_an_invalid_argument(client: GrpcClient) -> None:
    reply = await client.call(BODY, headers={"x-langfuse-ingestion-version": "5"})

    assert reply == Reply("INVALID_ARGUMENT", "expected an x-langfuse-ingestion-version of at most 4, got '5'")


async def test_another_service_is_unimplemented(client: GrpcClient) -> None:
    reply = await client.call(BODY, method="/grpc.health.v1.Health/Check")

    assert reply.code == "UNIMPLEMENTED"
    assert "/grpc.health.v1.Health/Check" in reply.text


async def test_over_size_is_for_good_and_the_channel_goes_on() -> None:
    edge = EdgeUnderTest(max_body_bytes=5_000_000)
    async with calling(edge.edge) as client:
        bomb = await client.call(b"\x00" * 200_000_000, compression=GZIP)
        plain = await client.call(b"\x00" * 20_000_000)
        after = await client.call(BODY)

    assert bomb == Reply("INVALID_ARGUMENT", "the body is larger than 5000000 bytes")
    assert plain == Reply("INVALID_ARGUMENT", "the message is larger than 5000000 bytes")
    assert after == Reply("OK")
    assert REGISTRY.get_sample_value("tailrace_edge_inflight_bytes") == 0


async def test_a_projects_own_bound_of_a_body_holds_here_too(edge: EdgeUnderTest, client: GrpcClient) -> None:
    edge.store.quota = Quota(max_body_bytes=1000)
    large = encode_request("otlp-protobuf", make_span(attributes=make_attributes(text="x" * 2000)))

    assert (await client.call(large)).text == "the body is larger than 1000 bytes"
    assert (await client.call(BODY)).code == "OK"


async def test_at_its_quota_a_project_is_told_when_to_come_again_and_then_taken() -> None:
    edge = EdgeUnderTest()
    edge.store.quota = Quota(events_per_second=5)
    spans = [make_span(spanId=f"{n:016x}") for n in range(1, 71)]
    async with calling(edge.edge) as client:
        first = await client.call(encode_request("otlp-protobuf", *spans))
        refused = await client.call(BODY)
        by_http = await edge.post(OTLP, BODY, headers={"Content-Type": "application/x-protobuf"})
        assert refused.retry_seconds
        edge.now += refused.retry_seconds
        after = await client.call(BODY)

    assert first.limits == ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset")
    text = "the project's quota of 5 events a second is used up; send again later"
    assert refused == Reply("RESOURCE_EXHAUSTED", text, retry_seconds=int(by_http.headers["retry-after"]))
    assert by_http.status_code == 429, "a quota is that of both ways in"
    assert after.code == "OK"


async def test_while_the_log_is_away_nothing_is_acknowledged_and_the_sender_comes_again(
    edge: EdgeUnderTest, client: GrpcClient
) -> None:
    edge.publisher.away = True
    away = await client.call(BODY)
    edge.publisher.away = False

    assert away == Reply("UNAVAILABLE", "Kafka does not answer; try again", retry_seconds=2)
    assert (await client.call(BODY)).code == "OK"
    assert edge.publisher.events == 1


async def test_keys_that_cannot_be_checked_are_unavailable(edge: EdgeUnderTest, client: GrpcClient) -> None:
    edge.store.away = True

    reply = await client.call(BODY)

    assert reply == Reply("UNAVAILABLE", "the key cannot be checked now; try again", retry_seconds=2)


async def test_a_fault_of_ours_keeps_what_the_sender_has(edge: EdgeUnderTest, client: GrpcClient) -> None:
    edge.publisher.partitions = 0

    assert await client.call(BODY) == Reply("UNAVAILABLE", "something is wrong on our side")


async def test_bodies_of_both_ways_share_one_room() -> None:
    edge = EdgeUnderTest(max_inflight_bytes=1024)
    large = encode_request("otlp-protobuf", make_span(attributes=make_attributes(text="x" * 2000)))
    async with calling(edge.edge) as client:

        async def slow_body() -> AsyncGenerator[bytes]:
            yield b"{"
            replies.append(await client.call(large))
            replies.append(await client.call(large, key=full_key("b")))
            yield b"}"

        replies: list[Reply] = []
        headers = {"Authorization": full_key(), "Content-Type": "application/json"}
        await edge.client.post(OTLP, content=slow_body(), headers=headers)

    own, others = replies
    assert (own.code, own.retry_seconds) == ("RESOURCE_EXHAUSTED", 2)
    assert (others.code, others.retry_seconds) == ("UNAVAILABLE", 2)


async def test_calls_are_counted_as_requests_under_names_of_their_own(client: GrpcClient) -> None:
    def count(name: str, **labels: str) -> float:
        return REGISTRY.get_sample_value(name, {"endpoint": "otlp_grpc_traces", **labels}) or 0

    before = [
        count("tailrace_edge_requests_total", status="200"),
        count("tailrace_edge_accepted_events_total", project="project-a"),
        count("tailrace_edge_rejected_events_total", reason="unauthorized"),
    ]

    await client.call(BODY)
    await client.call(BODY, key="Basic")

    after = [
        count("tailrace_edge_requests_total", status="200"),
        count("tailrace_edge_accepted_events_total", project="project-a"),
        count("tailrace_edge_rejected_events_total", reason="unauthorized"),
    ]
    assert [late - early for early, late in zip(before, after, strict=True)] == [1, 1, 1]


async def answer_to(
    edge: EdgeUnderTest, *pieces: bytes, headers: dict[str, str] | None = None, method: str = "POST"
) -> Answer:
    """What is answered to a call whose bytes are these."""
    usual = {"content-type": "application/grpc", "authorization": full_key(), **(headers or {})}
    waiting = list(pieces)

    async def receive() -> dict[str, Any]:
        piece = waiting.pop(0) if waiting else b""
        return {"type": "http.request", "body": piece, "more_body": bool(waiting)}

    scope = {
        "type": "http",
        "method": method,
        "path": TRACES,
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in usual.items()],
    }
    return await grpc_handler(edge.edge)(scope, receive)


def frame(message: bytes, flag: int = 0) -> bytes:
    return bytes([flag]) + len(message).to_bytes(4) + message


def status_of(answer: Answer) -> str:
    return dict([*answer.headers, *answer.trailers])[b"grpc-status"].decode()


async def test_a_message_may_come_in_pieces_of_any_size(edge: EdgeUnderTest) -> None:
    framed = frame(BODY)

    answers = [
        await answer_to(edge, *[framed[at : at + size] for at in range(0, len(framed), size)])
        for size in (1, 4, 5, 6, 50)
    ]

    assert {status_of(answer) for answer in answers} == {"0"}
    assert {record.body for record in edge.publisher.records} == {BODY}


async def test_an_encoding_is_only_for_messages_that_are_compressed(edge: EdgeUnderTest) -> None:
    headers = {"grpc-encoding": "gzip"}

    plain = await answer_to(edge, frame(BODY), headers=headers)
    members = gzip.compress(BODY[:20]) + gzip.compress(BODY[20:])
    packed = await answer_to(edge, frame(members, 1), headers=headers)

    assert (status_of(plain), status_of(packed)) == ("0", "0")
    assert [record.body for record in edge.publisher.records] == [BODY, BODY]


@pytest.mark.parametrize(
    ("framed", "text"),
    [
        (b"", "got less than its length"),
        (b"\x00\x00\x00", "got less than its length"),
        (frame(BODY, 2), "got 2"),
        (frame(BODY)[:-3], f"one message of {len(BODY)} bytes, got 3 less"),
        (frame(BODY) + frame(BODY), "got more"),
        (frame(b"no gzip", 1), "zlib"),
        (frame(gzip.compress(BODY)[:-9], 1), "zlib"),
    ],
)
async def test_a_frame_that_is_none_is_an_invalid_argument(edge: EdgeUnderTest, framed: bytes, text: str) -> None:
    answer = await answer_to(edge, framed, headers={"grpc-encoding": "gzip"})

    assert status_of(answer) == "3"
    assert text in dict(answer.headers)[b"grpc-message"].decode()
    assert edge.publisher.records == []


async def test_an_encoding_that_is_unknown_is_unimplemented_and_the_known_ones_are_named(edge: EdgeUnderTest) -> None:
    answer = await answer_to(edge, frame(BODY, 1), headers={"grpc-encoding": "snappy"})

    assert status_of(answer) == "12"
    assert dict(answer.headers)[b"grpc-accept-encoding"] == b"identity,gzip,deflate"


async def test_a_length_beyond_the_bound_is_refused_before_the_message_comes(edge: EdgeUnderTest) -> None:
    answer = await answer_to(edge, b"\x00\xff\xff\xff\xff", *[b"x" * 1000] * 10)

    assert status_of(answer) == "3"
    assert b"larger than 67108864 bytes" in dict(answer.headers)[b"grpc-message"]


@pytest.mark.parametrize(
    ("content_type", "method"), [("application/json", "POST"), ("", "POST"), ("application/grpc", "GET")]
)
async def test_what_is_no_grpc_is_415(edge: EdgeUnderTest, content_type: str, method: str) -> None:
    answer = await answer_to(edge, b"{}", headers={"content-type": content_type}, method=method)

    assert answer.status == 415


async def test_a_message_in_json_is_unimplemented(edge: EdgeUnderTest) -> None:
    answer = await answer_to(edge, frame(json.dumps({}).encode()), headers={"content-type": "application/grpc+json"})

    assert status_of(answer) == "12"


async def test_a_reason_of_any_letters_is_readable(client: GrpcClient) -> None:
    reply = await client.call(BODY, headers={"x-langfuse-ingestion-version": "100%~"})

    assert reply.text.endswith("got '100%~'")
