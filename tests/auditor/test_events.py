"""The standing audit of events over a real Kafka and a real Postgres: right under traffic, loud when broken, quiet otherwise."""

import asyncio
import random

import pytest

from tests.auditor.conftest import Stream, broken_by_name, exported, settle, states

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("kafka_bootstrap")]


async def test_every_event_is_counted_by_what_became_of_it(stream: Stream) -> None:
    await stream.accept(5, 2, 3)
    await stream.accept(4, project="till", partition=1)
    await stream.accept_raw([("project", b"sh\x00op")], partition=1)
    await stream.apply(1, 6, 1)

    await settle(await stream.auditor())

    assert states() == (11, 6, 1, 4, 0)
    assert states("till") == (4, 0, 0, 4, 0)
    assert broken_by_name() == {}
    assert exported("tailrace_conservation_broken_events", project="shop", partition="") == 0


async def test_under_traffic_no_cycle_finds_anything_and_in_the_end_all_is_counted(stream: Stream) -> None:
    random_source, audit = random.Random(7), await stream.auditor()
    sent: list[int] = []

    async def traffic() -> None:
        applied = -1
        for _ in range(150):
            sent.append(random_source.randint(1, 9))
            await stream.accept(sent[-1])
            if random_source.random() < 0.5:
                origin = random_source.randint(applied, len(sent) - 1)
                await stream.apply(origin, sum(sent[applied + 1 : origin + 1]))
                applied = origin
        await stream.apply(len(sent) - 1, sum(sent[applied + 1 :]))

    running = asyncio.create_task(traffic())
    while not running.done():
        await audit.run_cycle()
        assert broken_by_name() == {}
    await running
    await settle(audit)

    assert states() == (sum(sent), sum(sent), 0, 0, 0)
    assert broken_by_name() == {}


@pytest.mark.parametrize(
    ("fault", "events"),
    [
        ("delete from event_counts", 7),
        ("update event_counts set applied = 2 * applied", 6),
        ("update event_counts set accepted = accepted - 2, applied = applied - 2", 2),
        ("update event_counts set dead_lettered = 0", 1),
        ("update stream_progress set applied_origin = 2 where partition = 0", 3),
        ("update audit_counts set accepted = accepted - 5", 5),
    ],
)
async def test_a_count_that_is_wrong_is_told_by_name_and_no_more_once_it_is_right(
    stream: Stream, fault: str, events: int
) -> None:
    await stream.accept(5, 2, 3)
    await stream.apply(1, 6, 1)
    audit = await stream.auditor()
    await settle(audit)
    assert broken_by_name() == {}
    saved = {
        table: await stream.pool.fetch(f"select * from {table}")
        for table in ("event_counts", "stream_progress", "audit_counts", "audit_progress")
    }

    await stream.pool.execute(fault)
    await audit.run_cycle()
    assert broken_by_name() == {("shop", "0"): events}

    for table, rows in saved.items():
        await stream.pool.execute(f"delete from {table}")
        await stream.pool.copy_records_to_table(table, records=[tuple(row) for row in rows])
    await audit.run_cycle()
    assert broken_by_name() == {}


async def test_a_difference_is_told_only_after_the_time_that_it_may_last(stream: Stream) -> None:
    await stream.accept(5)
    await stream.apply(0, 4)
    audit = await stream.auditor(grace_seconds=2)

    await settle(audit)
    assert broken_by_name() == {}
    await asyncio.sleep(2)
    await audit.run_cycle()

    assert broken_by_name() == {("shop", "0"): 1}


async def test_a_restart_goes_on_counting_where_it_was(stream: Stream) -> None:
    await stream.accept(5, 2)
    await stream.apply(0, 5)
    await settle(await stream.auditor())
    await stream.accept(3)
    await stream.apply(2, 5)

    await settle(await stream.auditor())

    assert states() == (10, 10, 0, 0, 0)
    assert broken_by_name() == {}
    assert await stream.pool.fetchval("select counted_origin from audit_progress where partition = 0") == 2


async def test_a_restart_goes_on_after_the_log_has_forgotten_its_beginning(stream: Stream) -> None:
    await stream.accept(5, 2, 4)
    await stream.apply(1, 7)
    await settle(await stream.auditor())
    await stream.forget_before(2)
    await stream.accept(3)
    await stream.apply(3, 6)

    await settle(await stream.auditor())

    assert states() == (14, 13, 0, 0, 0)
    assert broken_by_name() == {("shop", "0"): 1}


