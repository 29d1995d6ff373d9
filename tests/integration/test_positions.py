"""Positions, rule by rule, over a real Postgres with every fault placed by hand: epochs, fences, gaps, sends and commits."""

import asyncio
import random
from collections.abc import Sequence

import pytest

from tailrace.assembler.sender import Message
from tests.events import make_events
from tests.fakes import TOPICS, eventually
from tests.integration.partition import read_everything, sum_law_differences
from tests.integration.worker import World, generation

pytestmark = pytest.mark.integration


async def test_every_raw_record_also_an_empty_or_dead_one_yields_exactly_one_assembled_record(world: World) -> None:
    worker = world.worker()
    async with worker.running(), world.sink().running():
        world.topic.append([generation("t", "g")])
        world.topic.append([])
        world.topic.append([{"id": "e", "type": "generation-create", "body": {"id": "g"}}])
        world.topic.append_raw({}, b"no headers")
        world.topic.append_raw(dict(world.topic.records[0].headers), b"\xff\xfe not json")
        await world.all_applied()

    assert [(record.previous, record.origin) for record in world.assembled] == [
        (-1, 0),
        (0, 1),
        (1, 2),
        (2, 3),
        (3, 4),
    ]
    assert {letter.reason for record in world.assembled for letter in record.dead_letters} == {
        "invalid_event",
        "unknown_record_kind",
        "invalid_payload",
    }


async def test_a_new_epoch_has_a_higher_number_and_an_owner_never_used_before(world: World) -> None:
    worker = world.worker()
    await world.pool.execute("update stream_progress set epoch = 9000000000000")
    async with worker.running():
        await eventually(lambda: worker.log.seeks == [0])
        first = await world.progress()
        await worker.assembler.assign([])
        await worker.assembler.assign([0])
        await eventually(lambda: worker.log.seeks == [0, 0])
        second = await world.progress()

    assert 9_000_000_000_000 < first["epoch"] < second["epoch"]
    assert first["owner"] != second["owner"]


async def test_a_partition_that_is_not_assigned_any_more_is_not_taken(world: World) -> None:
    worker = world.worker()
    worker.log.assigned = False
    async with worker.running():
        await asyncio.sleep(0.2)
        assert (await world.progress())["owner"] is None
        worker.log.assigned = True
        await eventually(lambda: worker.log.seeks == [0])


async def test_an_owner_starts_behind_what_is_applied_whatever_the_group_has_committed(world: World) -> None:
    for number in range(4):
        world.topic.append([generation("t", f"g{number}")])
    first, second = world.worker(), world.worker()
    async with first.running(), world.sink().running():
        await world.all_applied()
    second.log.position = 0
    async with second.running(), world.sink().running():
        world.topic.append([generation("t", "g4")])
        await world.all_applied()

    assert [record.origin for record in world.assembled] == [0, 1, 2, 3, 4]


async def test_a_late_seek_to_the_commit_is_overridden_though_nothing_new_arrives(world: World) -> None:
    world.topic.append([generation("t", "g0")])
    world.topic.append([generation("t", "g1")])
    worker = world.worker()
    worker.log.delivering = False
    async with worker.running(), world.sink().running():
        await eventually(lambda: worker.log.seeks == [0])
        worker.log.position = 2
        worker.log.delivering = True
        await world.all_applied()

    assert await world.counts() == (2, 2, 0)


async def test_a_second_owner_fences_the_first_whose_records_are_skipped(world: World) -> None:
    frozen, rival, sink = world.worker(), world.worker(), world.sink()
    thawed = asyncio.Event()

    async def freeze(messages: Sequence[Message]) -> None:
        if messages[0].topic == TOPICS.assembled:
            await thawed.wait()

    frozen.sender.before = freeze
    async with frozen.running():
        world.topic.append([generation("t", "g0")])
        await eventually(lambda: len(frozen.sender.parts) > 0)
        async with rival.running(), sink.running():
            world.topic.append([generation("t", "g1")])
            await world.all_applied()
            frozen.log.assigned = False
            thawed.set()
            await eventually(lambda: len(world.assembled) == 3)
            world.topic.append([generation("t", "g2")])
            await world.all_applied()

    epochs = [record.epoch for record in world.assembled]
    assert epochs[0] == epochs[1] == epochs[3] > epochs[2]
    assert await world.counts() == (3, 3, 0)
    assert await world.pool.fetchval("select observation_count from traces") == 3
    assert set((await sum_law_differences(world.pool)).values()) == {0}


