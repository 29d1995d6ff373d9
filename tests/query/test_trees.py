from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx
import orjson
import pytest

from tests.query.seed import NOON, Seed, after

pytestmark = pytest.mark.integration


def path_of(trace_id: str) -> str:
    return f"/api/tailrace/v1/traces/{trace_id}/tree"


async def get(client: httpx.AsyncClient, trace_id: str, **params: Any) -> Any:
    """The JSON of a good answer."""
    response = await client.get(path_of(trace_id), params=params)
    assert response.status_code == 200, response.text
    return orjson.loads(response.content)


async def seed_tree(seed: Seed) -> None:
    await seed.trace(
        "t1",
        name="chat",
        user_id="ada",
        first_start=NOON,
        last_end=after(seconds=2),
        total_cost=Decimal("0.0030"),
        total_tokens=30,
        error_count=1,
        root_ended=True,
        input='"hello"',
        warnings=["usage of o2 was not counted"],
    )
    await seed.observation("root", "t1", end_time=after(seconds=2), input="[1]", metadata={"a": 1})
    await seed.observation(
        "call",
        "t1",
        type="GENERATION",
        parent_observation_id="root",
        start_time=after(seconds=1),
        end_time=after(milliseconds=1500),
        total_cost=Decimal("0.0030"),
        total_tokens=30,
        cost_details={"total": "0.0030"},
        level="ERROR",
        model="m",
    )
    await seed.observation(
        "agent", "t1", parent_observation_id="root", total_cost=Decimal(9), total_tokens=9, counted=False
    )


async def test_a_tree_has_the_trace_its_state_and_its_roots(client: httpx.AsyncClient, seed: Seed) -> None:
    await seed_tree(seed)

    body = await get(client, "t1")

    assert list(body) == ["trace", "state", "warnings", "roots"]
    assert body["state"] == "complete"
    assert body["warnings"] == ["usage of o2 was not counted"]
    trace = body["trace"]
    assert (trace["id"], trace["projectId"], trace["name"], trace["userId"]) == ("t1", seed.project_id, "chat", "ada")
    assert (trace["totalCost"], trace["totalTokens"], trace["latency"]) == ("0.003", 30, 2.0)
    assert (trace["observationCount"], trace["errorCount"]) == (3, 1)
    assert not {"input", "output", "metadata"} & trace.keys()
    [root] = body["roots"]
    assert list(root) == ["observation", "own", "subtree", "children"]
    assert root["own"] == {"cost": None, "tokens": 0, "latency": 2.0, "errors": 0, "depth": 0}
    assert root["subtree"] == {
        "cost": "0.003",
        "tokens": 30,
        "latency": 2.0,
        "errors": 1,
        "observations": 3,
        "depth": 2,
    }
    assert [child["observation"]["id"] for child in root["children"]] == ["agent", "call"]


async def test_a_node_shows_its_observation_without_bodies(client: httpx.AsyncClient, seed: Seed) -> None:
    await seed_tree(seed)

    [root] = (await get(client, "t1"))["roots"]

    agent, call = root["children"]
    assert (agent["own"]["cost"], agent["subtree"]["cost"], agent["observation"]["counted"]) == ("9", "0", False)
    assert call["own"] == {"cost": "0.003", "tokens": 30, "latency": 0.5, "errors": 1, "depth": 1}
    assert call["children"] == []
    assert call["observation"] == {
        "id": "call",
        "traceId": "t1",
        "startTime": "2026-11-21T12:00:01.000Z",
        "endTime": "2026-11-21T12:00:01.500Z",
        "projectId": seed.project_id,
        "parentObservationId": "root",
        "type": "GENERATION",
        "name": None,
        "level": "ERROR",
        "statusMessage": None,
        "version": None,
        "environment": "default",
        "completionStartTime": None,
        "model": "m",
        "modelParameters": None,
        "usageDetails": {},
        "costDetails": {"total": "0.003"},
        "promptId": None,
        "promptName": None,
        "promptVersion": None,
        "counted": True,
        "warnings": [],
    }


