"""Edges divide a quota by demand: the parts of all that know the same add up to the whole."""

import asyncio

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.edge.demand import ACTIVE_SECONDS, WINDOW_SECONDS, Demand
from tailrace.edge.exchange import Exchange, Told
from tests.fakes import Clock
from tests.stack import execute

rates = st.floats(0, 1e6).map(lambda rate: round(rate, 3))


def make_exchange(**work: float) -> Exchange:
    """An edge that took so much of each project a second."""
    demand = Demand(lambda: 0.0)
    for project, amount in work.items():
        demand.add(project, amount * WINDOW_SECONDS)
    return Exchange(demand)


@given(taken=st.lists(rates, min_size=1, max_size=6))
def test_the_shares_of_all_edges_add_up_to_one_and_none_is_nothing(taken: list[float]) -> None:
    edges = [make_exchange(shop=work) if work else make_exchange() for work in taken]
    for edge in edges:
        edge.hear([Told(offered=other.demand.rates) for other in edges if other is not edge])

    shares = [edge.share("shop") for edge in edges]

    assert sum(shares) == pytest.approx(1)
    assert min(shares) > 0


def test_an_edge_that_knows_of_no_other_has_all() -> None:
    assert make_exchange(shop=5).share("shop") == make_exchange().share("shop") == 1


def test_one_connection_to_one_of_many_edges_gets_nearly_the_whole_quota() -> None:
    edge = make_exchange(shop=100)
    edge.hear([Told(offered={})] * 9)

    assert edge.share("shop") > 0.95


def test_what_all_edges_know_is_added_up() -> None:
    edge = make_exchange(loud=99, quiet=1)
    edge.pace = (100, 50)
    edge.hear([Told(offered={"loud": 100.0, "idle": 0.0}, taken=80, applied=20)])

    assert edge.totals() == {"loud": 199, "quiet": 1, "idle": 0}
    assert edge.total("loud") == 199
    assert edge.total_pace() == (180, 70)


def test_a_project_is_active_for_a_while_after_its_last_event() -> None:
    clock = Clock(1000.0)
    demand = Demand(clock)
    demand.add("shop", 10)
    seen = [dict(demand.rates)]
    for clock.now in (1000 + ACTIVE_SECONDS, 1001 + ACTIVE_SECONDS):
        seen.append(dict(demand.rates))

    assert seen == [{"shop": 10 / WINDOW_SECONDS}, {"shop": 0}, {}]


def test_who_is_refused_because_it_is_slowed_is_no_quieter_for_that() -> None:
    demand = Demand(Clock(1000.0))
    for _ in range(5):
        demand.add("loud", 100)
        demand.refused("loud")

    assert demand.rates["loud"] == 1000 / WINDOW_SECONDS


def test_no_more_projects_are_known_than_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tailrace.edge.demand._MOST_PROJECTS", 3)
    demand = Demand(Clock(1000.0))
    for number in range(10):
        demand.add(f"p{number}", 1)

    assert set(demand.rates) == {"p7", "p8", "p9"}


@pytest.mark.integration
async def test_edges_hear_of_each_other_by_way_of_postgres_and_keep_to_it_while_it_is_away(postgres_dsn: str) -> None:
    one, other, stop = make_exchange(shop=30), make_exchange(shop=10), asyncio.Event()
    async with asyncpg.create_pool(postgres_dsn, min_size=1, max_size=3) as pool:
        running = [asyncio.create_task(edge.run(pool, stop)) for edge in (one, other)]
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


@pytest.mark.integration
async def test_edges_of_which_nothing_is_heard_for_long_are_forgotten_with_their_shares(
    postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tailrace.edge.exchange._FORGET_SECONDS", 0.1)
    monkeypatch.setattr("tailrace.edge.exchange.EXCHANGE_SECONDS", 0.05)
    edge, stop = make_exchange(shop=10), asyncio.Event()
    edge.hear([Told(offered={"shop": 990.0})])
    await execute(postgres_dsn, "alter table edges rename to gone")
    async with asyncpg.create_pool(postgres_dsn, min_size=1, max_size=1) as pool:
        running = asyncio.create_task(edge.run(pool, stop))
        async with asyncio.timeout(20):
            while edge.share("shop") < 1:  # noqa: ASYNC110 - it happens in the background
                await asyncio.sleep(0.05)
        stop.set()
        await running
