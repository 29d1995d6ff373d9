"""POST /api/public/scores: one score, or a list of them."""

import json
from typing import Any

import httpx
import pytest
from hypothesis import given

from tailrace.wire.events import decode_scores
from tailrace.wire.topics import partition_of
from tests.edge.fakes import SCORES, EdgeUnderTest, full_key, scores_key
from tests.wire.json_strategies import EVENT_NAMES, json_values, patient


def make_score(**overrides: Any) -> dict[str, Any]:
    return {"id": "score-1", "name": "tone", "value": 0.5, "traceId": "trace-1", **overrides}


@pytest.mark.parametrize("key", [full_key(), scores_key()])
async def test_one_score_is_answered_with_its_id(edge: EdgeUnderTest, key: str) -> None:
    response = await edge.post(SCORES, make_score(), key=key)

    assert (response.status_code, response.json()) == (200, {"id": "score-1"})
    (record,) = edge.publisher.records
    assert (record.headers.kind, record.headers.events) == ("scores", 1)
    assert record.partition == partition_of("project-a", "score-1", 8)
    assert json.loads(record.body) == [make_score()]


async def test_a_score_without_an_id_is_given_one_that_a_resend_has_too(edge: EdgeUnderTest) -> None:
    answers = [await edge.post(SCORES, make_score(id=None)) for _ in range(2)]

    ids = {answer.json()["id"] for answer in answers}
    assert ids == {decode_scores(record.body).events[0].entity_id for record in edge.publisher.records}
    assert len(ids) == 1


@pytest.mark.parametrize(
    ("score", "path"),
    [
        (make_score(name=""), ["name"]),
        (make_score(value=None), ["value"]),
        (make_score(traceId=None), ["traceId"]),
        (make_score(sessionId="s"), ["traceId"]),
        (make_score(traceId=None, sessionId="s", observationId="o"), ["observationId"]),
        (make_score(value=2, dataType="BOOLEAN"), ["value"]),
        (make_score(value="", dataType="TEXT"), ["value"]),
        (make_score(dataType="OTHER"), ["dataType"]),
        (make_score(source="EVAL"), ["source"]),
        (make_score(timestamp="2026-01-01"), ["timestamp"]),
        (make_score(comment=5), ["comment"]),
    ],
)
async def test_an_invalid_score_is_400_with_its_issues(
    edge: EdgeUnderTest, score: dict[str, Any], path: list[str]
) -> None:
    response = await edge.post(SCORES, score)

    assert response.status_code == 400
    assert response.json()["message"] == "Invalid request data"
    (issue,) = response.json()["error"]
    assert issue["path"] == path
    assert issue.keys() == {"path", "message", "code"}
    assert edge.publisher.records == []


@pytest.mark.parametrize("body", [b"", b"5", b"null", b'"x"', b"{", b"[{}"])
async def test_what_is_no_score_at_all_is_400(edge: EdgeUnderTest, body: bytes) -> None:
    response = await edge.post(SCORES, body)

    assert response.status_code == 400
    assert isinstance(response.json()["error"], list)


async def test_a_list_of_good_scores_is_accepted(edge: EdgeUnderTest) -> None:
    edge.publisher.partitions = 10_000

    response = await edge.post(SCORES, [make_score(id="a"), make_score(id="b")])

    assert (response.status_code, response.json()) == (202, {"message": "Accepted"})
    assert {record.partition for record in edge.publisher.records} == {
        partition_of("project-a", "a", 10_000),
        partition_of("project-a", "b", 10_000),
    }


async def test_bad_scores_of_a_list_are_refused_and_the_others_kept(edge: EdgeUnderTest) -> None:
    response = await edge.post(SCORES, [make_score(id="a"), make_score(id="b", name=""), 5])

    assert response.status_code == 207
    answer = response.json()
    assert (answer["accepted"], answer["rejected"]) == (1, 2)
    assert [error["message"].partition(":")[0] for error in answer["errors"]] == ["b", "unknown"]
    assert edge.publisher.events == 1


@patient
@given(request=json_values(EVENT_NAMES))
async def test_no_json_is_ever_a_fault_of_ours(edge: EdgeUnderTest, request: Any) -> None:
    assert (await edge.post(SCORES, json.dumps(request).encode())).status_code in (200, 202, 207, 400)


async def delete(edge: EdgeUnderTest, path: str, key: str | None = None) -> httpx.Response:
    return await edge.client.delete(path, headers={"Authorization": key or full_key()})


async def test_a_deletion_is_a_record_of_the_scores_own_partition(edge: EdgeUnderTest) -> None:
    """Where the score is, there it is deleted, whatever comes before or after."""
    edge.publisher.partitions = 10_000

    response = await delete(edge, f"{SCORES}/score-1")

    assert (response.status_code, response.json()) == (202, {"message": "The score will be deleted"})
    (record,) = edge.publisher.records
    assert (record.headers.kind, record.headers.events, record.headers.project_id) == ("deletions", 1, "project-a")
    assert record.partition == partition_of("project-a", "score-1", 10_000)
    assert json.loads(record.body) == {"scores": ["score-1"]}


@pytest.mark.parametrize(
    ("path", "id_"), [("a/b", "a/b"), ("a%2Fb%20c", "a/b c"), ("a%00b", "ab"), ("%0A", "\n"), ("%C3%BC", "ü")]
)
async def test_an_id_in_a_path_may_be_any_text(edge: EdgeUnderTest, path: str, id_: str) -> None:
    assert (await delete(edge, f"{SCORES}/{path}")).status_code == 202
    assert json.loads(edge.publisher.records[0].body) == {"scores": [id_]}


@pytest.mark.parametrize("id_", ["", "%00", "x" * 801, "%C3%BC" * 401])
async def test_what_can_be_no_id_of_a_score_is_400(edge: EdgeUnderTest, id_: str) -> None:
    response = await delete(edge, f"{SCORES}/{id_}")

    assert (response.status_code, response.json()["error"]) == (400, "InvalidRequestError")
    assert edge.publisher.records == []


async def test_a_public_key_alone_deletes_nothing(edge: EdgeUnderTest) -> None:
    assert (await delete(edge, f"{SCORES}/score-1", scores_key())).status_code == 403
    assert (await delete(edge, f"{SCORES}/score-1", "Basic eDp5")).status_code == 401
    assert edge.publisher.records == []


async def test_while_the_log_takes_nothing_a_deletion_is_told_to_come_back(edge: EdgeUnderTest) -> None:
    edge.publisher.away = True

    response = await delete(edge, f"{SCORES}/score-1")

    assert (response.status_code, "Retry-After" in response.headers) == (503, True)
