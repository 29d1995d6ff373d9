"""The raw log must be the one that Postgres knows: a log that is shorter, different or begins later stops its partition until an operator decides."""

import asyncio

import pytest
from prometheus_client import REGISTRY

from tests.fakes import RawTopic, eventually
from tests.integration.worker import World, generation

pytestmark = pytest.mark.integration


@pytest.fixture
async def known(world: World) -> World:
    """A world whose first three records are applied, with no process running."""
    for number in range(3):
        world.topic.append([generation("t", f"g{number}")])
    async with world.worker().running(), world.sink().running():
        await world.all_applied()
    return world


async def test_a_shorter_log_stops_the_partition(known: World) -> None:
    known.topic.records.pop()
    async with known.worker().running():
        assert await known.halted() == "the log ends at 2, but 2 is applied already: it is shorter than what was read"


async def test_a_log_that_begins_later_stops_the_partition(known: World) -> None:
    for number in range(3):
        known.topic.append([generation("t", f"h{number}")])
    known.topic.expire(5)
    async with known.worker().running():
        assert await known.halted() == "the log begins at 5, but only 2 is applied: records are lost"


async def test_a_log_with_another_record_at_the_applied_origin_stops_the_partition(known: World) -> None:
    known.topic.records.pop()
    known.topic.append([generation("t", "another")])
    known.topic.append([generation("t", "g3")])
    async with known.worker().running(), known.sink().running():
        assert await known.halted() == "the log has another record at 2 than the one that is applied"

    assert (await known.progress())["applied_origin"] == 2
    assert await known.counts() == (3, 3, 0)


async def test_a_log_that_was_never_read_and_has_lost_its_first_records_stops_the_partition(world: World) -> None:
    for number in range(3):
        world.topic.append([generation("t", f"g{number}")])
    world.topic.expire(2)
    async with world.worker().running():
        assert await world.halted() == "the log begins at 2, but only -1 is applied: records are lost"


async def test_a_log_that_has_expired_up_to_what_is_applied_is_the_same_log(known: World) -> None:
    known.topic.expire(3)
    async with known.worker().running(), known.sink().running():
        known.topic.append([generation("t", "g3")])
        await known.all_applied()


async def test_a_record_that_expires_before_it_could_be_compared_stops_nothing(known: World) -> None:
    worker = known.worker()
    worker.log.delivering = False
    async with worker.running(), known.sink().running():
        await eventually(lambda: worker.log.seeks == [2])
        known.topic.append([generation("t", "g3")])
        known.topic.expire(3)
        worker.log.delivering = True
        worker.log.wake()
        await known.all_applied()


async def test_a_log_that_is_replaced_under_a_running_owner_stops_the_partition(known: World) -> None:
    worker = known.worker()
    async with worker.running(), known.sink().running():
        known.topic.append([generation("t", "g3")])
        await known.all_applied()
        known.topic.records.clear()
        known.topic.append([generation("t", "of another log")])
        assert await known.halted() == "the log ends at 1, but 3 is applied already: it is shorter than what was read"


async def test_a_partition_that_stands_still_stays_so_for_every_owner_until_an_operator_resumes_it(
    known: World,
) -> None:
    log, known.topic = known.topic, RawTopic()
    async with known.worker().running():
        await known.halted()
    known.topic = log
    log.append([generation("t", "g3")])
    worker = known.worker()
    async with worker.running(), known.sink().running():
        await eventually(lambda: _halted_partitions() == 1)
        await asyncio.sleep(1.5)
        assert (await known.progress())["applied_origin"] == 2
        assert "until an operator" in worker.health.reasons["raw/0"]

        await known.pool.execute("update stream_progress set halted_reason = null")
        await known.all_applied()
        await eventually(lambda: _halted_partitions() == 0)
        assert worker.health.reasons == {}


def _halted_partitions() -> float | None:
    return REGISTRY.get_sample_value("tailrace_assembler_halted_partitions")
