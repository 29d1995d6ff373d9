"""OTLP requests: what is refused, what a span decodes to in both encodings, how a request is divided."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tailrace.wire.otlp import OtlpError, OtlpKind, SpanData, SplitRule, decode_spans, split_request
from tests import payloads
from tests.wire.json_strategies import OTLP_NAMES, json_values, otlp_requests, patient
from tests.wire.otlp_requests import OTHER_TRACE, SPAN, TRACE, encode_request, make_attributes, make_span

KINDS: list[OtlpKind] = ["otlp-protobuf", "otlp-json"]
both_kinds = pytest.mark.parametrize("kind", KINDS)


def always_three(_: str) -> int:
    return 3


def by_last_character(trace_id: str) -> int:
    return ord(trace_id[-1])


ONE_PARTITION = SplitRule(always_three, max_span_bytes=16 * 1024 * 1024)


def by_first_digit(trace_id: str) -> int:
    return int(trace_id[0], 16)


def decode_one(kind: OtlpKind, **overrides: Any) -> SpanData:
    (span,) = decode_spans(kind, encode_request(kind, make_span(**overrides)))
    return span


@both_kinds
def test_a_span_decodes_to_the_same_plain_form_in_both_encodings(kind: OtlpKind) -> None:
    span = make_span(
        parentSpanId="00f067aa0ba902b7",
        kind=3,
        startTimeUnixNano="1750000000123456789",
        endTimeUnixNano="1750000001000000000",
        attributes=make_attributes(user__id="kim", public=True, count=2**60, share=0.5, tags=["a", "b"], empty=""),
        events=[
            {
                "name": "gen_ai.choice",
                "timeUnixNano": "1750000000500000999",
                "attributes": make_attributes(index=0),
            }
        ],
        status={"code": 2, "message": "timeout"},
    )
    body = encode_request(
        kind,
        span,
        resource={"attributes": make_attributes(service__name="shop")},
        scope={"name": "langfuse-sdk", "version": "5.0.4", "attributes": make_attributes(public_key="pk")},
    )

    (decoded,) = decode_spans(kind, body)

    assert decoded.resource == {"service.name": "shop"}
    assert decoded.scope == ("langfuse-sdk", "5.0.4", {"public_key": "pk"})
    assert (decoded.trace_id, decoded.span_id, decoded.parent_span_id) == (TRACE, SPAN, "00f067aa0ba902b7")
    assert (decoded.name, decoded.kind) == ("ask-model", 3)
    assert (decoded.start_us, decoded.end_us) == (1750000000123456, 1750000001000000)
    assert decoded.attributes == {
        "user.id": "kim",
        "public": True,
        "count": 2**60,
        "share": 0.5,
        "tags": ["a", "b"],
        "empty": "",
    }
    assert decoded.events == [("gen_ai.choice", {"index": 0}, 1750000000500000)]
    assert (decoded.status_code, decoded.status_message) == (2, "timeout")


@both_kinds
def test_what_the_sender_leaves_out_is_none_or_empty(kind: OtlpKind) -> None:
    span = decode_one(kind)

    assert (span.parent_span_id, span.start_us, span.end_us) == (None, None, None)
    assert (span.resource, span.attributes, span.events) == ({}, {}, [])


@both_kinds
def test_an_empty_parent_means_none(kind: OtlpKind) -> None:
    assert decode_one(kind, parentSpanId="").parent_span_id is None


@both_kinds
def test_key_value_lists_are_json_text_with_their_own_structure(kind: OtlpKind) -> None:
    pairs = {
        "kvlistValue": {"values": make_attributes(a=[1, "x"], b={"kvlistValue": {"values": make_attributes(c=0.5)}})}
    }

    assert json.loads(decode_one(kind, attributes=make_attributes(map=pairs)).attributes["map"]) == {
        "a": [1, "x"],
        "b": {"c": 0.5},
    }


def test_bytes_are_json_text_in_base64() -> None:
    raw = decode_one("otlp-protobuf", attributes=make_attributes(raw={"bytesValue": "hello"}))
    encoded = decode_one("otlp-json", attributes=make_attributes(raw={"bytesValue": "aGVsbG8="}))

    assert raw.attributes == encoded.attributes == {"raw": '"aGVsbG8="'}


@both_kinds
@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_a_number_that_is_none_stays_a_string(kind: OtlpKind, number: str) -> None:
    assert decode_one(kind, attributes=make_attributes(n={"doubleValue": number})).attributes == {"n": number}


@both_kinds
def test_an_attribute_without_a_value_is_left_out(kind: OtlpKind) -> None:
    assert decode_one(kind, attributes=make_attributes(nothing={}, something=1)).attributes == {"something": 1}


@both_kinds
def test_u0000_is_dropped_from_every_text(kind: OtlpKind) -> None:
    span = decode_one(
        kind, name="a\x00b", attributes=make_attributes(**{"k\x00": "v\x00"}), status={"code": 2, "message": "\x00m"}
    )

    assert (span.name, span.attributes, span.status_message) == ("ab", {"k": "v"}, "m")


def test_protobuf_text_that_is_not_utf8_is_replaced_and_never_fails() -> None:
    body = encode_request("otlp-protobuf", make_span(name="XXXX")).replace(b"XXXX", b"a\xff\xfeb")

    assert split_request("otlp-protobuf", body, ONE_PARTITION).parts[0].body == body
    assert next(decode_spans("otlp-protobuf", body)).name == "a\ufffd\ufffdb"


@pytest.mark.parametrize("name", [rb"a\ud800b", b"a\xffb"])
def test_json_text_that_is_not_unicode_is_replaced_and_never_fails(name: bytes) -> None:
    body = encode_request("otlp-json", make_span(name="XXXX")).replace(b"XXXX", name)

    (part,) = split_request("otlp-json", body, ONE_PARTITION).parts

    assert next(decode_spans("otlp-json", part.body)).name == "a\ufffdb"
    assert next(decode_spans("otlp-json", body)).name == "a\ufffdb"


def test_json_takes_64_bit_integers_as_numbers_or_strings() -> None:
    values = make_attributes(a={"intValue": 2**62}, b={"intValue": str(2**62)}, c={"intValue": 5.0})
    span = decode_one("otlp-json", startTimeUnixNano=1750000000000000000, attributes=values)

    assert span.start_us == 1750000000000000
    assert span.attributes == {"a": 2**62, "b": 2**62, "c": 5}


def test_json_takes_enumerations_as_names_too() -> None:
    named = make_span(kind="SPAN_KIND_CLIENT", status={"code": "STATUS_CODE_ERROR"})

    (span,) = decode_spans("otlp-json", encode_request("otlp-json", named))

    assert (span.kind, span.status_code) == (3, 2)


def test_json_ids_are_any_text_as_it_is() -> None:
    span = decode_one("otlp-json", traceId="My-Trace", spanId="My-Span")

    assert (span.trace_id, span.span_id) == ("My-Trace", "My-Span")


def test_a_json_value_that_is_nested_too_deep_is_its_own_text() -> None:
    value = '{"arrayValue":{"values":[' * 1500 + '{"intValue":1}' + "]}}" * 1500
    body = encode_request("otlp-json", make_span(attributes=make_attributes(deep="XXXX"))).replace(
        b'{"stringValue": "XXXX"}', value.encode()
    )

    (part,) = split_request("otlp-json", body, ONE_PARTITION).parts

    assert next(decode_spans("otlp-json", part.body)).attributes == {"deep": value}


def test_protobuf_that_is_nested_too_deep_is_refused() -> None:
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add(trace_id=b"t", span_id=b"s")
    inner = span.attributes.add(key="deep").value
    for _ in range(45):
        inner = inner.array_value.values.add()
    body = request.SerializeToString()
    assert next(decode_spans("otlp-protobuf", body)).attributes["deep"]

    for _ in range(20):
        inner = inner.array_value.values.add()

    with pytest.raises(OtlpError):
        split_request("otlp-protobuf", request.SerializeToString(), ONE_PARTITION)


@pytest.mark.parametrize("body", [b"", b"\x0a\x00"])
def test_an_empty_protobuf_request_has_no_parts(body: bytes) -> None:
    assert split_request("otlp-protobuf", body, ONE_PARTITION) == ([], {})


@pytest.mark.parametrize(
    "body", ["{}", '{"resourceSpans": null}', '{"resourceSpans": [{}]}', '{"resourceSpans":[{"scopeSpans":[{}]}]}']
)
def test_an_empty_json_request_has_no_parts(body: str) -> None:
    assert split_request("otlp-json", body.encode(), ONE_PARTITION) == ([], {})
    assert list(decode_spans("otlp-json", body.encode())) == []


@both_kinds
@pytest.mark.parametrize("body", [b"\xff\xff\xff", b"\x0a\xff", b"not json"])
def test_a_broken_body_is_refused(kind: OtlpKind, body: bytes) -> None:
    with pytest.raises(OtlpError):
        split_request(kind, body, ONE_PARTITION)


@pytest.mark.parametrize(("field", "named"), [("traceId", "traceId"), ("spanId", "spanId")])
@both_kinds
def test_a_span_without_an_id_refuses_the_batch_and_is_named(kind: OtlpKind, field: str, named: str) -> None:
    body = encode_request(kind, make_span(), make_span(**{field: ""}))

    with pytest.raises(OtlpError, match=rf"{named}.*spans\[1\]"):
        split_request(kind, body, ONE_PARTITION)


@pytest.mark.parametrize(
    ("overrides", "defect"),
    [
        ({"traceId": 5}, "traceId"),
        ({"traceId": None}, "traceId"),
        ({"spanId": {"data": [1]}}, "spanId"),
        ({"parentSpanId": 5}, "parentSpanId"),
        ({"attributes": {}}, "attributes"),
        ({"events": "x"}, "events"),
        ({"events": [{"attributes": 1}]}, "events"),
    ],
)
def test_a_json_span_of_a_wrong_shape_refuses_the_batch(overrides: dict[str, Any], defect: str) -> None:
    body = encode_request("otlp-json", make_span(), make_span(**overrides))

    with pytest.raises(OtlpError, match=rf"{defect}.*spans\[1\]"):
        split_request("otlp-json", body, ONE_PARTITION)


@pytest.mark.parametrize(
    ("body", "defect"),
    [
        ('{"resourceSpans": 5}', "resourceSpans"),
        ('{"resourceSpans": [{"scopeSpans": {}}]}', "scopeSpans"),
        ('{"resourceSpans": [{"scopeSpans": [{"spans": 1}]}]}', "spans"),
        ('{"resourceSpans": [{"resource": {"attributes": 1}}]}', "attributes"),
        ('{"resourceSpans": [{"scopeSpans": [{"scope": {"attributes": {}}}]}]}', "attributes"),
        ("[]", "object"),
    ],
)
def test_a_json_request_of_a_wrong_shape_is_refused(body: str, defect: str) -> None:
    with pytest.raises(OtlpError, match=defect):
        split_request("otlp-json", body.encode(), ONE_PARTITION)


@both_kinds
def test_a_request_for_one_partition_keeps_the_senders_bytes(kind: OtlpKind) -> None:
    body = encode_request(kind, make_span(), make_span(traceId=OTHER_TRACE))

    assert split_request(kind, body, ONE_PARTITION) == ([(3, body, 2)], {})


@both_kinds
def test_a_request_is_divided_by_trace_and_nothing_is_lost_or_changed(kind: OtlpKind) -> None:
    spans = [make_span(spanId=f"{n:016x}", traceId=TRACE if n % 2 else OTHER_TRACE) for n in range(6)]
    body = encode_request(
        kind,
        *spans,
        resource={"attributes": make_attributes(service__name="shop")},
        scope={"name": "s", "attributes": make_attributes(k="v")},
    )

    split = split_request(kind, body, SplitRule(by_first_digit, max_span_bytes=1 << 20))

    assert [(part.partition, part.spans) for part in split.parts] == [(1, 3), (0, 3)]
    for part in split.parts:
        assert {by_first_digit(span.trace_id) for span in decode_spans(kind, part.body)} == {part.partition}
    divided = [span for part in split.parts for span in decode_spans(kind, part.body)]
    assert sorted(divided, key=lambda span: span.span_id) == list(decode_spans(kind, body))


def test_dividing_protobuf_keeps_unknown_fields() -> None:
    unknown = b"\xa2\x06\x03abc"  # field 100
    whole = ExportTraceServiceRequest()
    resource_spans = whole.resource_spans.add()
    resource_spans.resource.MergeFromString(unknown)
    scope_spans = resource_spans.scope_spans.add()
    scope_spans.scope.MergeFromString(unknown)
    for number in range(2):
        span = scope_spans.spans.add(trace_id=bytes([number << 4]), span_id=b"s")
        span.MergeFromString(unknown)

    split = split_request("otlp-protobuf", whole.SerializeToString(), SplitRule(by_first_digit, max_span_bytes=1 << 20))

    assert [part.body.count(unknown) for part in split.parts] == [3, 3]


@both_kinds
def test_parts_are_no_larger_than_asked(kind: OtlpKind) -> None:
    spans = [make_span(spanId=f"{n:016x}", attributes=make_attributes(text="x" * 1000)) for n in range(20)]
    rule = SplitRule(always_three, max_span_bytes=1 << 20, part_bytes=5000)

    split = split_request(kind, encode_request(kind, *spans), rule)

    assert len(split.parts) > 4
    assert all(len(part.body) <= 5000 for part in split.parts)
    assert sum(part.spans for part in split.parts) == 20


@both_kinds
def test_parts_have_no_more_spans_than_asked(kind: OtlpKind) -> None:
    spans = [make_span(spanId=f"{n:016x}") for n in range(20)]
    rule = SplitRule(always_three, max_span_bytes=1 << 20, part_spans=6)

    split = split_request(kind, encode_request(kind, *spans), rule)

    assert [part.spans for part in split.parts] == [6, 6, 6, 2]
    ids = [span.span_id for part in split.parts for span in decode_spans(kind, part.body)]
    assert ids == [f"{n:016x}" for n in range(20)]


@both_kinds
def test_a_span_that_is_too_large_is_left_out_and_counted(kind: OtlpKind) -> None:
    large = make_span(spanId="00000000000000aa", attributes=make_attributes(text="x" * 5000))

    split = split_request(kind, encode_request(kind, make_span(), large), SplitRule(always_three, max_span_bytes=4000))

    assert split.rejected == {"observation_too_large": 1}
    assert [span.span_id for part in split.parts for span in decode_spans(kind, part.body)] == [SPAN]


@both_kinds
def test_large_resource_attributes_cannot_multiply_a_request(kind: OtlpKind) -> None:
    spans = [make_span(spanId=f"{n:016x}") for n in range(100)]
    resource = {"attributes": make_attributes(text="x" * 1_000_000)}
    rule = SplitRule(always_three, max_span_bytes=1 << 24, part_bytes=1_000_000)

    with pytest.raises(OtlpError, match="resource and scope attributes"):
        split_request(kind, encode_request(kind, *spans, resource=resource), rule)


@both_kinds
@pytest.mark.parametrize("field", ["traceId", "spanId"])
def test_a_span_whose_id_cannot_be_stored_is_left_out_and_counted(kind: OtlpKind, field: str) -> None:
    split = split_request(kind, encode_request(kind, make_span(), make_span(**{field: "ab" * 401})), ONE_PARTITION)

    assert split.rejected == {"id_too_long": 1}
    assert [part.spans for part in split.parts] == [1]


@pytest.mark.parametrize("field", ["traceId", "spanId"])
def test_an_id_in_json_is_counted_in_bytes(field: str) -> None:
    fits, too_long = make_span(**{field: "é" * 400}), make_span(**{field: "é" * 401})

    split = split_request("otlp-json", encode_request("otlp-json", fits, too_long), ONE_PARTITION)

    assert (split.rejected, [part.spans for part in split.parts]) == ({"id_too_long": 1}, [1])


@pytest.mark.parametrize("client", ["python-5", "python-4", "python-3", "js-5", "js-4", "otlp"])
def test_what_real_clients_send_is_taken_whole(client: str) -> None:
    for request in payloads.recording_of(client).requests:
        if "otel" not in request.path:
            continue
        kind: OtlpKind = "otlp-json" if "json" in request.headers["content-type"] else "otlp-protobuf"
        split = split_request(kind, request.decoded(), SplitRule(by_last_character, 1 << 24))
        spans = [span for part in split.parts for span in decode_spans(kind, part.body)]

        assert sum(part.spans for part in split.parts) == len(spans) > 0
        assert {span.trace_id for span in spans} <= set(payloads.recording_of(client).trace_ids)
        assert all(span.start_us and span.end_us and span.start_us <= span.end_us for span in spans)


@patient
@given(otlp_requests() | json_values(OTLP_NAMES))
def test_whatever_the_json_it_is_refused_or_every_span_decodes(request: Any) -> None:
    body = json.dumps(request).encode()
    rule = SplitRule(len, max_span_bytes=1 << 20)
    try:
        split = split_request("otlp-json", body, rule)
    except OtlpError:
        return
    for part in split.parts:
        assert len(list(decode_spans("otlp-json", part.body))) == part.spans


@patient
@given(st.binary(max_size=60))
def test_whatever_the_bytes_protobuf_is_refused_or_every_span_decodes(body: bytes) -> None:
    try:
        split = split_request("otlp-protobuf", body, SplitRule(len, 1 << 20))
    except OtlpError:
        return
    for part in split.parts:
        assert len(list(decode_spans("otlp-protobuf", part.body))) == part.spans
