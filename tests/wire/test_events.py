"""Batch events and scores: what each says, what is refused one by one, and what never harms a neighbour."""

import json
from typing import Any

import pytest
from hypothesis import given

from tailrace.wire.events import (
    MAX_EVENTS,
    Batch,
    EnvelopeError,
    Event,
    EventError,
    decode_batch,
    decode_scores,
    encode_batch,
    encode_scores,
)
from tests import payloads
from tests.wire.json_strategies import EVENT_NAMES, batches, json_values, patient

AT = "2026-08-22T10:00:00.123Z"
AT_US = 1787392800123000


def make_event(**overrides: Any) -> dict[str, Any]:
    return {"id": "event-1", "type": "span-create", "timestamp": AT, "body": {"id": "span-1"}, **overrides}


def make_score(**overrides: Any) -> dict[str, Any]:
    return {"id": "score-1", "name": "tone", "value": 1, "traceId": "trace-1", **overrides}


def decode_events(*events: Any) -> Batch:
    return decode_batch(json.dumps({"batch": events}).encode())


def decode_event(**overrides: Any) -> Event:
    batch = decode_events(make_event(**overrides))
    assert batch.errors == []
    return batch.events[0]


def error_of_event(**overrides: Any) -> EventError:
    batch = decode_events(make_event(**overrides))
    assert batch.events == []
    return batch.errors[0]


def fields_of_score(**overrides: Any) -> dict[str, Any]:
    return decode_event(type="score-create", body=make_score(**overrides)).fields()


def error_of_score(**overrides: Any) -> str:
    return error_of_event(type="score-create", body=make_score(**overrides)).error


def test_an_event_says_what_its_body_says_in_plain_form() -> None:
    body = {
        "id": "gen-1",
        "traceId": "trace-1",
        "name": None,
        "startTime": "2026-08-22T12:00:00+02:00",
        "input": {"a": 1},
        "output": "text",
        "metadata": {"k": [1, 2**60]},
        "model": "gpt-4o",
        "modelParameters": {"temperature": 0.5},
        "usageDetails": {"input": 5},
        "start_time": "junk of an old SDK",
    }

    event = decode_event(type="generation-create", body=body)

    assert (event.id, event.kind, event.entity_id, event.partition_id) == ("event-1", "observation", "gen-1", "trace-1")
    assert event.at_us == AT_US
    assert event.fields() == {
        "trace_id": "trace-1",
        "name": None,
        "start_time": 1787392800000000,
        "input": '{"a": 1}',
        "output": "text",
        "metadata": {"k": [1, 2**60]},
        "model": "gpt-4o",
        "model_parameters": '{"temperature": 0.5}',
        "usage_details": {"input": 5},
    }


def test_an_event_keeps_the_senders_bytes() -> None:
    data = b'{"batch": [ {"body" : {"id":"s", "input": 1.50}, "id":"e","timestamp":"2026-01-01T00:00:00Z","type":"span-create"} ]}'

    (event,) = decode_batch(data).events

    assert event.raw == data[12:-3]
    assert decode_batch(encode_batch([event])).events[0].raw == event.raw


@pytest.mark.parametrize("word", ["event", "span", "generation", "agent", "tool", "chain", "retriever", "evaluator"])
def test_every_observation_type_has_a_create_event(word: str) -> None:
    assert decode_event(type=f"{word}-create").kind == "observation"


@pytest.mark.parametrize("kind", ["span-update", "generation-update", "observation-update", "observation-create"])
def test_updates_speak_of_observations(kind: str) -> None:
    assert decode_event(type=kind).kind == "observation"


def test_an_observation_without_a_trace_is_its_own_trace() -> None:
    assert decode_event(body={"id": "span-1", "traceId": None}).partition_id == "span-1"


