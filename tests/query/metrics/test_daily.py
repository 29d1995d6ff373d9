"""GET /metrics/daily: UTC days with the figures of each model, counted pages, and the filters on the trace."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx
import orjson
import pytest

from tests.query.seed import NOON, Seed, after

pytestmark = pytest.mark.integration
PATH = "/api/public/metrics/daily"


async def days(client: httpx.AsyncClient, **params: Any) -> list[dict[str, Any]]:
    response = await client.get(PATH, params=params)
    assert response.status_code == 200, response.text
    return response.json()["data"]


async def seed_days(seed: Seed) -> None:
    """Yesterday: a trace of ada's with two models and a repeat. Today: one of bob's, and an observation of yesterday's trace."""
    yesterday = NOON - timedelta(days=1)
    await seed.trace("t1", timestamp=yesterday, name="chat", user_id="ada", tags=["x", "y"], environment="prod")
    await seed.trace("t2", name="search", user_id="bob", tags=["x"])
    used = {"model": "gpt", "input_tokens": 5, "output_tokens": 2, "total_tokens": 7, "total_cost": Decimal("0.1")}
    await seed.observation("a", "t1", start_time=yesterday, **used)
    await seed.observation("b", "t1", start_time=yesterday, **used | {"model": "opus", "total_cost": Decimal("0.20")})
    await seed.observation("c", "t1", start_time=yesterday, **used, counted=False)
    await seed.observation("d", "t1", start_time=yesterday)
    await seed.observation("e", "t1", start_time=after(hours=-12), **used)
    await seed.observation("f", "t2", environment="prod")


def usage(model: str, cost: float, observations: int = 1) -> dict[str, Any]:
    tokens = {"inputUsage": 5, "outputUsage": 2, "totalUsage": 7}
    return {"model": model, **tokens, "countTraces": 1, "countObservations": observations, "totalCost": cost}


async def test_a_day_has_the_figures_of_its_models_and_a_repeat_counts_as_an_observation_only(
    client: httpx.AsyncClient, seed: Seed
) -> None:
    await seed_days(seed)

    response = await client.get(PATH)

    assert orjson.loads(response.content) == {
        "data": [
            {
                "date": "2026-11-21",
                "countTraces": 1,
                "countObservations": 2,
                "totalCost": 0.1,
                "usage": [usage("gpt", 0.1)],
            },
            {
                "date": "2026-11-20",
                "countTraces": 1,
                "countObservations": 4,
                "totalCost": 0.3,
                "usage": [usage("opus", 0.2), usage("gpt", 0.1, observations=2)],
            },
        ],
        "meta": {"page": 1, "limit": 50, "totalItems": 2, "totalPages": 1},
    }


@pytest.mark.parametrize(
    ("params", "counts"),
    [
        ({"userId": "ada"}, [("2026-11-21", 0, 1), ("2026-11-20", 1, 4)]),
        ({"traceName": "search"}, [("2026-11-21", 1, 1)]),
        ({"tags": ["x", "y"]}, [("2026-11-21", 0, 1), ("2026-11-20", 1, 4)]),
        ({"tags": "x"}, [("2026-11-21", 1, 2), ("2026-11-20", 1, 4)]),
        ({"environment": "prod"}, [("2026-11-21", 0, 1), ("2026-11-20", 1, 0)]),
        ({"environment": ["prod", "default"]}, [("2026-11-21", 1, 2), ("2026-11-20", 1, 4)]),
        ({"fromTimestamp": "2026-11-21T00:00:00Z"}, [("2026-11-21", 1, 2)]),
        ({"toTimestamp": "2026-11-21T00:00:00Z"}, [("2026-11-20", 1, 4)]),
        ({"limit": 1, "page": 2}, [("2026-11-20", 1, 4)]),
        ({"userId": "nobody"}, []),
    ],
)
async def test_days_are_chosen_by_the_trace_by_time_and_by_page(
    client: httpx.AsyncClient, seed: Seed, params: dict[str, Any], counts: list[tuple[str, int, int]]
) -> None:
    await seed_days(seed)

    found = await days(client, **params)

    assert [(day["date"], day["countTraces"], day["countObservations"]) for day in found] == counts


@pytest.mark.parametrize("params", [{"limit": "101"}, {"page": "0"}, {"fromTimestamp": "x"}, {"toTimestamp": "1"}])
async def test_a_parameter_that_cannot_be_used_is_a_400_with_its_name(
    client: httpx.AsyncClient, params: dict[str, str]
) -> None:
    response = await client.get(PATH, params=params)

    assert (response.status_code, response.json()["error"][0]["path"]) == (400, [*params])
