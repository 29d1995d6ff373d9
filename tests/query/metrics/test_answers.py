"""Every view, dimension, measure, aggregation, filter, time zone and order answers what plain Python over the same rows says."""

from datetime import datetime
from typing import Any

import asyncpg
import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.query.metrics.queries import ask, assert_same, queries
from tests.query.metrics.reference import Query, answer
from tests.query.metrics.worlds import worlds
from tests.query.seed import Seed, basic

pytestmark = pytest.mark.integration
QUERIES_OF_A_WORLD = 12
WITHOUT_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)
"""A world takes minutes to shrink, and the last query drawn is the one that failed."""


@settings(
    phases=WITHOUT_SHRINKING,
    max_examples=40,
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.large_base_example,
    ],
)
@given(data=st.data())
async def test_any_query_over_any_rows_is_answered_as_plain_python_answers_it(
    client: httpx.AsyncClient, connection: "asyncpg.Connection[Any]", data: st.DataObject
) -> None:
    world = data.draw(worlds())
    seed = Seed(connection)
    await seed.project()
    await world.write(seed)
    client.headers.update(basic(seed.public_key))

    for _ in range(QUERIES_OF_A_WORLD):
        query = data.draw(queries(world))
        assert_same(await ask(client, query), answer(world, query, granularity(query)))


def granularity(query: Query) -> str | None:
    """What the query's granularity stands for, by a rule told anew: at most 75 buckets, as fine as can be."""
    time: dict[str, Any] = query["timeDimension"] or {}
    asked: str | None = time.get("granularity")
    if asked != "auto":
        return asked
    first, last = (datetime.fromisoformat(query[name]) for name in ("fromTimestamp", "toTimestamp"))
    minutes = (last - first).total_seconds() / 60
    if minutes <= 75:
        return "minute"
    return "hour" if minutes <= 75 * 60 else "day"
