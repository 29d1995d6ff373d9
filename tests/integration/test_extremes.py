"""Whatever a sender can write is stored or is its own dead letter: Postgres refuses nothing, and nothing of ours breaks."""

import json
import random
from typing import Any

import orjson
import pytest

from tailrace.wire.topics import RawHeaders
from tests.integration.partition import sum_law_differences
from tests.integration.worker import World, generation

pytestmark = pytest.mark.integration

_noise = random.Random(7)
AT = "2026-03-01T10:00:30Z"


def noise(size: int) -> str:
    """A text of so many bytes that no index can compress."""
    return "".join(chr(_noise.randrange(33, 126)) for _ in range(size)).replace("\\", "x").replace('"', "y")


def event(kind: str, body: dict[str, Any], *, event_id: str = "e", at: Any = AT) -> dict[str, Any]:
    return {"id": event_id, "type": kind, "timestamp": at, "body": body}


EXTREMES: dict[str, list[dict[str, Any]]] = {
    "longest ids": [
        event("generation-create", {"id": noise(800), "traceId": noise(800), "startTime": AT, "model": "gpt-4o"}),
        event("score-create", {"id": noise(800), "traceId": noise(800), "name": noise(900), "value": 1}),
    ],
    "long texts in every index": [
        event(
            "trace-create",
            {
                "id": "t",
                "name": noise(5000),
                "userId": noise(5000),
                "sessionId": noise(5000),
                "tags": [noise(5000) for _ in range(50)],
                "release": noise(5000),
                "version": noise(5000),
                "externalId": noise(5000),
            },
        ),
        event(
            "generation-create",
            {
                "id": "g",
                "traceId": "t",
                "startTime": AT,
                "name": noise(5000),
                "model": noise(5000),
                "parentObservationId": noise(5000),
                "statusMessage": noise(50_000),
                "version": noise(5000),
                "promptName": noise(5000),
                "promptVersion": 2**31,
                "usage": {"input": 10},
            },
        ),
        event(
            "score-create",
            {
                "id": "s",
                "traceId": noise(5000),
                "observationId": noise(5000),
                "sessionId": noise(5000),
                "name": noise(5000),
                "stringValue": noise(5000),
                "value": noise(5000),
                "dataType": "CATEGORICAL",
                "comment": noise(50_000),
                "configId": noise(5000),
                "queueId": noise(5000),
            },
        ),
    ],
    "first and last times": [
        event("generation-create", {"id": "a", "traceId": "t", "startTime": "0001-01-02T00:00:00Z", "endTime": AT}),
        event("generation-create", {"id": "b", "traceId": "t", "startTime": "9999-12-30T23:59:59.999999Z"}),
        event("generation-create", {"id": "c", "traceId": "t", "startTime": AT, "endTime": "0001-01-02T00:00:00Z"}),
        event("trace-create", {"id": "t", "timestamp": "0001-01-02T00:00:00+00:00"}, at="9999-12-30T23:59:59Z"),
    ],
    "times that drivers take for infinity": [
        event("generation-create", {"id": "a", "traceId": "t", "startTime": "0001-01-01T00:00:00Z"}),
        event("generation-create", {"id": "b", "traceId": "t", "startTime": "9999-12-31T23:59:59.999999Z"}),
        event("generation-create", {"id": "c", "traceId": "t", "startTime": "9999-12-31T00:00:00Z"}, at="bad"),
        event("trace-create", {"id": "t", "timestamp": "9999-12-31T23:59:59.999999Z"}),
        event("trace-create", {"id": "t"}, at="9999-12-31T23:59:59.999999Z"),
        event(
            "score-create", {"id": "s", "traceId": "t", "name": "n", "value": 1, "timestamp": "0001-01-01T00:00:00Z"}
        ),
        event("generation-create", {"id": "d", "traceId": "t", "startTime": AT}),
    ],
    "largest figures": [
        event(
            "generation-create",
            {
                "id": f"g{number}",
                "traceId": "t",
                "startTime": AT,
                "model": "gpt-4o",
                "usageDetails": {f"input_{key}": 10**12 for key in range(500)} | {"total": 2**63},
                "costDetails": {"total": 999_999_999_999_999_999, "input": 1e-30, "output": "0.1"},
            },
        )
        for number in range(20)
    ]
    + [
        event("score-create", {"id": f"s{number}", "traceId": "t", "name": "n", "value": value})
        for number, value in enumerate([1e308, -1e308, 5e-324, 2**70, -(2**63), 0.1])
    ],
    "what is no text": [
        event(
            "generation-create",
            {
                "id": "g\x00\ud800",
                "traceId": "t\x00",
                "startTime": AT,
                "name": "\x00\ud800\udfff",
                "input": {"\x00key": "\x00\ud800", "n": [2**70, 1e300, float("inf")]},
                "output": "\ud83d\x00",
                "metadata": {"\x00": "\ud800", "a": {"\x00": [1, {"b\x00": None}]}, "big": 10**400},
                "modelParameters": {"temperature": 10**400, "\x00": "\x00", "list": [1, 2]},
                "statusMessage": "\x00",
                "environment": "\x00",
                "level": "\x00",
                "usageDetails": {"in\x00put": 1, "\ud800": 2},
                "costDetails": {"\x00": 1.5},
            },
        ),
        event("trace-create", {"id": "t", "userId": "\x00", "sessionId": "\ud800", "tags": ["\x00", "\ud800", ""]}),
        event(
            "score-create", {"id": "s\x00", "traceId": "t", "name": "\x00", "value": "\x00", "dataType": "CATEGORICAL"}
        ),
    ],
    "deep and wide metadata": [
        event("trace-create", {"id": "t", "metadata": {f"k{number}": {"v": number} for number in range(3000)}}),
        event("trace-create", {"id": "t", "metadata": {f"k{number}": number for number in range(3000)}}, event_id="f"),
        event("span-create", {"id": "g", "traceId": "t", "startTime": AT, "metadata": {"a": {"a": {"a": {"a": {}}}}}}),
    ],
}