async def test_a_fenced_owner_drops_its_partition_and_takes_a_new_epoch_only_if_it_is_still_assigned(
    world: World,
) -> None:
    fenced, rival = world.worker(), world.worker()
    async with fenced.running(), world.sink().running():
        world.topic.append([generation("t", "g0")])
        await world.all_applied()
        fenced.log.assigned = False
        async with rival.running():
            world.topic.append([generation("t", "g1")])
            await world.all_applied()
            await asyncio.sleep(0.5)
            assert (await world.progress())["owner"] == world.assembled[-1].owner
        fenced.log.assigned = True
        world.topic.append([generation("t", "g2")])
        await world.all_applied()

    assert await world.counts() == (3, 3, 0)


@pytest.mark.parametrize("fault", ["cost parts", "assembled", "half of the assembled"])
async def test_a_failed_send_ends_the_epoch_and_loses_nothing(world: World, fault: str) -> None:
    worker = world.worker()
    topic = TOPICS.cost_parts if fault == "cost parts" else TOPICS.assembled

    async def refuse_once(messages: Sequence[Message]) -> None:
        if messages[0].topic == topic:
            worker.sender.before = None
            worker.sender.fails_after = 1 if fault.startswith("half") else None
            worker.sender.fails = 0 if fault.startswith("half") else 1

    worker.log.delivering = False
    async with worker.running():
        for number in range(3):
            world.topic.append([generation("t", f"g{number}")])
        worker.sender.before = refuse_once
        await eventually(lambda: worker.log.seeks == [0])
        worker.log.delivering = True
        worker.log.wake()
        async with world.sink().running():
            await world.all_applied()

    assert worker.log.seeks == [0, 0]
    assert await world.counts() == (3, 3, 0)
    assert set((await sum_law_differences(world.pool)).values()) == {0}


async def test_on_a_gap_the_sink_takes_an_epoch_and_the_owner_starts_over(world: World) -> None:
    worker = world.worker()
    async with worker.running(), world.sink().running():
        world.topic.append([generation("t", "g0")])
        await world.all_applied()
        worker.sender.loses = lambda message: message.topic == TOPICS.assembled
        world.topic.append([generation("t", "g1")])
        await eventually(lambda: len(worker.sender.parts) == 2)
        worker.sender.loses = lambda _: False
        world.topic.append([generation("t", "g2")])
        await world.all_applied()

    assert worker.log.seeks == [0, 0]
    assert [record.origin for record in world.assembled] == [0, 2, 1, 2]
    assert await world.counts() == (3, 3, 0)
    assert await world.pool.fetchval("select observation_count from traces") == 3


async def test_commits_follow_postgres(world: World) -> None:
    worker, sink = world.worker(), world.sink()
    async with worker.running():
        for number in range(5):
            world.topic.append([generation("t", f"g{number}")])
        await eventually(lambda: len(world.assembled) == 5)
        await asyncio.sleep(1.2)
        assert worker.log.commits == []
        await sink.apply(2)
        await eventually(lambda: worker.log.commits == [2])
        await sink.apply()
        await eventually(lambda: worker.log.commits == [2, 5])


@pytest.mark.parametrize("seed", range(4))
async def test_faults_at_any_moment_leave_the_rows_of_a_quiet_run(world: World, seed: int) -> None:
    rng = random.Random(seed)
    events = make_events(seed, traces=25)
    batches = [events[at : at + 3] for at in range(0, len(events), 3)]
    async with world.worker().running(), world.sink().running():
        for batch in batches:
            world.topic.append(batch)
        await world.all_applied()
    quiet = await read_everything(world.pool)
    await world.clear()

    async def run_with_faults() -> None:
        for batch in batches:
            world.topic.append(batch)
        while (await world.progress())["applied_origin"] < world.topic.end - 1:
            async with world.worker().running() as one, world.worker().running() as other:
                for sender in (one.sender, other.sender):
                    sender.fails_after = rng.choice([None, 0, 1, 2])
                async with world.sink().running():
                    await asyncio.sleep(rng.uniform(0.05, 0.5))
                await asyncio.sleep(rng.uniform(0, 0.2))

    await asyncio.wait_for(run_with_faults(), 120)

    assert await read_everything(world.pool) == quiet
    assert await world.counts() == (len(events), len(events), 0)
    assert set((await sum_law_differences(world.pool)).values()) == {0}


@pytest.mark.parametrize("ticks", range(4))
async def test_a_partition_is_let_go_of_though_a_record_arrives_at_that_moment(world: World, ticks: int) -> None:
    worker = world.worker()
    worker.log.delivering = False
    async with worker.running():
        await eventually(lambda: worker.log.seeks == [0])
        await asyncio.sleep(0.1)
        record = world.topic.append([generation("t", "g")])
        worker.assembler.offer(0, record)
        for _ in range(ticks):
            await asyncio.sleep(0)
        await asyncio.wait_for(worker.assembler.assign([]), 3)
