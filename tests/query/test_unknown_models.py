"""What has no price: models as they were sent, with what they used."""

from typing import Any

import asyncpg
import httpx
import pytest

from tests.query.seed import Seed, after

pytestmark = pytest.mark.integration

PATH = "/api/tailrace/v1/unknown-models"


@pytest.fixture
async def observed(seed: Seed, connection: "asyncpg.Connection[Any]") -> Seed:
    """Two unknown models, and observations that are of no unknown one."""
    await seed.trace("t")
    await seed.observation("a1", "t", model="mine/A", total_tokens=10)
    await seed.observation("a2", "t", model="mine/A", total_tokens=2**62, start_time=after(minutes=5))
    await seed.observation("a3", "t", model="mine/A", total_tokens=2**62, start_time=after(days=-40))
    await seed.observation("b1", "t", model="b")
    await seed.observation("known", "t", model="gpt-4o", model_id="gpt-4o")
    await seed.observation("paid", "t", model="b", total_cost=1)
    await seed.observation("repeated", "t", model="b", counted=False)
    await seed.observation("none", "t")
    other = Seed(connection)
    await other.project()
    await other.trace("t")
    await other.observation("foreign", "t", model="foreign")
    return seed


async def test_unknown_models_are_listed_with_what_they_used(client: httpx.AsyncClient, observed: Seed) -> None:
    found = (await client.get(PATH)).json()

    assert found["meta"] == {"page": 1, "limit": 50, "totalItems": 2, "totalPages": 1}
    assert found["data"] == [
        {
            "projectId": observed.project_id,
            "model": "mine/A",
            "observations": 2,
            "tokens": 2**62 + 10,
            "firstSeen": "2026-11-21T12:00:00.000Z",
            "lastSeen": "2026-11-21T12:05:00.000Z",
        },
        {
            "projectId": observed.project_id,
            "model": "b",
            "observations": 1,
            "tokens": 0,
            "firstSeen": "2026-11-21T12:00:00.000Z",
            "lastSeen": "2026-11-21T12:00:00.000Z",
        },
    ]


async def test_a_period_and_a_page_can_be_asked_for(client: httpx.AsyncClient, observed: Seed) -> None:
    whole = (await client.get(PATH, params={"from": "2026-01-01"})).json()["data"]
    early = (await client.get(PATH, params={"from": "2026-01-01", "to": "2026-11-01"})).json()["data"]
    second = (await client.get(PATH, params={"limit": 1, "page": 2})).json()
    beyond = (await client.get(PATH, params={"limit": 1, "page": 9})).json()

    assert [(one["model"], one["observations"], one["tokens"]) for one in whole] == [
        ("mine/A", 3, 2**63 + 10),
        ("b", 1, 0),
    ]
    assert [(one["model"], one["observations"]) for one in early] == [("mine/A", 1)]
    assert ([one["model"] for one in second["data"]], second["meta"]["totalPages"]) == (["b"], 2)
    assert (beyond["data"], beyond["meta"]["totalItems"]) == ([], 2)
