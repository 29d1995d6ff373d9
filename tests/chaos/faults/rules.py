"""Each rule of positions (docs/decisions/0002) is broken on purpose, by a fault that is named after the rule that must catch it."""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import orjson

from tests.chaos.cluster import PARTITIONS
from tests.chaos.rounds import Round, Scenario

_foreign_epoch = """
    update stream_progress set epoch = greatest(epoch + 1, $2), owner = gen_random_uuid(), updated_at = now() where partition = $1"""


async def a_foreign_epoch_fences_the_owner(round_: Round) -> None:
    """Another owner takes the epoch of a partition, again and again, and never works."""
    for _ in range(6):
        await asyncio.sleep(round_.seconds / 7)
        partition = round_.rng.randrange(PARTITIONS)
        await round_.cluster.execute(_foreign_epoch, partition, time.time_ns() // 1_000_000)


async def an_old_owners_record_is_void(round_: Round) -> None:
    """Records of an epoch that is over reach the assembled topic: what they say must not be stored."""

    async def forge(stored: Any) -> dict[str, Any]:
        return _forged(round_, stored) | {"epoch": stored["epoch"] - 1, "owner": str(uuid.uuid4())}

    await _forge_repeatedly(round_, forge)


async def a_gap_in_the_current_epoch_starts_the_owner_over(round_: Round) -> None:
    """A record of the current owner stands where the one before it is missing."""

    async def forge(stored: Any) -> dict[str, Any]:
        applied = stored["applied_origin"]
        return _forged(round_, stored) | {"origin": applied + 900, "previous": applied + 899}

    before = await _epochs(round_)
    await _forge_repeatedly(round_, forge)
    if await _epochs(round_) == before:
        round_.problem("no owner started over, although records were missing")


async def chunks_apply_all_or_none(round_: Round) -> None:
    """The first of two chunks of the next record is there, the second never comes."""

    async def forge(stored: Any) -> dict[str, Any]:
        return _forged(round_, stored) | {"chunk": 0, "chunks": 2}

    await _forge_repeatedly(round_, forge)


async def an_unreadable_assembled_record_is_a_gap(round_: Round) -> None:
    """Bytes that are no record stand on the assembled topic."""
    for _ in range(5):
        await asyncio.sleep(round_.seconds / 6)
        partition = round_.rng.randrange(PARTITIONS)
        await round_.cluster.publish(round_.cluster.topics.assembled, [(partition, b'{"epoch": 1, "own', [])])


async def the_position_only_says_where_to_read(round_: Round) -> None:
    """The stored reading position is moved back, past what is unread, and out of the topic."""
    moves = ("greatest(position - 40, 0)", "position + 3", "position + 1000000", "0")
    for move in moves:
        await asyncio.sleep(round_.seconds / 5)
        partition = round_.rng.randrange(PARTITIONS)
        await round_.cluster.execute(
            f"update stream_progress set position = {move} where partition = $1",
            partition,
        )


async def the_assembled_topic_may_be_lost(round_: Round) -> None:
    """While the sinks are down, all that they have not read is forgotten: the owners send it again."""
    cluster = round_.cluster
    for _ in range(2):
        await asyncio.sleep(round_.seconds / 4)
        sinks = cluster.of("sink")
        await asyncio.gather(*(sink.hold_down() for sink in sinks))
        await asyncio.sleep(2)
        await cluster.forget_records(cluster.topics.assembled, await cluster.log_ends(cluster.topics.assembled))
        for sink in sinks:
            sink.let_go()


async def reading_starts_behind_what_is_applied_whatever_the_group_says(round_: Round) -> None:
    """The group's commits are set to the log's end, and to its beginning, while no assembler runs."""
    cluster = round_.cluster
    round_.commits_may_lead = True
    for is_ahead in (True, False):
        await asyncio.sleep(round_.seconds / 4)
        assemblers = cluster.of("assembler")
        await asyncio.gather(*(assembler.hold_down() for assembler in assemblers))
        await asyncio.sleep(7)  # the group forgets killed members at the session time-out
        ends = await cluster.log_ends(cluster.topics.raw)
        offsets = ends if is_ahead else dict.fromkeys(ends, 0)
        await cluster.commit_for("assembler", cluster.topics.raw, offsets)
        for assembler in assemblers:
            assembler.let_go()


async def cost_parts_in_any_order_and_number(round_: Round) -> None:
    """Everything on the cost topic so far is written to it again, backwards, and rubbish with it."""
    cluster = round_.cluster
    await asyncio.sleep(round_.seconds * 0.5)
    records = await cluster.read_topic(cluster.topics.cost_parts)
    again: list[tuple[int, bytes, list[tuple[str, bytes]]]] = [
        (partition, value, []) for partition, value in records[::-1]
    ]
    await cluster.publish(cluster.topics.cost_parts, [*again, (0, b"no part", [])])


async def _epochs(round_: Round) -> dict[int, int]:
    rows = await round_.cluster.execute("select partition, epoch from stream_progress")
    return {row["partition"]: row["epoch"] for row in rows}


def _forged(round_: Round, stored: Any) -> dict[str, Any]:
    """An assembled record that looks like the next one of the current owner, with a dead letter that must never be stored."""
    now = datetime.now(UTC).isoformat()
    letter = {
        "projectId": round_.tenant.project,
        "sequence": 0,
        "reason": "internal_error",
        "detail": "forged",
        "entity": None,
        "contentKind": "ingestion",
        "payload": "",
        "receivedAt": now,
    }
    return {
        "epoch": stored["epoch"],
        "owner": str(stored["owner"]),
        "partition": stored["partition"],
        "origin": stored["applied_origin"] + 1,
        "previous": stored["applied_origin"],
        "fingerprint": "00",
        "receivedAt": now,
        "version": 1,
        "deadLetters": [letter],
    }


async def _forge_repeatedly(round_: Round, forge: Callable[[Any], Awaitable[dict[str, Any]]]) -> None:
    cluster = round_.cluster
    for _ in range(8):
        await asyncio.sleep(round_.seconds / 9)
        partition = round_.rng.randrange(PARTITIONS)
        (stored,) = await cluster.execute("select * from stream_progress where partition = $1", partition)
        await cluster.publish(cluster.topics.assembled, [(partition, orjson.dumps(await forge(stored)), [])])


SCENARIOS = (
    Scenario("rule-epoch", "a foreign epoch fences the owner", a_foreign_epoch_fences_the_owner),
    Scenario("rule-old-owner", "an old owner's record is void", an_old_owners_record_is_void),
    Scenario("rule-gap", "a gap starts the owner over", a_gap_in_the_current_epoch_starts_the_owner_over),
    Scenario("rule-chunks", "chunks apply all or none", chunks_apply_all_or_none),
    Scenario("rule-unreadable", "an unreadable assembled record is a gap", an_unreadable_assembled_record_is_a_gap),
    Scenario("rule-position", "the position only says where to read", the_position_only_says_where_to_read),
    Scenario("rule-assembled-lost", "the assembled topic may be lost", the_assembled_topic_may_be_lost),
    Scenario(
        "rule-commits",
        "reading starts behind what is applied",
        reading_starts_behind_what_is_applied_whatever_the_group_says,
        seconds=30,
    ),
    Scenario("rule-parts", "cost parts in any order and number", cost_parts_in_any_order_and_number),
)
