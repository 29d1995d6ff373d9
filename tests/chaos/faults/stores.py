"""Faults of the stores: Kafka and Postgres restart, die, stay away, refuse to write, hold locks, and go back in time."""

import asyncio
import shutil
import signal
import subprocess
from pathlib import Path

from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from tests.chaos.faults.locks import locked
from tests.chaos.faults.timeline import at_moments
from tests.chaos.member import Member
from tests.chaos.rounds import Round, Scenario

_full_disk = """
    create or replace function chaos_disk_full() returns trigger language plpgsql as $$
    begin
        raise exception 'could not extend file: No space left on device' using errcode = '53100';
    end
    $$;
    create trigger chaos_disk_full before insert on {table} for each statement execute function chaos_disk_full()"""


async def kafka_restart(round_: Round) -> None:
    """The broker is restarted gracefully, twice."""
    await at_moments(
        [
            (round_.moment(0.1, 0.3), lambda: _kafka(round_).restart()),
            (round_.seconds * 0.6, lambda: _kafka(round_).restart()),
        ]
    )


async def kafka_killed(round_: Round) -> None:
    """The broker is killed, twice."""

    async def kill() -> None:
        _kafka(round_).kill()

    await at_moments([(round_.moment(0.1, 0.3), kill), (round_.seconds * 0.6, kill)])


async def kafka_away(round_: Round) -> None:
    """The broker stays away for 60 seconds."""
    await asyncio.sleep(round_.moment(0.05, 0.15))
    await _away(_kafka(round_), 60, signal.SIGTERM)


async def kafka_frozen(round_: Round) -> None:
    """The broker sleeps for longer than a send may take."""
    await asyncio.sleep(round_.moment(0.1, 0.3))
    await _kafka(round_).freeze(8)


async def kafka_refuses(round_: Round) -> None:
    """Each topic in turn takes no writes for six seconds: too few replicas are in sync."""
    cluster = round_.cluster
    for topic in (cluster.topics.raw, cluster.topics.assembled, cluster.topics.cost_parts, cluster.topics.dead):
        async with cluster.admin() as admin:
            config = {"min.insync.replicas": "2", "max.message.bytes": "41943040", "cleanup.policy": "delete"}
            await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, config)])
        await asyncio.sleep(6)
        await cluster.tailrace("topics", "--alter")


async def postgres_restart(round_: Round) -> None:
    """The database is restarted (fast), twice."""
    await at_moments([(round_.seconds * share, lambda: _postgres(round_).restart()) for share in (0.15, 0.6)])


async def postgres_killed(round_: Round) -> None:
    """The database stops at once in mid-transaction: by SIGQUIT (immediate), and by kill -9."""

    async def end(number: signal.Signals) -> None:
        await _until_a_sink_writes(round_)
        _postgres(round_).kill(number)

    await at_moments(
        [(round_.moment(0.05, 0.2), lambda: end(signal.SIGQUIT)), (round_.seconds * 0.6, lambda: end(signal.SIGKILL))]
    )


async def postgres_away(round_: Round) -> None:
    """The database stays away for two minutes; the edges go on accepting."""
    await asyncio.sleep(round_.moment(0.05, 0.1))
    before = await round_.cluster.log_ends(round_.cluster.topics.raw)
    await _away(_postgres(round_), 120, signal.SIGINT)
    after = await round_.cluster.log_ends(round_.cluster.topics.raw)
    grown = sum(after.values()) - sum(before.values())
    round_.note(f"{grown} raw records were accepted while Postgres was away")
    if grown < 20:
        round_.problem(f"only {grown} raw records were accepted while Postgres was away")


async def postgres_locked(round_: Round) -> None:
    """Somebody holds a table's lock for longer than the lock time-out, then a progress row."""
    async with locked(round_, "lock table observations in access exclusive mode"):
        await asyncio.sleep(13)
    async with locked(round_, "select * from stream_progress where partition < 3 for update"):
        await asyncio.sleep(13)


async def disk_full(round_: Round) -> None:
    """Every write of rows fails for ten seconds as it does on a full disk."""
    for table in ("observations", "cost_parts"):
        await round_.cluster.execute_script(_full_disk.format(table=table))
        await asyncio.sleep(5)
        await round_.cluster.execute_script(f"drop trigger chaos_disk_full on {table}")


async def postgres_from_a_backup(round_: Round) -> None:
    """The database is put back to an earlier state under the running stack: the log brings it forward again."""
    postgres, folder = _postgres(round_), round_.cluster.postgres.folder
    backup = folder.with_name("backup")
    await asyncio.sleep(round_.seconds * 0.25)
    await postgres.hold_down(signal.SIGINT)
    _copy(folder, backup)
    postgres.let_go()
    await asyncio.sleep(round_.seconds * 0.4)
    round_.commits_may_lead = True
    await postgres.hold_down(signal.SIGINT)
    shutil.rmtree(folder)
    backup.rename(folder)
    postgres.let_go()
    await postgres.ready()


def _kafka(round_: Round) -> Member:
    return round_.cluster.members["kafka"]


def _postgres(round_: Round) -> Member:
    return round_.cluster.members["postgres"]


async def _away(member: Member, seconds: float, number: signal.Signals) -> None:
    await member.hold_down(number)
    await asyncio.sleep(seconds)
    member.let_go()
    await member.ready()


async def _until_a_sink_writes(round_: Round) -> None:
    query = """select 1 from pg_stat_activity where application_name = 'tailrace-sink' and backend_xid is not null"""
    for _ in range(600):
        if await round_.cluster.execute(query):
            return
        await asyncio.sleep(0.02)
    round_.note("no sink was seen in a transaction when the database was stopped")


def _copy(source: Path, target: Path) -> None:
    """A copy with owners and modes."""
    subprocess.run(["cp", "-a", str(source), str(target)], check=True)


SCENARIOS = (
    Scenario("kafka-restart", "graceful restarts of the broker", kafka_restart, seconds=24, seeds=3),
    Scenario("kafka-kill", "kill -9 of the broker", kafka_killed, seconds=24, seeds=5),
    Scenario("kafka-away", "the broker away for 60 s", kafka_away, seconds=80, seeds=3),
    Scenario("kafka-frozen", "the broker asleep beyond the send time-out", kafka_frozen, seconds=16, seeds=3),
    Scenario("kafka-refuses", "each topic refuses writes for a while", kafka_refuses, seconds=34, seeds=3),
    Scenario("postgres-restart", "fast restarts of the database", postgres_restart, seconds=16, seeds=3),
    Scenario("postgres-kill", "immediate stop and kill -9 in mid-transaction", postgres_killed, seconds=16, seeds=5),
    Scenario("postgres-away", "the database away for two minutes", postgres_away, seconds=140, seeds=3),
    Scenario("postgres-locked", "a table and progress rows locked by another", postgres_locked, seconds=30, seeds=3),
    Scenario("disk-full", "writes fail as on a full disk", disk_full, seconds=16, seeds=3),
    Scenario(
        "postgres-backup", "the database put back under a running stack", postgres_from_a_backup, seconds=30, seeds=3
    ),
)
