"""POST /api/public/otel/v1/traces: what is taken, what is refused, and where spans go."""

import json
from typing import Any

import pytest
from hypothesis import given

from tailrace.wire.otlp import OtlpKind, decode_spans
from tailrace.wire.topics import partition_of
from tests import payloads
from tests.edge.fakes import METRICS, OTLP, EdgeUnderTest
from tests.wire.json_strategies import OTLP_NAMES, json_values, otlp_requests, patient
from tests.wire.otlp_requests import OTHER_TRACE, TRACE, encode_request, make_attributes, make_span

CONTENT_TYPES: dict[OtlpKind, str] = {"otlp-protobuf": "application/x-protobuf", "otlp-json": "application/json"}
both_kinds = pytest.mark.parametrize("kind", list(CONTENT_TYPES))
PROTOBUF = {"Content-Type": "application/x-protobuf"}


def content_type(kind: OtlpKind) -> dict[str, str]:
    return {"Content-Type": CONTENT_TYPES[kind]}


@both_kinds
async def test_spans_of_one_trace_are_forwarded_as_they_came(edge: EdgeUnderTest, kind: OtlpKind) -> None:
    body = encode_request(kind, make_span(), make_span(spanId="00000000000000bb"))

    response = await edge.post(OTLP, body, headers=content_type(kind))

    assert (response.status_code, response.json()) == (200, {})
    (record,) = edge.publisher.records
    assert record.body == body
    assert (record.headers.kind, record.headers.events) == (kind, 2)
    assert record.partition == partition_of("project-a", TRACE, 8)


@both_kinds
async def test_spans_of_many_traces_go_to_the_partitions_of_their_traces(edge: EdgeUnderTest, kind: OtlpKind) -> None:
    edge.publisher.partitions = 1000
    spans = [make_span(traceId=f"{n:032x}", spanId=f"{n:016x}") for n in range(1, 20)]

    await edge.post(OTLP, encode_request(kind, *spans), headers=content_type(kind))

    assert edge.publisher.events == 19
    for record in edge.publisher.records:
        for span in decode_spans(kind, record.body):
            assert record.partition == partition_of("project-a", span.trace_id, 1000)


async def test_the_same_trace_of_two_encodings_goes_to_one_partition(edge: EdgeUnderTest) -> None:
    edge.publisher.partitions = 10_000
    for kind in CONTENT_TYPES:
        await edge.post(OTLP, encode_request(kind, make_span()), headers=content_type(kind))

    assert len({record.partition for record in edge.publisher.records}) == 1


@pytest.mark.parametrize("kind", ["application/x-protobuf; charset=utf-8", "APPLICATION/X-PROTOBUF"])
async def test_the_content_type_is_found_as_a_part(edge: EdgeUnderTest, kind: str) -> None:
    body = encode_request("otlp-protobuf", make_span())

    assert (await edge.post(OTLP, body, headers={"Content-Type": kind})).status_code == 200


@pytest.mark.parametrize("kind", ["", "text/plain", "application/grpc"])
async def test_another_content_type_is_400(edge: EdgeUnderTest, kind: str) -> None:
    response = await edge.post(OTLP, b"{}", headers={"Content-Type": kind})

    assert (response.status_code, response.json()) == (400, {"error": "Invalid content type"})


@pytest.mark.parametrize("version", ["4", "3", "0", "-1", ""])
async def test_a_known_ingestion_version_is_taken(edge: EdgeUnderTest, version: str) -> None:
    response = await edge.post(OTLP, b"{}", headers={"x-langfuse-ingestion-version": version})

    assert response.status_code == 200


@pytest.mark.parametrize("version", ["5", "4.0", "four", "99999999999999999999", "٤"])
async def test_another_ingestion_version_is_400(edge: EdgeUnderTest, version: str) -> None:
    headers: dict[Any, Any] = {"x-langfuse-ingestion-version": version.encode()}
    response = await edge.post(OTLP, b"{}", headers=headers)

    assert (response.status_code, response.json()["error"]) == (400, "InvalidRequestError")


@pytest.mark.parametrize(
    ("kind", "body"),
    [("otlp-protobuf", b""), ("otlp-json", b"{}"), ("otlp-json", b'{"resourceSpans": []}')],
)
async def test_an_empty_request_is_200_and_leaves_nothing_in_the_log(
    edge: EdgeUnderTest, kind: OtlpKind, body: bytes
) -> None:
    response = await edge.post(OTLP, body, headers=content_type(kind))

    assert (response.status_code, response.json()) == (200, {})
    assert edge.publisher.records == []


