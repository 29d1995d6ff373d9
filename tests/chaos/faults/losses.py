"""The log itself is not the one that Postgres knows: the stack must stop and say so, lose nothing by itself, and go on by an operator's word.

While the log is broken the edges are down, so that no acknowledged event of the world can be lost with it.
"""

import asyncio
import shutil
import signal
import time
from collections.abc import Mapping

from tailrace.wire.topics import RawHeaders
from tests.chaos.cluster import PARTITIONS
from tests.chaos.rounds import Round, Scenario, wait_until_applied

HALT_SECONDS = 60.0


async def the_log_is_lost(round_: Round) -> None:
    """Kafka's data is lost while Postgres stays: every partition that had something stands still."""
    await _quiet(round_)
    await _lose_kafka(round_)
    halted = await _expect_halts(round_, await _used(round_), "shorter")
    await _resume(round_, halted, origin=-1)
    _let_edges_go(round_)


async def the_log_is_another(round_: Round) -> None:
    """Kafka's data is lost, and by the time the assemblers look, as many other records have come."""
    await _quiet(round_)
    used = await _used(round_)
    cluster = round_.cluster
    await asyncio.gather(*(member.hold_down() for member in cluster.of("assembler")))
    await _lose_kafka(round_)
    await _write_strangers(round_, {partition: applied + 5 for partition, applied in used.items()})
    for member in cluster.of("assembler"):
        member.let_go()
    halted = await _expect_halts(round_, used, "another record")
    ends = await cluster.log_ends(cluster.topics.raw)
    for partition in halted:
        await _resume(round_, [partition], origin=ends[partition] - 1)
    _let_edges_go(round_)


async def the_log_begins_later(round_: Round) -> None:
    """The log forgets records that are not applied: every partition that lost some stands still."""
    await _quiet(round_)
    cluster = round_.cluster
    await asyncio.gather(*(member.hold_down() for member in cluster.of("assembler")))
    before = await cluster.log_ends(cluster.topics.raw)
    await _write_strangers(round_, dict.fromkeys(range(PARTITIONS), 7))
    await cluster.forget_records(cluster.topics.raw, {partition: end + 5 for partition, end in before.items()})
    for member in cluster.of("assembler"):
        member.let_go()
    halted = await _expect_halts(round_, dict.fromkeys(range(PARTITIONS), 0), "begins at")
    for partition in halted:
        await _resume(round_, [partition], origin=before[partition] + 4)
    _let_edges_go(round_)


async def _quiet(round_: Round) -> None:
    """Let half of the world come in, then keep the edges down until everything that they took is applied."""
    cluster = round_.cluster
    await asyncio.sleep(round_.seconds / 2)
    await asyncio.gather(*(edge.hold_down(signal.SIGTERM) for edge in cluster.of("edge")))
    await wait_until_applied(cluster, round_, seconds=60)


async def _lose_kafka(round_: Round) -> None:
    cluster = round_.cluster
    # What was applied of the old log may be committed to the new one, until the operator lets the partition go on.
    round_.commits_may_lead = True
    kafka = cluster.members["kafka"]
    await kafka.hold_down()
    shutil.rmtree(cluster.kafka.folder)
    kafka.let_go()
    await kafka.ready()
    await cluster.tailrace("topics")


async def _used(round_: Round) -> dict[int, int]:
    """The applied origin of each partition that has one."""
    rows = await round_.cluster.execute(
        "select partition, applied_origin from stream_progress where applied_origin >= 0"
    )
    return {row["partition"]: row["applied_origin"] for row in rows}


async def _expect_halts(round_: Round, partitions: Mapping[int, int], words: str) -> list[int]:
    """Wait until all of `partitions` stand still for a reason with these words; what does not is a problem of the round."""
    deadline = time.monotonic() + HALT_SECONDS
    reasons: dict[int, str] = {}
    while time.monotonic() < deadline and reasons.keys() != partitions.keys():
        await asyncio.sleep(0.5)
        rows = await round_.cluster.execute(
            "select partition, halted_reason from stream_progress where halted_reason is not null"
        )
        reasons = {row["partition"]: row["halted_reason"] for row in rows}
    if reasons.keys() != partitions.keys():
        round_.problem(f"expected partitions {sorted(partitions)} to stand still, these do: {reasons}")
    for partition, reason in reasons.items():
        if words not in reason:
            round_.problem(f"partition {partition} stands still, but says {reason!r}")
    round_.note(f"{len(reasons)} partitions stood still: {next(iter(reasons.values()), '')}")
    return sorted(reasons)


async def _resume(round_: Round, partitions: list[int], *, origin: int) -> None:
    for partition in partitions:
        await round_.cluster.tailrace(
            "partition", "resume", "--partition", str(partition), "--reason", "chaos", "--accept-loss",
            "--applied-origin", str(origin), "--operator", "chaos",
        )  # fmt: skip


def _let_edges_go(round_: Round) -> None:
    for edge in round_.cluster.of("edge"):
        edge.let_go()


async def _write_strangers(round_: Round, counts: Mapping[int, int]) -> None:
    """Records of a project that nobody asks for, straight to the log."""
    headers = RawHeaders("ingestion", "stranger", time.time_ns() // 1_000, 0).encode()  # pyright: ignore[reportArgumentType]
    records = [(partition, b'{"batch": []}', headers) for partition, count in counts.items() for _ in range(count)]
    await round_.cluster.publish(round_.cluster.topics.raw, records)


SCENARIOS = (
    Scenario("log-lost", "Kafka's data lost, Postgres stays", the_log_is_lost, seconds=30, breaks=True),
    Scenario("log-another", "the log refilled with other records", the_log_is_another, seconds=30, breaks=True),
    Scenario("log-begins-later", "the log forgot what is not applied", the_log_begins_later, seconds=30, breaks=True),
)
