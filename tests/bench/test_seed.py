"""History that is copied is history as the product writes it: it can be read, and all sums are right."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from tests.bench import seed as seeder
from tests.bench.seed import NotEnoughDiskError, seed
from tests.load.stack import Stack, running_stack

pytestmark = pytest.mark.e2e

_a_copy = "select id, total_cost from traces where id not in (select id from pattern_traces) limit 1"


def test_copies_are_read_like_what_was_sent_and_the_laws_hold() -> None:
    with running_stack() as stack:
        asyncio.run(_check(stack))


async def _check(stack: Stack) -> None:
    assert await seed(stack, 5_000) == 4_000
    assert await seed(stack, 6_000) == 6_000
    connection = await stack.connect()
    copy: dict[str, Any] = dict(await connection.fetchrow(_a_copy) or {})
    copied = await connection.fetchval("select count(*) from traces where id not in (select id from pattern_traces)")
    assert copied == 400
    assert await connection.fetchval("select count(*) from only observations_default") == 0
    async with httpx.AsyncClient(base_url=stack.url, headers={"authorization": stack.authorization}) as client:
        trace = (await client.get(f"/api/public/traces/{copy['id']}")).json()
    assert len(trace["observations"]) == 10
    assert trace["totalCost"] == pytest.approx(float(copy["total_cost"]))
    assert json.loads(stack.tailrace("conservation", "--json"))["holds"] is True

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(seeder, "SPARE", 1e9)
        with pytest.raises(NotEnoughDiskError, match="GiB of disk"):
            await seed(stack, 10_000)
    assert await connection.fetchval("select count(*) from observations") == 6_000
    await connection.close()
