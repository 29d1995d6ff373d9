"""Rebuilding: the raw records of one partition's range in, folded by the assembler's code, written to the shadow by the sink's.

No Kafka lies between the two, but each assembled record is encoded and decoded as on its way through the topic. What fails twice, or is
too large, becomes a dead letter of the shadow as it does of the live tables; too many failures end the replay.
"""

from collections.abc import AsyncIterable, Sequence
from typing import Any, NamedTuple

import asyncpg

from tailrace.admin.command import OperatorError, ProgressLine
from tailrace.admin.raw_log import RawRecord as LoggedRecord
from tailrace.admin.shadow_span import Period
from tailrace.assembler.batch import BatchFailedError, BatchFolder, FoldFailedError, RawRecord, Superseded
from tailrace.assembler.blame import Blame
from tailrace.assembler.encoding import TooLargeError, encode_batch
from tailrace.assembler.intake import BATCH_BYTES, BATCH_RECORDS
from tailrace.assembler.price_list import PriceList
from tailrace.assembler.repository import Epoch, Progress
from tailrace.assembler.repository import Repository as AssemblerRepository
from tailrace.runtime.failures import FailureBudget, SuspiciousRunError, TooManyFailuresError
from tailrace.runtime.raw_record import RawOrigin
from tailrace.runtime.settings import Processing
from tailrace.sink.plan import Delivered
from tailrace.sink.repository import Repository as SinkRepository
from tailrace.sink.writer import PartitionWriter
from tailrace.wire.records import AssembledRecord, decode_record
from tailrace.wire.topics import Topics, decode_raw_headers


class Manner(NamedTuple):
    """How this release folds: its prices, its bounds, and the topics whose record limits hold. `live`: where projects configure their scores."""

    prices: PriceList
    live: "asyncpg.Pool[Any]"
    limits: Processing
    topics: Topics
    partitions: int


class Rebuilder:
    """Fills the shadow, one partition after another."""

    def __init__(self, pool: "asyncpg.Pool[Any]", manner: Manner, period: Period, progress: ProgressLine) -> None:
        self._pool = pool
        self._manner = manner
        self._period = period
        self._progress = progress

    async def rebuild(self, partition: int, records: AsyncIterable[LoggedRecord]) -> int:
        """Fold and write the records of one partition; returns how many were of the period's project. Raises OperatorError."""
        line = _Line(self._pool, partition, self._manner)
        count = 0
        batch: list[RawRecord] = []
        try:
            async for record in records:
                self._progress.advance()
                if not self._period.takes(record):
                    continue
                count += 1
                batch.append(RawRecord(record.offset, record.headers, record.value))
                if len(batch) >= BATCH_RECORDS or sum(one.bytes for one in batch) >= BATCH_BYTES:
                    await line.process(batch)
                    batch = []
            await line.process(batch)
        except TooManyFailuresError as error:
            raise OperatorError(
                f"this release cannot fold partition {partition}, so it is no measure: {error}"
            ) from error
        return count


class _Line:
    """One partition: an owner and a sink that take turns."""

    def __init__(self, pool: "asyncpg.Pool[Any]", partition: int, manner: Manner) -> None:
        self._partition = partition
        self._manner = manner
        self._budget = FailureBudget()
        self._repository = AssemblerRepository(pool, live=manner.live)
        self._writer = PartitionWriter(SinkRepository(pool), self._find_raw, lambda _: None)
        self._folder: BatchFolder | None = None
        self._position = 0
        self._in_hand: dict[int, RawRecord] = {}
        self._blame = Blame()
        self._singly_until = -1

    async def process(self, batch: Sequence[RawRecord]) -> None:
        """Fold and write these records, starting over behind what is written whenever something fails."""
        self._in_hand = {record.offset: record for record in batch}
        waiting = list(batch)
        while waiting:
            folder = self._folder or await self._own()
            waiting = [record for record in waiting if record.offset > folder.applied_seen]
            taken = waiting[:1] if waiting and waiting[0].offset <= self._singly_until else waiting
            try:
                if taken:
                    await self._write(folder, await self._fold(folder, taken))
            except (FoldFailedError, BatchFailedError, TooLargeError, SuspiciousRunError, Superseded) as error:
                self._learn_from(error)
                self._folder = None

    async def _own(self) -> BatchFolder:
        epoch: Epoch | None = await self._repository.acquire_epoch(self._partition)
        if epoch is None:
            raise OperatorError(f"this release cannot fold partition {self._partition}: its shadow stands still")
        limits = self._manner.limits
        self._folder = BatchFolder(
            epoch,
            self._repository,
            self._manner.prices,
            max_state_bytes=limits.max_state_bytes,
            max_spans=limits.max_spans_per_trace,
            budget=self._budget,
        )
        return self._folder

    async def _fold(self, folder: BatchFolder, batch: Sequence[RawRecord]) -> list[bytes]:
        """The assembled records as they would stand in their topic."""
        assembled = await folder.fold(batch, self._blame.doomed)
        _, main = encode_batch(self._manner.topics, self._manner.partitions, batch, assembled)
        return [message.value for message in main]

    async def _write(self, folder: BatchFolder, values: Sequence[bytes]) -> None:
        """Raises Superseded when the sink wants the owner to start over: Postgres refused a record."""
        delivered = [
            Delivered(self._position + number, decode_record(value, AssembledRecord))
            for number, value in enumerate(values)
        ]
        applied = await self._writer.apply(self._partition, delivered)
        self._position = applied.position
        progress: Progress = (await self._repository.read_progress([self._partition]))[self._partition]
        folder.check(progress, folder.applied_seen)
        folder.release()
        if applied.seek:
            raise Superseded("refused")

    def _learn_from(self, error: Exception) -> None:
        """As an owner does: one to blame is folded alone, and is a dead letter the second time."""
        if isinstance(error, BatchFailedError):
            self._singly_until = error.last
        elif isinstance(error, TooLargeError):
            self._blame.note_too_large(error)
        elif isinstance(error, FoldFailedError):
            self._blame.note_failure(error)
        elif isinstance(error, SuspiciousRunError):
            # There is nothing to try this release with here: that others could be folded must do.
            if not error.others_are_fine:
                raise error
            self._budget.acquit(error.origin)

    async def _find_raw(self, _: int, offset: int) -> RawOrigin:
        record = self._in_hand[offset]
        return RawOrigin(decode_raw_headers(dict(record.headers)), record.value)
