"""What versions of a prompt cost, take and score: against figures worked out by hand."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import httpx
import pytest

from tests.query.conftest import api_client
from tests.query.prompts import create
from tests.query.seed import NOON, Seed, after

pytestmark = pytest.mark.integration

PATH = "/api/tailrace/v1/prompts/greet/metrics"


async def measure(client: httpx.AsyncClient, path: str = PATH, **asked: Any) -> list[dict[str, Any]]:
    response = await client.get(path, params=asked)
    assert response.status_code == 200, response.text
    return response.json()["data"]


async def linked(seed: Seed, id_: str, trace_id: str = "t", version: int = 1, **values: Any) -> None:
    """A generation of one second that costs a cent."""
    start = values.pop("start_time", NOON)
    row: dict[str, Any] = {
        "type": "GENERATION",
        "prompt_name": "greet",
        "prompt_version": version,
        "start_time": start,
        "end_time": start + timedelta(seconds=values.pop("seconds", 1)),
        "total_cost": Decimal("0.01"),
        "input_tokens": 10,
        "output_tokens": 2,
        "total_tokens": 12,
    }
    await seed.observation(id_, trace_id, **(row | values))


async def test_cost_tokens_latency_and_errors_by_version(client: httpx.AsyncClient, seed: Seed) -> None:
    made = await create(client, labels=["production"])
    await seed.trace("t")
    for n, (cost, seconds) in enumerate([("0.019", 1), ("0.021", 2), ("0.02", 3), (None, 4)]):
        amount = None if cost is None else Decimal(cost)
        await linked(seed, f"a{n}", total_cost=amount, seconds=seconds, level="ERROR" if n == 3 else "DEFAULT")
    await linked(seed, "agent", counted=False, total_cost=Decimal(5), end_time=None, start_time=after(minutes=1))
    await linked(seed, "b", version=2)
    await seed.observation("other", "t", type="GENERATION", prompt_name="greet2", prompt_version=1)

    second, first = await measure(client)

    mean, half = 0.02, 4.302653 * 0.001 / 3**0.5
    bounds = [float(first["cost"].pop(bound)) for bound in ("low", "high")]
    assert bounds == pytest.approx([mean - half, mean + half], rel=1e-6)
    assert first["cost"] == {"total": "0.06", "n": 3, "mean": "0.02"}
    assert first["tokens"] == {"input": 40, "output": 8, "total": 48}
    assert first["latency"] == {"n": 4, "p50": 2.5, "p75": 3.25, "p90": 3.7, "p95": 3.85, "p99": 3.97}
    assert (first["errors"]["n"], first["errors"]["rate"]) == (1, 0.2)
    assert (first["errors"]["low"], first["errors"]["high"]) == pytest.approx((0.0362, 0.6245), abs=0.0001)
    assert (first["version"], first["n"], first["promptId"], first["labels"]) == (
        1,
        5,
        made["id"],
        ["production", "latest"],
    )
    assert (first["firstSeen"], first["lastSeen"]) == ("2026-11-21T12:00:00.000Z", "2026-11-21T12:01:00.000Z")
    assert (second["version"], second["n"], second["promptId"], second["labels"]) == (2, 1, None, [])
    assert second["cost"] == {"total": "0.01", "n": 1, "mean": "0.01", "low": None, "high": None}


async def test_scores_of_observations_and_of_their_traces_by_kind(client: httpx.AsyncClient, seed: Seed) -> None:
    for trace in ("t1", "t2"):
        await seed.trace(trace)
        await linked(seed, f"{trace}-a", trace)
        await linked(seed, f"{trace}-b", trace)
        await seed.observation(f"{trace}-x", trace)
        await seed.score(f"{trace}-whole", trace_id=trace, value=0.5 if trace == "t1" else 0.7)
    for n, value in enumerate((1.0, 2.0, 4.0)):
        await seed.score(f"own{n}", trace_id="t1", observation_id="t1-a", value=value)
    await seed.score("not-ours", trace_id="t1", observation_id="t1-x", value=99)
    for n, value in enumerate((1, 1, 0, 1)):
        await seed.score(f"b{n}", trace_id="t2", observation_id="t2-b", name="ok", data_type="BOOLEAN", value=value)
    for n, word in enumerate(("good", "bad", "good")):
        values: dict[str, Any] = {"data_type": "CATEGORICAL", "value": 0, "string_value": word, "source": "EVAL"}
        await seed.score(f"c{n}", trace_id="t2", name="tone", **values)
    await seed.score("text", trace_id="t2", name="words", data_type="TEXT", value=0, string_value="long")

    [found] = await measure(client)

    scores = {(one["name"], one["target"]): one for one in found["scores"]}
    assert set(scores) == {("quality", "observation"), ("quality", "trace"), ("ok", "observation"), ("tone", "trace")}
    own, whole = scores["quality", "observation"], scores["quality", "trace"]
    assert (own["n"], own["dataType"], own["source"]) == (3, "NUMERIC", "API")
    assert own["mean"] == pytest.approx(7 / 3)
    assert own["high"] - own["mean"] == pytest.approx(4.302653 * (7 / 3) ** 0.5 / 3**0.5, rel=1e-5)
    assert (whole["n"], whole["mean"]) == (2, pytest.approx(0.6))
    assert whole["high"] - whole["mean"] == pytest.approx(12.7062 * 0.02**0.5 / 2**0.5, rel=1e-4)
    boolean = scores["ok", "observation"]
    assert (boolean["n"], boolean["mean"]) == (4, 0.75)
    assert (boolean["low"], boolean["high"]) == pytest.approx((0.3006, 0.9544), abs=0.0001)
    tone = scores["tone", "trace"]
    assert (tone["n"], tone["source"]) == (3, "EVAL")
    assert [(each["category"], each["n"], round(each["rate"], 3)) for each in tone["categories"]] == [
        ("bad", 1, 0.333),
        ("good", 2, 0.667),
    ]


async def test_the_period_is_from_its_beginning_to_before_its_end(client: httpx.AsyncClient, seed: Seed) -> None:
    await seed.trace("t")
    for hours in (0, 1, 2):
        await linked(seed, f"h{hours}", start_time=after(hours=hours))

    async def counted(**asked: Any) -> list[int]:
        return [one["n"] for one in await measure(client, **asked)]

    assert await counted() == [3]
    assert await counted(**{"from": "2026-11-21T13:00:00Z"}) == [2]
    assert await counted(to="2026-11-21T13:00:00Z") == [1]
    assert await counted(**{"from": "2026-11-21T13:00:00Z", "to": "2026-11-21T14:00:00Z"}) == [1]
    assert (await client.get(PATH, params={"from": "soon"})).status_code == 400
    assert (await client.get(PATH, params={"from": "0001-01-01", "to": "9999-12-31"})).json()["data"][0]["n"] == 3


async def test_a_prompt_that_nobody_knows_is_404_and_one_without_observations_has_no_figures(
    client: httpx.AsyncClient, seed: Seed
) -> None:
    await create(client, "a/metrics")

    assert await measure(client, "/api/tailrace/v1/prompts/a%2Fmetrics/metrics") == []
    assert await measure(client, "/api/tailrace/v1/prompts/a/metrics/metrics") == []
    for name in ("none", "x" * 3000):
        response = await client.get(f"/api/tailrace/v1/prompts/{name}/metrics")
        assert (response.status_code, response.json()["error"]) == (404, "LangfuseNotFoundError")


async def test_names_that_are_alike_for_three_hundred_characters_are_two(client: httpx.AsyncClient, seed: Seed) -> None:
    await seed.trace("t")
    for end in ("a", "b"):
        await linked(seed, end, prompt_name="x" * 300 + end)

    assert [one["n"] for one in await measure(client, f"/api/tailrace/v1/prompts/{'x' * 300}a/metrics")] == [1]


async def test_figures_as_large_as_they_can_be_are_no_error(client: httpx.AsyncClient, seed: Seed) -> None:
    await seed.trace("t")
    for n in range(3):
        await linked(
            seed, f"o{n}", total_cost=Decimal(10) ** 60 * (n + 1), input_tokens=2**63 - 1, total_tokens=2**63 - 1
        )
        await seed.score(f"s{n}", trace_id="t", observation_id=f"o{n}", value=1.7e308 * (-1) ** n)

    [found] = await measure(client)

    assert found["cost"]["total"] == str(6 * 10**60)
    assert found["tokens"] == {"input": 2**63 - 1, "output": 6, "total": 2**63 - 1}
    assert found["scores"][0]["n"] == 3


async def test_another_projects_observations_and_scores_do_not_count(
    client: httpx.AsyncClient, seed: Seed, module_postgres_dsn: str, connection: "asyncpg.Connection[Any]"
) -> None:
    other = Seed(connection)
    await other.project()
    for one in (seed, other):
        await one.trace("t")
        await linked(one, "same")
    await other.score("theirs", trace_id="t", observation_id="same")

    [found] = await measure(client)
    assert (found["n"], found["scores"]) == (1, [])
    async with api_client(module_postgres_dsn, other) as stranger:
        assert (await measure(stranger))[0]["scores"][0]["n"] == 1