async def test_a_log_that_forgot_what_was_not_counted_yet_is_no_alarm(stream: Stream) -> None:
    await stream.accept(5, 2)
    await stream.apply(0, 5)
    audit = await stream.auditor()
    await settle(audit)
    await stream.accept(1, 1, 1)
    await stream.apply(4, 5)
    await stream.forget_before(4)

    await settle(audit)
    await settle(await stream.auditor())
    await stream.accept(6)
    await stream.apply(5, 6)
    await settle(audit)

    assert broken_by_name() == {}
    assert states() == (16, 16, 0, 0, 0)


async def test_events_that_the_log_forgot_before_they_were_applied_are_an_alarm_until_an_operator_decides(
    stream: Stream,
) -> None:
    await stream.accept(5, 2, 3, 4)
    await stream.apply(0, 5)
    audit = await stream.auditor()
    await settle(audit)
    assert states() == (14, 5, 0, 9, 0)

    await stream.forget_before(3)
    await settle(audit)
    assert broken_by_name() == {("shop", "0"): 5}

    await stream.command(2)
    await settle(audit)
    assert broken_by_name() == {}
    await stream.apply(3, 4)
    await settle(audit)
    assert broken_by_name() == {}
    assert states() == (14, 9, 0, 0, 5)


async def test_what_an_operator_gave_up_is_told_and_is_no_alarm(stream: Stream) -> None:
    await stream.accept(5, 2, 3)
    await stream.apply(0, 5)
    audit = await stream.auditor()
    await settle(audit)

    await stream.command(1)
    await settle(audit)
    await stream.apply(2, 3)
    await settle(audit)
    await settle(await stream.auditor())

    assert states() == (10, 8, 0, 0, 2)
    assert broken_by_name() == {}


async def test_another_log_that_an_operator_let_in_is_no_alarm(stream: Stream) -> None:
    await stream.accept(5, 2, 3)
    await stream.apply(2, 10)
    audit = await stream.auditor()
    await settle(audit)

    await stream.command(-1)
    await settle(audit)
    await stream.apply(0, 5)
    await settle(audit)
    assert broken_by_name() == {}

    await stream.apply(1, 1)
    await settle(audit)
    assert broken_by_name() == {("shop", "0"): 1}


async def test_a_database_put_back_to_an_earlier_backup_is_counted_on_from_there(stream: Stream) -> None:
    tables = ("event_counts", "stream_progress", "audit_counts", "audit_progress")
    await stream.accept(5, 2)
    await stream.apply(0, 5)
    audit = await stream.auditor()
    await settle(audit)
    backup = {table: [tuple(row) for row in await stream.pool.fetch(f"select * from {table}")] for table in tables}
    await stream.accept(3)
    await stream.apply(2, 5)
    await settle(audit)
    assert states() == (10, 10, 0, 0, 0)

    async with stream.pool.acquire() as connection, connection.transaction():
        for table, rows in backup.items():
            await connection.execute(f"delete from {table}")
            await connection.copy_records_to_table(table, records=rows)
    await settle(audit)
    assert states() == (10, 5, 0, 5, 0)
    await stream.apply(2, 5)
    await settle(audit)

    assert states() == (10, 10, 0, 0, 0)
    assert broken_by_name() == {}


async def test_several_auditors_count_every_record_once(stream: Stream) -> None:
    first, second = await stream.auditor(), await stream.auditor()
    for origin in range(6):
        await stream.accept(2, project=f"p{origin % 2}")
        await stream.apply(origin, 2, project=f"p{origin % 2}")
        await asyncio.gather(first.run_cycle(), second.run_cycle())
    await asyncio.gather(settle(first), settle(second))

    assert [
        tuple(row) for row in await stream.pool.fetch("select project_id, accepted from audit_counts order by 1")
    ] == [
        ("p0", 6),
        ("p1", 6),
    ]
    assert broken_by_name() == {}


async def test_an_installation_that_was_there_before_is_taken_over_where_its_log_has_lost_its_beginning(
    stream: Stream,
) -> None:
    await stream.accept(5, 2, 3)
    await stream.apply(1, 7)
    await stream.forget_before(1)
    audit = await stream.auditor()

    await settle(audit)
    await stream.apply(2, 3)
    await settle(audit)

    assert states() == (10, 10, 0, 0, 0)
    assert broken_by_name() == {}
