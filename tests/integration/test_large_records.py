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
