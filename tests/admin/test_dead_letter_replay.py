"""Dead letters end to end: a fault of ours buries events, a mended release replays them, and no cent is missing or counted twice."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from tailrace.assembler import batch
from tailrace.assembler.mapping import Mapped, map_record
from tailrace.core.pricing import Price, PriceTable
from tailrace.wire.topics import RawHeaders
from tests.admin.conftest import Tailrace
from tests.admin.live import Live, open_live
from tests.events import make_events
from tests.integration.worker import generation

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("kafka_bootstrap")]


@pytest.fixture
async def live(tailrace: Tailrace, postgres_dsn: str, kafka_bootstrap: str, topic_prefix: str) -> AsyncGenerator[Live]:
    made = await asyncio.to_thread(tailrace, "topics")
    assert made.code == 0
    installation = await open_live(postgres_dsn, kafka_bootstrap, topic_prefix)
    yield installation
    await installation.pool.close()


async def test_events_that_a_bug_buried_are_replayed_after_the_fix(
    live: Live, tailrace: Tailrace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stumble(headers: RawHeaders, value: bytes) -> Mapped:
        if b"trace-4-3" in value:
            raise ZeroDivisionError
        return map_record(headers, value)

    events = make_events(4, traces=8)
    await live.send(events)
    with monkeypatch.context() as bug:
        bug.setattr(batch, "map_record", stumble)
        await live.settle()
    buried = await live.pool.fetchval("select count(*) from dead_letters where reason = 'internal_error'")
    assert buried > 0

    first = await _replay(tailrace, "--reason", "internal_error")
    await live.settle()
    rows = await live.rows()
    again = await _replay(tailrace, "--reason", "internal_error", "--again")
    await live.settle()

    assert first.startswith(f"replayed {buried} dead letters")
    assert again.startswith(f"replayed {buried} dead letters")
    assert await live.rows() == rows
    assert await live.pool.fetchval("select count(*) from traces") == 8
    assert await live.sum_law() == {0}
    counted = await live.pool.fetchrow(
        "select sum(accepted) as accepted, sum(applied) as applied, sum(dead_lettered) as dead from event_counts"
    )
    assert counted is not None
    assert counted["accepted"] == counted["applied"] + counted["dead"]
    assert (counted["dead"], counted["applied"]) == (buried, len(events) + buried)


async def test_a_price_that_failed_is_charged_once_after_the_fix(live: Live, tailrace: Tailrace) -> None:
    """A fold that fails takes its whole record along, and what it had in memory."""
    good, live.prices = live.prices, _Broken(live.prices)
    await live.send([generation("t1", "g1"), generation("t2", "g2", model="gpt-4o")], at_once=1)
    await live.settle()
    assert await live.pool.fetchval("select count(*) from observations") == 1
    live.prices = good

    replayed = await _replay(tailrace, "--all")
    await live.settle()

    assert "replayed 1 dead letters" in replayed
    assert await live.pool.fetchval("select count(*) from observations where total_cost > 0") == 2
    assert await live.sum_law() == {0}


class _Broken(PriceTable):
    """A price table that fails for one model."""

    def __init__(self, table: PriceTable) -> None:
        self._table = table
        self.version = table.version

    def match(self, model: str, at: Any) -> Price | None:
        if model == "gpt-4o":
            raise ZeroDivisionError
        return self._table.match(model, at)


async def _replay(tailrace: Tailrace, *arguments: str) -> str:
    outcome = await asyncio.to_thread(tailrace, "dead-letters", "replay", *arguments)
    assert outcome.code == 0, outcome.err
    return outcome.out