@pytest.mark.parametrize(("kind", "body"), [("trace-create", {"name": "n"}), ("score-create", make_score(id=None))])
def test_a_missing_id_of_a_trace_or_score_is_the_events(kind: str, body: dict[str, Any]) -> None:
    event = decode_event(type=kind, body=body)

    assert event.entity_id == event.partition_id == "event-1"


def test_an_observation_needs_an_id() -> None:
    assert error_of_event(body={"name": "n"}).error == "Object missing required field `id` - at `$.body`"


def test_a_log_of_an_sdk_is_only_acknowledged() -> None:
    assert decode_events(make_event(type="sdk-log", body={"log": "text"})) == ([], [], ["event-1"])


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        ({"timestamp": "2026-08-22T10:00:00"}, "timezone"),
        ({"timestamp": "yesterday"}, "`$.timestamp`"),
        ({"timestamp": 5}, "`$.timestamp`"),
        ({"timestamp": None}, "`$.timestamp`"),
        ({"timestamp": "0001-01-01T00:00:00+14:00"}, "years 1 to 9999"),
        ({"type": "dataset-run-item-create"}, "known event type"),
        ({"type": 5}, "`$.type`"),
        ({"body": None}, "`$.body`"),
        ({"body": [1]}, "`$.body`"),
        ({"body": {"id": ""}}, "`$.body.id`"),
        ({"body": {"id": 5}}, "`$.body.id`"),
        ({"body": {"id": "a\rb"}}, "carriage return"),
        ({"body": {"id": "a" * 801}}, "`$.body.id`"),
        ({"body": {"id": "s", "name": 5}}, "`$.body.name`"),
        ({"body": {"id": "s", "startTime": "2026-08-22"}}, "`$.body.startTime`"),
        ({"body": {"id": "s", "endTime": "0001-01-01T00:00:00+14:00"}}, "`$.body.endTime`"),
        ({"body": {"id": "s", "usage": 5}}, "`$.body.usage`"),
        ({"body": {"id": "s", "promptName": "p"}}, "promptName and promptVersion"),
        ({"body": {"id": "s", "promptVersion": 1}}, "promptName and promptVersion"),
        ({"type": "trace-create", "body": {"name": "n" * 1001}}, "`$.body.name`"),
        ({"type": "trace-create", "body": {"tags": "a"}}, "`$.body.tags`"),
        ({"type": "trace-create", "body": {"public": 1}}, "`$.body.public`"),
    ],
)
def test_a_bad_event_is_refused_with_its_reason_and_harms_no_neighbour(overrides: dict[str, Any], reason: str) -> None:
    batch = decode_events(make_event(id="good-1"), make_event(id="bad", **overrides), make_event(id="good-2"))

    assert [event.id for event in batch.events] == ["good-1", "good-2"]
    assert [error.id for error in batch.errors] == ["bad"]
    assert reason in batch.errors[0].error


@pytest.mark.parametrize("event", [5, None, [], {}, {"id": 5}, {"id": ""}, {"id": "a\rb"}, {"id": "a" * 801}])
def test_an_event_without_a_usable_id_is_unknown(event: Any) -> None:
    assert [error.id for error in decode_events(event).errors] == ["unknown"]


@pytest.mark.parametrize(
    ("data", "path"),
    [
        (b"[]", []),
        (b"{}", []),
        (b'{"batch": 5}', ["batch"]),
        (b'{"batch": null}', ["batch"]),
        (b"", []),
        (b'{"batch": [', []),
    ],
)
def test_what_is_not_a_batch_is_refused_whole(data: bytes, path: list[str]) -> None:
    with pytest.raises(EnvelopeError) as caught:
        decode_batch(data)

    assert [issue.path for issue in caught.value.issues] == [path]


def test_an_empty_batch_is_empty() -> None:
    assert decode_batch(b'{"batch": [], "metadata": {}}') == ([], [], [])


