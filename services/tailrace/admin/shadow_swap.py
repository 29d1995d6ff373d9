"""Swapping: what differs is replaced in the live tables by what the shadow has, one partition in one transaction.

1. Lock the progress row: no sink writes this partition now. Read what the log got since the comparison: what it names is left alone.
2. Take a new epoch: the owner's memory is void, and it starts over from what stands here then.
3. Replace the rows, move the difference to the users' cost parts, record who said so and why. Commit. Dying before it changes nothing.
4. Tell the meters the changed parts. Dying before it is made up for by the next swap.
"""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from tailrace.admin.raw_log import Bounds, RawLog
from tailrace.admin.shadow import Connection, Shadow
from tailrace.admin.shadow_compare import behind, read_applied
from tailrace.admin.shadow_span import Period, note_moved
from tailrace.admin.shadow_statements import PARTS, copy_rows, drop_rows
from tailrace.assembler.sender import KafkaSender, cost_messages
from tailrace.runtime.settings import Kafka
from tailrace.wire.records import AssembledRecord, CostPart
from tailrace.wire.topics import topics_of

_NO_OWNER = UUID(int=0)
_PARTS_AT_ONCE = 2_000


class Order(NamedTuple):
    """Who wants the swap, and why."""

    operator: str
    reason: str


class Swapped(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What was replaced in one partition. `left`: what changed since it was compared, by name."""

    partition: int
    traces: int = 0
    scores: int = 0
    cost_parts: int = 0
    left: list[str] = []


class Swapper:
    """Swaps partition by partition those in which something differs."""

    def __init__(self, connection: Connection, shadow: Shadow, log: RawLog, period: Period, order: Order) -> None:
        self._connection = connection
        self._shadow = shadow
        self._log = log
        self._period = period
        self._order = order

    async def differing(self) -> set[int]:
        """The partitions to swap; the owners of all others are left in peace."""
        return {row["partition"] for row in await self._connection.fetch(self._shadow.queries["list_differing"])}

    async def swap(self, partition: int, span: Bounds, seen: int) -> Swapped:
        """Swap one partition. `seen`: up to which origin the log has been read for what moved on."""
        connection, queries = self._connection, self._shadow.queries
        seen = await self._catch_up(partition, seen)
        async with connection.transaction():
            await connection.execute("set local lock_timeout = '30s'")
            applied: int = await connection.fetchval(queries["lock_partition"], partition)
            await note_moved(connection, self._shadow, self._log, {partition: Bounds(seen + 1, applied + 1)})
            left = await connection.fetch(queries["leave_moved"], partition)
            swapped = await self._choose(partition, left)
            epoch: int = await connection.fetchval(queries["take_epoch"], partition, time.time_ns() // 1_000_000)
            await self._replace(partition, epoch, applied)
            written: int = await connection.fetchval(queries["count_written_parts"], partition, epoch)
            done = msgspec.structs.replace(swapped, cost_parts=written)
            await self._record(done, span, epoch, applied)
        return done

    async def _catch_up(self, partition: int, seen: int) -> int:
        """Read the log up to what is applied before anything is locked, so that little is left to read then."""
        applied = await read_applied(self._connection, self._shadow, {partition: seen})
        await note_moved(self._connection, self._shadow, self._log, behind({partition: seen}, applied))
        return applied[partition]

    async def _choose(self, partition: int, left: list[Any]) -> Swapped:
        connection, queries = self._connection, self._shadow.queries
        await connection.execute(queries["forget_swapped"])
        await connection.execute(queries["choose_swapped"], partition)
        await connection.execute(queries["forget_others"])
        await connection.execute(queries["choose_parts"], self._period.project_id)
        counts = {row["kind"]: row["count"] for row in await connection.fetch(queries["count_swapped"])}
        return Swapped(
            partition=partition,
            traces=counts.get("trace", 0),
            scores=counts.get("score", 0),
            left=[f"{row['kind']} {row['project_id']}/{row['id']}" for row in left],
        )

    async def _replace(self, partition: int, epoch: int, applied: int) -> None:
        connection, queries, name = self._connection, self._shadow.queries, self._shadow.name
        # Before the rows: it takes back what the live traces have contributed.
        await connection.execute(queries["move_cost_parts"], partition, epoch, applied)
        for part in PARTS:
            await connection.execute(drop_rows(part, name))
            await connection.execute(copy_rows(part, name))
        await connection.execute(queries["clear_cost_parts"], partition, epoch, applied, self._period.project_id)
        await connection.execute(queries["copy_cost_parts"], partition, epoch, applied)
        await connection.execute(queries["widen_users"], partition)
        await connection.execute(queries["widen_sessions"], partition)

    async def _record(self, swapped: Swapped, span: Bounds, epoch: int, applied: int) -> None:
        await self._connection.execute(
            self._shadow.queries["record_swap"],
            swapped.partition,
            self._period.project_id,
            self._order.operator,
            self._order.reason,
            span.first,
            span.end - 1,
            swapped.traces,
            swapped.scores,
            swapped.cost_parts,
            len(swapped.left),
            epoch,
            applied,
        )


async def announce(connection: Connection, shadow: Shadow, kafka: Kafka, partitions: int) -> None:
    """Tell the meters the cost parts of every swap of which they were not told yet, also of one that died before it could.

    A part that a later record has changed is that record's to tell.
    """
    swaps = await connection.fetch(shadow.queries["list_unannounced"])
    if not swaps:
        return
    sender = KafkaSender(kafka, client_id="tailrace-replay")
    try:
        for swap in swaps:
            await _announce_one(connection, shadow, sender, (swap, partitions, kafka.topic_prefix))
            await connection.execute(shadow.queries["note_announced"], swap["id"])
    finally:
        await sender.stop()


async def _announce_one(
    connection: Connection, shadow: Shadow, sender: KafkaSender, target: tuple[Mapping[str, Any], int, str]
) -> None:
    swap, partitions, prefix = target
    async with connection.transaction():
        cursor = await connection.cursor(shadow.queries["list_written_parts"], swap["partition"], swap["epoch"])
        while rows := await cursor.fetch(_PARTS_AT_ONCE):
            record = AssembledRecord(
                epoch=swap["epoch"],
                owner=_NO_OWNER,
                partition=swap["partition"],
                origin=swap["applied_origin"],
                previous=swap["applied_origin"],
                fingerprint="",
                received_at=datetime.now(UTC),
                cost_parts=[CostPart(**dict(row)) for row in rows],
            )
            await sender.send(cost_messages(topics_of(prefix), [record], partitions))
