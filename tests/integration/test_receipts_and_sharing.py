"""Receipts (open, complete, amended) and what partitions share: one row for each, combined on read."""

import pytest

from tests.integration.worker import World, generation

pytestmark = pytest.mark.integration

SECOND_US = 1_000_000
START_US = 1_772_366_400_000_000
END = "2026-03-01T10:00:31Z"


async def _amended(world: World) -> tuple[bool, bool]:
    row = await world.pool.fetchrow("select root_ended, amended from traces where id = 't'")
    assert row is not None
    return row["root_ended"], row["amended"]


async def _run(world: World) -> None:
    async with world.worker().running(), world.sink().running():
        await world.all_applied()


async def test_what_comes_after_a_trace_was_complete_amends_it(world: World) -> None:
    world.topic.append([generation("t", "g0", endTime=END)], received_us=START_US)
    await _run(world)
    assert await _amended(world) == (True, False)
    world.topic.append([generation("t", "g1")], received_us=START_US + 60 * SECOND_US)
    await _run(world)

    assert await _amended(world) == (True, True)


async def test_what_comes_within_the_quiet_time_amends_nothing(world: World) -> None:
    for number in range(4):
        received = START_US + number * 59 * SECOND_US
        world.topic.append([generation("t", f"g{number}", endTime=END)], received_us=received)
    await _run(world)

    assert await _amended(world) == (True, False)


async def test_a_late_event_of_a_trace_whose_root_has_not_ended_amends_nothing(world: World) -> None:
    world.topic.append([generation("t", "g0")], received_us=START_US)
    world.topic.append([generation("t", "g0", endTime=END) | {"id": "end"}], received_us=START_US + 900 * SECOND_US)
    await _run(world)

    assert await _amended(world) == (True, False)


async def test_a_resend_after_a_trace_was_complete_amends_nothing(world: World) -> None:
    for received in (START_US, START_US + 900 * SECOND_US):
        world.topic.append([generation("t", "g0", endTime=END)], received_us=received)
    await _run(world)

    assert await _amended(world) == (True, False)


async def test_a_user_and_a_session_have_a_row_of_each_partition_and_none_overwrites_another(world: World) -> None:
    await world.pool.execute(
        """insert into users values ('p', 'ann', 7, '2020-01-01Z', '2020-01-02Z');
           insert into sessions values ('p', 's', 7, '2020-01-01Z', '2020-01-02Z', 'old')"""
    )
    identity = {"id": "t", "userId": "ann", "sessionId": "s"}
    world.topic.append([{"id": "e", "type": "trace-create", "timestamp": END, "body": identity}])
    await _run(world)

    for table in ("users", "sessions"):
        rows = await world.pool.fetch(f"select partition from {table} order by partition")
        assert [row["partition"] for row in rows] == [0, 7]
    assert await world.pool.fetchval("select first_seen_at = '2020-01-01Z' from users where partition = 7")


async def test_a_partition_loads_only_its_own_part_of_a_window(world: World) -> None:
    world.topic.append([generation("t", "g0")])
    await _run(world)
    cost = await world.pool.fetchval("select cost from cost_parts where bucket = 'hour' and model is not null")
    await world.pool.execute(
        """insert into cost_parts select project_id, user_id, model, bucket, bucket_start, 7, 100, input_tokens, output_tokens,
           total_tokens, generations, errors, traces, epoch, origin from cost_parts"""
    )
    world.topic.append([generation("u", "g0")])
    await _run(world)

    query = "select partition, cost from cost_parts where bucket = 'hour' and model is not null order by partition"
    assert [tuple(row) for row in await world.pool.fetch(query)] == [(0, 2 * cost), (7, 100)]
