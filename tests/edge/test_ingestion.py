"""POST /api/public/ingestion: 207 with what became of each event."""

import json
from typing import Any

import pytest
from hypothesis import given

from tailrace.wire.events import decode_batch
from tailrace.wire.topics import partition_of
from tests.edge.fakes import INGESTION, EdgeUnderTest, scores_key
from tests.wire.json_strategies import EVENT_NAMES, batches, json_values, patient

AT = "2026-08-22T10:00:00.123Z"


def make_event(event_id: str = "event-1", kind: str = "span-create", **body: Any) -> dict[str, Any]:
    return {"id": event_id, "type": kind, "timestamp": AT, "body": {"id": "span-1", "traceId": "trace-1", **body}}


def make_score(event_id: str = "score-event") -> dict[str, Any]:
    return make_event(event_id, "score-create", id="score-1", name="tone", value=1)


async def test_every_good_event_is_a_success_under_its_own_id(edge: EdgeUnderTest) -> None:
    response = await edge.post(INGESTION, {"batch": [make_event("a"), make_score("b")], "metadata": {"x": 1}})

    assert response.status_code == 207
    assert response.json() == {"successes": [{"id": "a", "status": 201}, {"id": "b", "status": 201}], "errors": []}
    assert edge.publisher.events == 2
    assert {record.headers.kind for record in edge.publisher.records} == {"ingestion"}


async def test_events_go_to_the_partition_of_their_trace_or_score_as_they_came(edge: EdgeUnderTest) -> None:
    edge.publisher.partitions = 10_000
    events = [
        make_event("a"),
        make_event("b", "generation-update"),
        {"id": "c", "type": "trace-create", "timestamp": AT, "body": {"id": "trace-1"}},
        make_event("d", id="alone", traceId=None),
        make_score("e"),
    ]

    await edge.post(INGESTION, {"batch": events})

    found = {
        event.id: (record.partition, json.loads(event.raw))
        for record in edge.publisher.records
        for event in decode_batch(record.body).events
    }
    expected = ["trace-1", "trace-1", "trace-1", "alone", "score-1"]
    assert found == {
        event["id"]: (partition_of("project-a", entity, 10_000), event)
        for event, entity in zip(events, expected, strict=True)
    }


async def test_a_bad_event_is_an_error_and_its_neighbours_are_kept(edge: EdgeUnderTest) -> None:
    bad = make_event("bad", startTime="yesterday")

    response = await edge.post(INGESTION, {"batch": [make_event("good"), bad, 5]})

    assert response.status_code == 207
    assert response.json()["successes"] == [{"id": "good", "status": 201}]
    first, second = response.json()["errors"]
    assert (first["id"], first["status"], first["message"]) == ("bad", 400, "Invalid request data")
    assert "`$.body.startTime`" in first["error"]
    assert (second["id"], second["status"]) == ("unknown", 400)
    assert edge.publisher.events == 1


async def test_a_log_of_an_sdk_is_neither_a_success_nor_an_error_nor_kept(edge: EdgeUnderTest) -> None:
    response = await edge.post(INGESTION, {"batch": [make_event(kind="sdk-log", log="x")]})

    assert (response.status_code, response.json()) == (207, {"successes": [], "errors": []})
    assert edge.publisher.records == []


async def test_a_public_key_alone_may_only_bring_scores_and_logs(edge: EdgeUnderTest) -> None:
    batch = [make_event("span"), make_score("score"), make_event("log", "sdk-log")]

    response = await edge.post(INGESTION, {"batch": batch}, key=scores_key())

    assert response.status_code == 207
    assert response.json()["successes"] == [{"id": "score", "status": 201}]
    (error,) = response.json()["errors"]
    assert (error["id"], error["status"], error["message"]) == ("span", 401, "Authentication error")
    assert edge.publisher.events == 1


async def test_an_empty_batch_is_207_with_empty_lists(edge: EdgeUnderTest) -> None:
    response = await edge.post(INGESTION, {"batch": []})

    assert (response.status_code, response.json()) == (207, {"successes": [], "errors": []})


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"batch": 5}', b'"x"', b"\xff"])
async def test_what_is_no_batch_is_400(edge: EdgeUnderTest, body: bytes) -> None:
    response = await edge.post(INGESTION, body)

    assert response.status_code == 400
    assert response.json()["message"] == "Invalid request data"
    assert {"path", "message", "code"} <= response.json()["errors"][0].keys()


async def test_the_same_event_twice_is_taken_twice_and_a_resend_too(edge: EdgeUnderTest) -> None:
    for _ in range(2):
        response = await edge.post(INGESTION, {"batch": [make_event(), make_event()]})
        assert len(response.json()["successes"]) == 2

    assert edge.publisher.events == 4


async def test_deep_json_nul_surrogates_and_huge_integers_are_taken(edge: EdgeUnderTest) -> None:
    deep = "[" * 2000 + "]" * 2000
    event = f'{{"id":"e","type":"span-create","timestamp":"{AT}","body":{{"id":"s","input":{deep},"name":"a\\u0000\\ud800","metadata":{{"n":{10**30}}}}}}}'

    response = await edge.post(INGESTION, f'{{"batch":[{event}]}}'.encode())

    assert response.json() == {"successes": [{"id": "e", "status": 201}], "errors": []}
    (kept,) = decode_batch(edge.publisher.records[0].body).events
    assert kept.fields() == {"input": deep, "name": "a\ufffd", "metadata": {"n": 10**30}}


@patient
@given(request=batches() | json_values(EVENT_NAMES))
async def test_no_json_is_ever_a_fault_of_ours(edge: EdgeUnderTest, request: Any) -> None:
    assert (await edge.post(INGESTION, json.dumps(request).encode())).status_code in (207, 400)