@pytest.mark.parametrize(
    ("name", "read"),
    [
        (rb"a\u0000b", "ab"),
        (rb"a\\u0000b", r"a\u0000b"),
        (rb"\ud800", "\ufffd"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (rb"\ud83d\ude80", "🚀"),
    ],
)
def test_text_that_cannot_be_stored_is_cleaned_and_never_fails(name: bytes, read: str) -> None:
    data = json.dumps({"batch": [make_event(body={"id": "XX", "name": "XX", "input": {"XX": "XX"}})]}).encode()

    (event,) = decode_batch(data.replace(b"XX", name)).events

    assert event.entity_id == event.fields()["name"] == read
    assert json.loads(event.fields()["input"]) == {read: read}


def test_numbers_that_are_none_become_strings_and_large_ones_stay_exact() -> None:
    body = b'{"id":"s","metadata":{"a":NaN,"b":-Infinity,"c":1e999,"d":123456789012345678901234567890,"e":1%b}}' % (
        b"0" * 5000
    )
    event = b'{"id":"e","type":"span-create","timestamp":"2026-01-01T00:00:00Z","body":%b}' % body

    metadata = decode_batch(b'{"batch":[%b]}' % event).events[0].fields()["metadata"]

    assert metadata == {
        "a": "NaN",
        "b": "-Infinity",
        "c": "1e999",
        "d": 123456789012345678901234567890,
        "e": "1" + "0" * 5000,
    }


@pytest.mark.parametrize("levels", [150, 250, 1000, 20_000])
def test_deep_json_is_opaque_text(levels: int) -> None:
    deep = "[" * levels + "]" * levels
    event = '{"id":"e","type":"span-create","timestamp":"2026-01-01T00:00:00Z","body":{"id":"s","input":%s,"metadata":{"k":%s}}}'

    (decoded,) = decode_batch(f'{{"batch":[{event % (deep, deep)}]}}'.encode()).events
    (again,) = decode_batch(encode_batch([decoded])).events

    assert decoded.fields()["input"] == again.fields()["input"] == deep
    metadata = again.fields()["metadata"]
    assert metadata == f'{{"k":{deep}}}' if levels > 200 else json.dumps(metadata["k"]) == deep


def test_json_deeper_than_any_text_is_refused() -> None:
    with pytest.raises(EnvelopeError, match="levels"):
        decode_batch(b'{"batch":' + b"[" * 200_000)


@pytest.mark.parametrize(
    ("score", "stored"),
    [
        ({"value": 0.5}, ("NUMERIC", 0.5, None, None)),
        ({"value": -3, "dataType": "NUMERIC"}, ("NUMERIC", -3.0, None, None)),
        ({"value": 1, "dataType": "BOOLEAN"}, ("BOOLEAN", 1.0, "True", None)),
        ({"value": 0.0, "dataType": "BOOLEAN"}, ("BOOLEAN", 0.0, "False", None)),
        ({"value": "good"}, ("CATEGORICAL", 0.0, "good", None)),
        ({"value": "good", "dataType": "CATEGORICAL"}, ("CATEGORICAL", 0.0, "good", None)),
        ({"value": "t" * 500, "dataType": "TEXT"}, ("TEXT", 0.0, "t" * 500, None)),
        ({"value": "x" * 900, "dataType": "CORRECTION", "name": None}, ("CORRECTION", 0.0, None, "x" * 900)),
    ],
)
def test_a_score_is_stored_by_its_data_type(score: dict[str, Any], stored: tuple[Any, ...]) -> None:
    fields = fields_of_score(**score)

    assert (fields["data_type"], fields["value"], fields["string_value"], fields["long_string_value"]) == stored
    assert fields["source"] == "API"
    assert fields["name"] == ("output" if stored[0] == "CORRECTION" else "tone")


@pytest.mark.parametrize(
    ("score", "reason"),
    [
        ({"name": ""}, "`$.body.name`"),
        ({"name": None}, "`$.body.name`"),
        ({"value": None}, "`$.body.value`"),
        ({"value": True}, "`$.body.value`"),
        ({"value": [1]}, "`$.body.value`"),
        ({"value": 10**400}, "double"),
        ({"value": "1", "dataType": "NUMERIC"}, "number"),
        ({"value": 2, "dataType": "BOOLEAN"}, "0 or 1"),
        ({"value": True, "dataType": "BOOLEAN"}, "0 or 1"),
        ({"value": "1", "dataType": "BOOLEAN"}, "0 or 1"),
        ({"value": 1, "dataType": "CATEGORICAL"}, "string"),
        ({"value": "", "dataType": "TEXT"}, "1 to 500 characters"),
        ({"value": "t" * 501, "dataType": "TEXT"}, "1 to 500 characters"),
        ({"value": 1, "dataType": "CORRECTION"}, "string"),
        ({"value": 1, "dataType": "OTHER"}, "`$.body.dataType`"),
        ({"value": "x", "dataType": "CORRECTION", "traceId": None, "sessionId": "s"}, "CORRECTION"),
        ({"value": "x", "dataType": "CORRECTION", "configId": "c"}, "CORRECTION"),
        ({"traceId": None}, "exactly one of traceId, sessionId and datasetRunId, got none"),
        ({"traceId": ""}, "got none"),
        ({"sessionId": "s"}, "got traceId and sessionId"),
        ({"datasetRunId": "r"}, "got traceId and datasetRunId"),
        ({"traceId": None, "sessionId": "s", "observationId": "o"}, "traceId with an observationId"),
        ({"source": "ANNOTATION"}, "configId for an ANNOTATION"),
        ({"source": "HUMAN"}, "`$.body.source`"),
        ({"timestamp": "2026-08-22T10:00:00"}, "timezone"),
        ({"id": ""}, "`$.body.id`"),
    ],
)
def test_a_score_that_breaks_a_rule_is_refused_with_it(score: dict[str, Any], reason: str) -> None:
    assert reason in error_of_score(**score)


@pytest.mark.parametrize(
    "score",
    [
        {"observationId": "o"},
        {"traceId": None, "sessionId": "s"},
        {"traceId": "", "datasetRunId": "r"},
        {"source": "ANNOTATION", "configId": "c"},
        {"source": "ANNOTATION", "dataType": "CORRECTION", "value": "x"},
        {"source": "EVAL"},
    ],
)
def test_a_score_that_keeps_the_rules_is_taken(score: dict[str, Any]) -> None:
    assert fields_of_score(**score)["value"] in (0.0, 1.0)


def test_posted_scores_come_one_or_many() -> None:
    one = decode_scores(json.dumps(make_score()).encode())
    many = decode_scores(json.dumps([make_score(id="a"), make_score(id="b", value=None)]).encode())

    assert ([event.entity_id for event in one.events], one.errors, one.is_list) == (["score-1"], [], False)
    assert ([event.entity_id for event in many.events], [error.id for error in many.errors]) == (["a"], ["b"])
    assert many.is_list
    assert "`$.value`" in many.errors[0].error


def test_a_posted_score_speaks_at_its_own_time_or_at_none() -> None:
    times = decode_scores(json.dumps([make_score(), make_score(timestamp=AT)]).encode())

    assert [event.at_us for event in times.events] == [None, AT_US]


def test_a_posted_score_without_an_id_has_one_of_its_content_always_the_same() -> None:
    data = json.dumps([make_score(id=None), make_score(id=None, value=2)]).encode()

    first, second = decode_scores(data).events
    again = decode_scores(encode_scores([first])).events[0]

    assert first.entity_id == again.entity_id != second.entity_id
    assert len(first.entity_id) == 32


@pytest.mark.parametrize("space", [b"", b" ", b"\r\n\t"])
def test_white_space_around_a_score_without_an_id_is_no_part_of_its_content(space: bytes) -> None:
    data = space + json.dumps(make_score(id=None)).encode() + space

    (sent,) = decode_scores(data).events
    (received,) = decode_scores(encode_scores([sent])).events

    assert (received.entity_id, received.partition_id) == (sent.entity_id, sent.partition_id)


@pytest.mark.parametrize(
    ("id_", "fits"), [("a" * 800, True), ("a" * 801, False), ("é" * 400, True), ("é" * 401, False)]
)
def test_an_id_is_counted_in_bytes(id_: str, fits: bool) -> None:
    as_event = decode_events(make_event(body={"id": id_}))
    as_trace = decode_events(make_event(body={"id": "s", "traceId": id_}))
    as_own_id = decode_events(make_event(type="trace-create", id=id_, body={}))
    as_score = decode_scores(json.dumps([make_score(id=id_)]).encode())

    assert {len(found.events) for found in (as_event, as_trace, as_own_id, as_score)} == {int(fits)}
    assert {len(found.errors) for found in (as_event, as_trace, as_own_id, as_score)} == {int(not fits)}


def test_only_batches_may_bring_scores_of_evaluators() -> None:
    data = json.dumps(make_score(source="EVAL")).encode()

    assert decode_scores(data).errors[0].error == "expected API or ANNOTATION, got EVAL - at `$.source`"
    assert decode_scores(data, eval_allowed=True).errors == []


@pytest.mark.parametrize("data", [b"5", b'"x"', b"null", b"", b"{", b"[1"])
def test_what_is_no_score_at_all_is_refused(data: bytes) -> None:
    with pytest.raises(EnvelopeError):
        decode_scores(data)


@pytest.mark.parametrize("client", ["python-2", "python-3", "python-4", "js-3", "js-4", "js-5"])
def test_what_real_clients_send_in_batches_is_taken_whole(client: str) -> None:
    requests = [one for one in payloads.recording_of(client).requests if one.path.endswith("/ingestion")]
    for request in requests:
        batch = decode_batch(request.decoded())
        assert batch.errors == []
        assert len(batch.events) == len(request.json()["batch"])
        assert all(event.fields() for event in batch.events)
    assert requests


@pytest.mark.parametrize("client", ["python-5", "otlp"])
def test_what_real_clients_send_as_scores_is_taken_whole(client: str) -> None:
    requests = [one for one in payloads.recording_of(client).requests if one.path.endswith("/scores")]
    for request in requests:
        scores = decode_scores(request.decoded())
        assert scores.errors == []
        assert {event.fields()["name"] for event in scores.events} <= {"tone", "helpfulness"}
    assert requests


@patient
@given(batches() | json_values(EVENT_NAMES))
def test_whatever_the_json_every_event_is_refused_or_has_fields(request: Any) -> None:
    try:
        batch = decode_batch(json.dumps(request).encode())
    except EnvelopeError:
        return
    assert len(batch.events) + len(batch.errors) + len(batch.logs) == len(request["batch"])
    again = decode_batch(encode_batch(batch.events))
    assert [event.fields() for event in again.events] == [event.fields() for event in batch.events]


@patient
@given(json_values(EVENT_NAMES))
def test_whatever_the_json_every_score_is_refused_or_has_fields(request: Any) -> None:
    try:
        scores = decode_scores(json.dumps(request).encode())
    except EnvelopeError:
        return
    assert all(event.fields()["data_type"] for event in scores.events)


def test_more_events_than_one_request_may_hold_are_refused_together() -> None:
    for data in (b'{"batch":[' + b"1," * MAX_EVENTS + b"1]}", b'{"batch":[' + b"1," * MAX_EVENTS + rb'"\u0000"]}'):
        with pytest.raises(EnvelopeError, match="expected at most 50000 events in one request, got 50001"):
            decode_batch(data)
    with pytest.raises(EnvelopeError, match="expected at most 50000"):
        decode_scores(b"[" + b"1," * MAX_EVENTS + b"1]")