def _dump(events: list[dict[str, Any]]) -> bytes:
    """JSON as a careless sender writes it: escapes of anything, and Infinity."""
    return json.dumps({"batch": events}).encode()


@pytest.mark.parametrize("name", EXTREMES)
async def test_nothing_that_a_sender_can_write_is_refused_or_breaks_anything(world: World, name: str) -> None:
    events = EXTREMES[name]
    headers = RawHeaders("ingestion", "p" * 200, 1_772_366_400_000_000, len(events))  # pyright: ignore[reportArgumentType]
    world.topic.append_raw(dict(headers.encode()), _dump(events))
    world.topic.append_raw(dict(headers.encode()), _dump(events))
    world.topic.append([generation("next", "g")])
    async with world.worker().running(), world.sink().running():
        await world.all_applied()

    reasons = await world.pool.fetch("select distinct reason, detail from dead_letters")
    assert {row["reason"] for row in reasons} <= {"invalid_event"}, reasons
    accepted, applied, dead = await world.counts()
    assert (accepted, applied + dead) == (2 * len(events) + 1,) * 2
    assert set((await sum_law_differences(world.pool)).values()) == {0}


@pytest.mark.parametrize("name", EXTREMES)
async def test_what_was_loaded_again_is_what_was_kept(world: World, name: str) -> None:
    """Every extreme survives the way through Postgres back into memory: folding it once more changes no row."""
    events = EXTREMES[name]
    headers = RawHeaders("ingestion", "p", 1_772_366_400_000_000, len(events))  # pyright: ignore[reportArgumentType]
    world.topic.append_raw(dict(headers.encode()), _dump(events))
    async with world.worker().running(), world.sink().running():
        await world.all_applied()
    world.topic.append_raw(dict(headers.encode()), _dump(events))
    async with world.worker().running(), world.sink().running():
        await world.all_applied()

    resent = [record for record in world.assembled if record.origin == 1]
    written = {name: sum(len(getattr(record, name)) for record in resent) for name in ROWS}
    assert written == dict.fromkeys(ROWS, 0), orjson.dumps(written)


async def test_sums_of_tokens_stop_at_what_can_be_stored_and_bury_nobody(world: World) -> None:
    most, usage = 2**63 - 1, {"input": 10**12, "total": 10**12}
    world.topic.append([generation("t", "g0", usageDetails=usage)])
    async with world.worker().running(), world.sink().running():
        await world.all_applied()
    await world.pool.execute(
        "update cost_parts set total_tokens = $1, input_tokens = $1 where model is not null", most - 5
    )
    await world.pool.execute(
        """update traces set contributions = jsonb_set(jsonb_set(contributions, '{0,3}', $1::jsonb), '{0,5}', $1::jsonb),
                             total_tokens = $2, input_tokens = $2""",
        str(most - 5),
        most - 5,
    )
    world.topic.append([generation("t", "g1", usageDetails=usage), generation("t", "g2", usageDetails=usage)])
    world.topic.append([generation("t", "g3", "2026-03-01T10:01:30Z", usageDetails=usage)])
    world.topic.append([generation("u", "g4", usageDetails=usage)])
    async with world.worker().running(), world.sink().running():
        await world.all_applied()

    assert await world.counts() == (5, 5, 0)
    assert await world.pool.fetchval("select total_tokens from traces where id = 't'") == most
    assert await world.pool.fetchval("select max(total_tokens) from cost_parts") == most
    assert set((await sum_law_differences(world.pool)).values()) == {0}


ROWS = ("observations", "traces", "scores", "users", "sessions", "cost_parts", "trace_bodies", "observation_bodies")