@both_kinds
@pytest.mark.parametrize("body", [b"\xff\xff\xff\xff", b"\x0a\x05ab"])
async def test_a_broken_body_is_400(edge: EdgeUnderTest, kind: OtlpKind, body: bytes) -> None:
    response = await edge.post(OTLP, body, headers=content_type(kind))

    assert response.status_code == 400
    assert list(response.json()) == ["error"]


@both_kinds
async def test_a_defect_of_one_span_refuses_the_whole_batch_and_is_named(edge: EdgeUnderTest, kind: OtlpKind) -> None:
    response = await edge.post(
        OTLP, encode_request(kind, make_span(), make_span(traceId="")), headers=content_type(kind)
    )

    assert response.status_code == 400
    assert "spans[1]" in response.json()["error"]
    assert edge.publisher.records == []


@both_kinds
async def test_a_span_that_is_too_large_is_left_out_and_said_so(kind: OtlpKind) -> None:
    edge = EdgeUnderTest(max_observation_bytes=10_000)
    large = make_span(attributes=make_attributes(text="x" * 20_000))

    response = await edge.post(OTLP, encode_request(kind, large, make_span()), headers=content_type(kind))

    assert response.status_code == 200
    assert response.json() == {
        "partialSuccess": {
            "rejectedSpans": 1,
            "errorMessage": "left out: 1 spans larger than an observation may be",
        }
    }
    assert edge.publisher.events == 1


async def test_a_batch_over_the_limit_is_413() -> None:
    edge = EdgeUnderTest(max_body_bytes=2000)

    response = await edge.post(OTLP, encode_request("otlp-json", *[make_span()] * 100))

    assert response.status_code == 413


@pytest.mark.parametrize("name", [rb"a\u0000b", rb"a\ud800b", b"a\xffb", rb"a\ud83d\ude80b"])
async def test_text_of_any_kind_is_taken_in_json(edge: EdgeUnderTest, name: bytes) -> None:
    body = encode_request("otlp-json", make_span(name="XX")).replace(b"XX", name)

    assert (await edge.post(OTLP, body)).status_code == 200
    assert json.loads(edge.publisher.records[0].body)


async def test_text_of_any_kind_is_taken_in_protobuf_as_it_came(edge: EdgeUnderTest) -> None:
    body = encode_request("otlp-protobuf", make_span(name="XXXX")).replace(b"XXXX", b"\xff\x00\xed\xa0")

    assert (await edge.post(OTLP, body, headers=PROTOBUF)).status_code == 200
    assert edge.publisher.records[0].body == body


async def test_a_resent_batch_is_taken_again(edge: EdgeUnderTest) -> None:
    body = encode_request("otlp-protobuf", make_span(), make_span())

    answers = [await edge.post(OTLP, body, headers=PROTOBUF) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert edge.publisher.events == 4


async def test_a_large_batch_is_taken_beside_others(edge: EdgeUnderTest) -> None:
    spans = [
        make_span(traceId=trace, spanId=f"{n:016x}", attributes=make_attributes(text="x" * 2000))
        for n, trace in enumerate([TRACE, OTHER_TRACE] * 300)
    ]

    assert (await edge.post(OTLP, encode_request("otlp-protobuf", *spans), headers=PROTOBUF)).status_code == 200
    assert edge.publisher.events == 600


async def test_metrics_are_taken_and_dropped(edge: EdgeUnderTest) -> None:
    response = await edge.post(METRICS, b"\xff whatever", headers=PROTOBUF)

    assert (response.status_code, response.json()) == (200, {})
    assert edge.publisher.records == []


@pytest.mark.parametrize("client", payloads.clients())
async def test_every_request_of_a_real_client_is_taken(edge: EdgeUnderTest, client: str) -> None:
    for request in payloads.recording_of(client).requests:
        response = await edge.post(request.path, request.body, headers=request.headers)

        answer: dict[str, Any] = response.json()
        assert response.status_code == request.status
        assert not answer.get("errors")
    assert edge.publisher.events > 0


@patient
@given(request=otlp_requests() | json_values(OTLP_NAMES))
async def test_no_json_is_ever_a_fault_of_ours(edge: EdgeUnderTest, request: Any) -> None:
    assert (await edge.post(OTLP, json.dumps(request).encode())).status_code in (200, 400)