async def test_bodies_come_only_with_fields_io(client: httpx.AsyncClient, seed: Seed) -> None:
    await seed_tree(seed)

    body = await get(client, "t1", fields="io")

    assert body["trace"]["input"] == "hello"
    [root] = body["roots"]
    assert (root["observation"]["input"], root["observation"]["metadata"]) == ([1], {"a": 1})


async def test_repairs_are_said_in_warnings(client: httpx.AsyncClient, seed: Seed) -> None:
    await seed.trace("t1")
    await seed.observation("lost", "t1", parent_observation_id="never")
    await seed.observation("a", "t1", parent_observation_id="b", start_time=after(seconds=1))
    await seed.observation("b", "t1", parent_observation_id="a", start_time=after(seconds=2))
    await seed.observation("early", "t1", parent_observation_id="b", start_time=after(seconds=1))

    body = await get(client, "t1")

    assert [root["observation"]["id"] for root in body["roots"]] == ["lost", "a"]
    assert body["warnings"] == [
        "orphan: the parent never of observation lost is not known; it stands as a root",
        "cycle: the parents of observation a lead back to it; it was cut from b and stands as a root",
        "clock skew: observation early starts before its parent b",
    ]


@pytest.mark.parametrize(
    ("values", "state"),
    [
        ({"root_ended": False}, "open"),
        ({"root_ended": True, "last_received_at": after(minutes=59, seconds=30)}, "open"),
        ({"root_ended": True, "last_received_at": after(minutes=59)}, "complete"),
        ({"root_ended": True, "amended": True}, "amended"),
    ],
)
async def test_the_state_is_computed_at_read(
    client: httpx.AsyncClient, seed: Seed, values: dict[str, Any], state: str
) -> None:
    await seed.trace("t1", **values)

    body = await get(client, "t1")

    assert (body["state"], body["roots"], body["warnings"]) == (state, [], [])


@pytest.mark.parametrize("path", ["a/tree", "a%2Ftree"])
async def test_a_trace_id_may_hold_slashes(client: httpx.AsyncClient, seed: Seed, path: str) -> None:
    await seed.trace("a/tree")

    assert (await get(client, path))["trace"]["id"] == "a/tree"


async def test_an_unknown_trace_is_a_404(client: httpx.AsyncClient) -> None:
    response = await client.get(path_of("nobody"))

    assert (response.status_code, response.json()["error"]) == (404, "LangfuseNotFoundError")


async def seed_chain(seed: Seed, connection: Any, count: int) -> None:
    """A trace whose every observation is the child of the one before."""
    await seed.trace("t1", days=[NOON.date()])
    await connection.execute(
        """insert into observations (project_id, day, trace_id, id, partition, type, start_time, parent_observation_id, total_cost,
               stamps, created_at, updated_at)
           select $1, $2, 't1', 'o' || n, 0, 'SPAN', $3::timestamptz + n * interval '1 ms', case when n > 0 then 'o' || n - 1 end, 0.001,
               '{}', now(), now()
           from generate_series(0, $4 - 1) n""",
        seed.project_id,
        NOON.date(),
        NOON,
        count,
    )


async def test_a_chain_of_ten_thousand_is_answered_nested_and_flat(
    client: httpx.AsyncClient, seed: Seed, connection: Any
) -> None:
    await seed_chain(seed, connection, 10_000)

    nested = await client.get(path_of("t1"))
    flat = await get(client, "t1", shape="flat")

    assert nested.status_code == 200
    assert nested.text.count('"children":[{') == 9_999
    assert nested.text.endswith('"children":[' + "]}" * 10_001)
    assert (flat["roots"], len(flat["nodes"])) == (["o0"], 10_000)
    assert flat["nodes"][0]["subtree"] == {
        "cost": "10",
        "tokens": 0,
        "latency": timedelta(milliseconds=9_999).total_seconds(),
        "errors": 0,
        "observations": 10_000,
        "depth": 10_000,
    }
    assert flat["nodes"][9_998]["children"] == ["o9999"]
    assert flat["nodes"][9_999]["own"]["depth"] == 9_999
