"""Sending a repricing: what was appraised in, raw records to the traces' own partitions out, and the row that says who did it and why.

A page is noted once Kafka has its records. Whoever dies before that has sent something that is not noted; what was sent twice changes nothing.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import orjson

from tailrace import __version__
from tailrace.admin.appraisal import Appraised, Scope
from tailrace.admin.command import QUERIES, OperatorError
from tailrace.admin.reprice_pace import Pace
from tailrace.admin.reprice_report import Sums
from tailrace.core.model import ProjectId
from tailrace.core.price_terms import PriceTerms, dump_terms
from tailrace.wire.records import encode_record
from tailrace.wire.repricing import MOST_OBSERVATIONS, RepricedObservation, Repricing
from tailrace.wire.topics import RawHeaders, partition_of


class Order(NamedTuple):
    """An operator's word. `at`: later than that of every order before."""

    command: UUID
    at: datetime
    operator: str
    reason: str
    forced: bool


class RawSender:
    """The raw topic, written by an operator's command. Raises KAFKA_ERRORS."""

    def __init__(self, producer: Any, topic: str, partitions: int, pace: Pace) -> None:
        self.pace = pace
        self._producer = producer
        self._topic = topic
        self._partitions = partitions

    async def require_partitions(self) -> None:
        """Raises OperatorError unless the topic has the partitions that traces are spread over."""
        found: set[int] = await self._producer.partitions_for(self._topic)
        if len(found) != self._partitions:
            raise OperatorError(f"expected {self._partitions} partitions of {self._topic}, got {len(found)}")

    async def send(self, project_id: str, record: Repricing) -> tuple[int, int]:
        """Returns the partition and the offset once all in-sync replicas have it."""
        headers = RawHeaders(
            "repricing", ProjectId(project_id), time.time_ns() // 1_000, 1, "tailrace-reprice", __version__
        )
        partition = partition_of(project_id, record.trace_id, self._partitions)
        sent = await self._producer.send_and_wait(
            self._topic,
            encode_record(record),
            key=project_id.encode(),
            partition=partition,
            headers=headers.encode(),
        )
        return partition, sent.offset


class ProjectRepricing:
    """One order in one project."""

    def __init__(
        self, connection: "asyncpg.Connection[Any]", sender: RawSender, order: Order, scope: Scope, sums: Sums
    ) -> None:
        self._connection = connection
        self._sender = sender
        self._order = order
        self._scope = scope
        self._sums = sums
        self._last_origins: dict[int, int] = {}
        self.records = 0

    async def begin(self) -> None:
        """Note the order before anything is sent."""
        order, scope = self._order, self._scope
        await self._connection.execute(
            QUERIES["begin_repricing"],
            scope.project_id,
            order.command,
            scope.model,
            scope.start,
            scope.end,
            order.forced,
            order.operator,
            order.reason,
            order.at,
        )

    async def send(self, changes: Sequence[Appraised]) -> None:
        """1. Wait until the processors are near. 2. Send and await every ack. 3. Note what the sums have become."""
        await self._sender.pace.wait()
        records = list(_records(self._order, changes))
        sent = await asyncio.gather(*[self._sender.send(self._scope.project_id, one) for one in records])
        last_origins: dict[int, int] = {}
        for partition, offset in sent:
            last_origins[partition] = max(offset, last_origins.get(partition, -1))
        self._sender.pace.note(last_origins, len(changes))
        self._last_origins |= last_origins
        self.records += len(records)
        await self.note()

    async def note(self, *, is_done: bool = False) -> None:
        """Write down what is done so far."""
        sums = self._sums
        await self._connection.execute(
            QUERIES["note_repricing"],
            self._scope.project_id,
            self._order.command,
            sums.observations,
            sums.repeats,
            sums.before,
            sums.after,
            sums.closed.observations,
            orjson.dumps(self._last_origins, option=orjson.OPT_NON_STR_KEYS).decode(),
            is_done,
        )


def _records(order: Order, changes: Sequence[Appraised]) -> Iterator[Repricing]:
    traces: dict[str, list[Appraised]] = {}
    for one in changes:
        traces.setdefault(one.trace_id, []).append(one)
    for trace_id, members in traces.items():
        for start in range(0, len(members), MOST_OBSERVATIONS):
            yield _record(order, trace_id, members[start : start + MOST_OBSERVATIONS])


def _record(order: Order, trace_id: str, members: Sequence[Appraised]) -> Repricing:
    numbers: dict[str, int] = {}
    terms: list[PriceTerms] = []
    observations: list[RepricedObservation] = []
    for one in members:
        number = numbers.setdefault(dump_terms(one.terms), len(terms))
        if number == len(terms):
            terms.append(one.terms)
        observations.append(RepricedObservation(id=one.id, terms=number))
    return Repricing(
        command=order.command, commanded_at=order.at, trace_id=trace_id, terms=terms, observations=observations
    )
