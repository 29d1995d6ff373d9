"""During a rolling deploy, records of a later release reach processes of this one: they wait, say why, and bury nothing."""

import orjson
import pytest

from tailrace.wire.topics import RAW_VERSION
from tests.fakes import TOPICS, eventually
from tests.integration.test_sink_consumer import Process
from tests.integration.worker import World, generation

pytestmark = pytest.mark.integration


async def test_an_assembler_stands_before_a_record_of_a_later_release_and_buries_nothing(world: World) -> None:
    """What lies before it is applied; once a process reads it, all goes on."""
    world.topic.append([generation("t", "g0")])
    now = world.topic.append([generation("t", "g1")])
    later = world.topic.records.pop()
    newer = world.topic.append_raw(
        {**later.headers, "v": b"%d" % (RAW_VERSION + 1), "kind": b"a kind to come"}, later.value
    )
    world.topic.append([generation("t", "g2")])
    worker = world.worker()
    async with worker.running(), world.sink().running():

        async def stands() -> bool:
            return (await world.progress())["applied_origin"] == 0 and "raw/0" in worker.health.reasons

        await eventually(stands)
        assert worker.health.reasons["raw/0"] == (
            f"expected a raw record of version {RAW_VERSION} or less, got one of version {RAW_VERSION + 1}: a later release wrote it"
        )
        assert worker.health.stalled() == []
    assert await world.counts() == (1, 1, 0)

    world.topic.records[newer.offset] = now
    async with world.worker().running(), world.sink().running():
        await world.all_applied()
    assert await world.counts() == (3, 3, 0)


async def test_a_sink_stands_before_a_record_of_a_later_release_and_applies_what_lies_before_it(world: World) -> None:
    async with world.worker().running():
        for span in ("g0", "g1", "g2"):
            world.topic.append([generation("t", span)])
        await eventually(lambda: len(world.assembled) == 3)
    topic = world.topics[TOPICS.assembled]
    now = topic[1]
    topic[1] = orjson.dumps({**orjson.loads(now), "version": 2})
    epoch = (await world.progress())["epoch"]
    process = Process(world)
    async with process.running():

        async def stands() -> bool:
            return (await world.progress())["applied_origin"] == 0 and "assembled/0" in process.health.reasons

        await eventually(stands)
        process.clock.now += 120
        assert process.health.stalled() == []
        assert (await world.progress())["epoch"] == epoch
        topic[1] = now
        await world.all_applied()
        await eventually(lambda: process.health.ready)
    assert await world.counts() == (3, 3, 0)
