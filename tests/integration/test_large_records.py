"""A record that takes long is folded beside the event loop: the process goes on answering, and tells that it moves."""

import threading
import time
from datetime import datetime

import pytest

from tailrace.assembler import batch
from tailrace.assembler.mapping import Mapped, map_record
from tailrace.core.pricing import Price, PriceTable
from tailrace.wire.topics import RawHeaders
from tests.fakes import eventually
from tests.integration.partition import sum_law_differences
from tests.integration.worker import PRICES, World, generation

pytestmark = pytest.mark.integration


async def test_the_process_answers_while_a_large_record_is_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    entered, answered = threading.Event(), threading.Event()

    def read_for_long(headers: RawHeaders, payload: bytes) -> Mapped:
        entered.set()
        assert answered.wait(30)
        return map_record(headers, payload)

    monkeypatch.setattr(batch, "map_record", read_for_long)
    world.topic.append([generation("t", "g", input="x" * batch.ASIDE_BYTES)])
    async with world.worker().running(), world.sink().running():
        await eventually(entered.is_set)
        answered.set()
        await world.all_applied()

    assert await world.counts() == (1, 1, 0)


class SlowTable(PriceTable):
    """A price table with which each thousand of observations takes a minute."""

    def __init__(self, world: World) -> None:
        self.version = PRICES.version
        self.worker = world.worker(prices=self)
        self.matches = 0

    def match(self, model: str, at: datetime) -> Price | None:
        self.matches += 1
        if not self.matches % 1_000:
            time.sleep(0.5)
            self.worker.clock.now += 59
        return PRICES.match(model, at)


async def test_a_record_that_takes_minutes_is_no_stall(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    table = SlowTable(world)
    stalls: list[str] = []
    observe = table.worker.health.report_progress

    def note(consumer: str, *, position: int, lagging: bool) -> None:
        observe(consumer, position=position, lagging=lagging)
        stalls.extend(table.worker.health.stalled())

    monkeypatch.setattr(table.worker.health, "report_progress", note)
    world.topic.append([generation(f"t{number % 10}", f"g{number}") for number in range(4_000)])
    async with table.worker.running(), world.sink().running():
        await world.all_applied(seconds=60)

    assert table.worker.clock.now > 180
    assert stalls == []
    assert await world.counts() == (4_000, 4_000, 0)


@pytest.mark.parametrize("keys", [1, 3, 100])
async def test_a_record_that_touches_much_that_is_stored_loads_it_in_several_reads(
    world: World, monkeypatch: pytest.MonkeyPatch, keys: int
) -> None:
    monkeypatch.setattr(batch, "LOADED_KEYS", keys)
    async with world.worker().running(), world.sink().running():
        world.topic.append([generation(f"t{number % 3}", f"g{number}", input="a question") for number in range(10)])
        await world.all_applied()
    later = [generation(f"t{number % 3}", f"g{number}", usage={"input": 2_000}) for number in range(10)]
    async with world.worker().running(), world.sink().running():
        world.topic.append([{**event, "id": f"later-{event['id']}"} for event in later])
        await world.all_applied()

    assert await world.pool.fetchval("select sum(observation_count)::int from traces") == 10
    assert await world.pool.fetchval("select sum(input_tokens)::int from observations") == 20_000
    assert await world.pool.fetchval("select count(*)::int from observation_bodies where input = 'a question'") == 10
    assert set((await sum_law_differences(world.pool)).values()) == {0}
