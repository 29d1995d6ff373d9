"""Edges divide a quota by demand: the parts of all that know the same add up to the whole."""

import asyncio
import time

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.edge.demand import ACTIVE_SECONDS, Demand
from tailrace.edge.exchange import Exchange
from tests.stack import execute

rates = st.floats(0, 1e6).map(lambda rate: round(rate, 3))


def make_exchange(**work: float) -> Exchange:
    """An edge that took so much of each project in its last second."""
    demand = Demand(now=0)
    for project, amount in work.items():
        demand.add(project, amount)
    demand.read(1)
    return Exchange(demand)


@given(taken=st.lists(rates, min_size=1, max_size=6))
def test_the_shares_of_all_edges_add_up_to_one_and_none_is_nothing(taken: list[float]) -> None:
    edges = [make_exchange(shop=work) if work else make_exchange() for work in taken]
    for edge in edges:
        edge.hear([other.demand.rates for other in edges if other is not edge])

    shares = [edge.share("shop") for edge in edges]

    assert sum(shares) == pytest.approx(1)
    assert min(shares) > 0


def test_an_edge_that_knows_of_no_other_has_all() -> None:
    assert make_exchange(shop=5).share("shop") == make_exchange().share("shop") == 1


def test_one_connection_to_one_of_many_edges_gets_nearly_the_whole_quota() -> None:
    edge = make_exchange(shop=100)
    edge.hear([dict[str, float]()] * 9)

    assert edge.share("shop") > 0.95


def test_the_fair_share_is_that_of_all_active_projects_and_there_is_none_for_one_alone() -> None:
    alone, edge = make_exchange(loud=99), make_exchange(loud=99, quiet=1)
    edge.hear([{"loud": 100.0, "idle": 0.0, "till": 0.0}])

    assert alone.fair_share() is None
    assert edge.fair_share() == 200 / 4
    assert edge.total("loud") == 199


def test_a_project_is_active_for_a_while_after_its_last_event() -> None:
    demand = Demand(now=0)
    demand.add("shop", 10)
    demand.read(10)

    assert demand.read(10 + ACTIVE_SECONDS) == {"shop": 0}
    assert demand.read(11 + ACTIVE_SECONDS) == {}


@pytest.mark.integration
async def test_edges_hear_of_each_other_by_way_of_postgres_and_keep_to_it_while_it_is_away(postgres_dsn: str) -> None:
    one, other, stop = make_exchange(shop=30), make_exchange(shop=10), asyncio.Event()
    for edge in (one, other):
        edge.demand.add("shop", 100)
    async with asyncpg.create_pool(postgres_dsn, min_size=1, max_size=3) as pool:
        running = [asyncio.create_task(edge.run(pool, stop, time.time)) for edge in (one, other)]
        async with asyncio.timeout(20):
            while one.share("shop") == 1 or other.share("shop") == 1:  # noqa: ASYNC110 - it happens in the background
                await asyncio.sleep(0.05)
        await execute(postgres_dsn, "alter table edges rename to gone")
        shares = one.share("shop"), other.share("shop")
        await asyncio.sleep(2.5)
        assert not any(task.done() for task in running)
        stop.set()
        await asyncio.gather(*running)

    assert max(shares) < 1
    assert one.total("nowhere") == 0
