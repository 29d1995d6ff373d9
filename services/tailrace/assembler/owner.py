"""The owner of one raw partition: takes an epoch, starts behind what Postgres has applied, folds in order, and acknowledges what is applied.

The rules, and what breaks without each, are in docs/decisions on positions. In short: a new owner fences the old one; the log must still
be the one that Postgres knows; a failed send, a gap or a foreign epoch ends this ownership, and the next one starts from Postgres.
"""

import asyncio
import time
from contextlib import suppress
from typing import Final, NamedTuple

from tailrace.assembler.batch import BatchFailedError, BatchFolder, FoldFailedError, RawRecord, Superseded
from tailrace.assembler.blame import Blame
from tailrace.assembler.encoding import TooLargeError, encode_batch
from tailrace.assembler.intake import GAP_SECONDS, Intake, RawLog
from tailrace.assembler.price_list import PriceList
from tailrace.assembler.repository import Epoch, Progress, Repository
from tailrace.assembler.sender import Sender, SendError
from tailrace.assembler.witness import Witness
from tailrace.runtime import metrics
from tailrace.runtime.beat import next_beat
from tailrace.runtime.failures import SuspiciousRunError, TooManyFailuresError
from tailrace.runtime.kafka import KAFKA_ERRORS, heartbeat_seconds
from tailrace.runtime.log import get_logger
from tailrace.runtime.postgres import OUTAGE_ERRORS
from tailrace.runtime.probes import Health
from tailrace.runtime.settings import Kafka, Processing
from tailrace.wire.topics import NewerHeadersError, Topics

log = get_logger(__name__)

NEWER_PAUSE_SECONDS: Final = 5.0
"""Between two looks at a record that a later release wrote: only another process can take it."""


class Tools(NamedTuple):
    """What every owner of a process shares."""

    log: RawLog
    repository: Repository
    sender: Sender
    prices: PriceList
    topics: Topics
    partitions: int
    limits: Processing
    health: Health
    witness: Witness
    fenced_pause_seconds: float


def fenced_pause_seconds(settings: Kafka) -> float:
    """After being fenced by another, wait for longer than a heartbeat: if the partition went to that other, this process learns it first."""
    return heartbeat_seconds(settings) + 1.0


EPOCH_ENDS: Final[tuple[type[BaseException], ...]] = (
    Superseded,
    FoldFailedError,
    BatchFailedError,
    TooLargeError,
    SendError,
    NewerHeadersError,
    *OUTAGE_ERRORS,
    *KAFKA_ERRORS,
)
"""What ends an epoch, and not the process."""


class Ending(NamedTuple):
    """Why an epoch ended (a metric label), and how long to wait before the next one."""

    cause: str
    pause_seconds: float
    traceback: bool = False


class Mark(NamedTuple):
    """What an owner knows at the moment in which Postgres is asked. `applied`: what it has seen applied."""

    epoch: int
    applied: int


class PartitionOwner:
    """One partition, from its assignment to its revocation, over any number of epochs."""

    def __init__(self, partition: int, tools: Tools) -> None:
        self.partition = partition
        self._tools = tools
        self._intake = Intake(partition, tools.log, max_bytes=tools.limits.max_unapplied_bytes)
        self._folder: BatchFolder | None = None
        self._fingerprint_due: str | None = None
        self._superseded: Superseded | None = None
        self._blame = Blame()
        self._acquitted = -1
        self._committed = -1
        self._reading = False
        self._in_hand: int | None = None
        self._wake = asyncio.Event()

    @property
    def name(self) -> str:
        return f"raw/{self.partition}"

    def offer(self, record: RawRecord) -> None:
        """Take a record from the log."""
        if self._intake.offer(record):
            self._wake.set()

    def mark(self) -> Mark | None:
        """To be taken before asking Postgres, and given to `observe` with the answer."""
        return None if self._folder is None else Mark(self._folder.epoch.number, self._folder.applied_seen)

    def observe(self, progress: Progress, asked: Mark | None) -> None:
        """Take note of where Postgres stands. An answer to a question from before this epoch says nothing."""
        folder = self._folder
        if folder is None or self._superseded is not None or asked is None or asked.epoch != folder.epoch.number:
            return
        try:
            folder.check(progress, asked.applied)
        except Superseded as superseded:
            self._supersede(superseded)
            return
        self._intake.settle(folder.applied_seen)
        self._report(folder)
        self._wake.set()

    async def acknowledge(self) -> None:
        """Commit what is applied to the consumer group, so that its lag is the distance between accepted and stored.

        Not before the log is known to be the one that it is applied of.
        """
        folder = self._folder
        if folder is not None and self._reading and folder.applied_seen != self._committed:
            committing = folder.applied_seen
            await self._tools.log.commit(self.partition, committing + 1)
            self._committed = committing

    async def run(self) -> None:
        """Own the partition until cancelled."""
        cause = "assigned"
        self._tools.health.report_progress(self.name, position=-1, lagging=True)
        try:
            while True:
                cause = await self._one_epoch(cause)
        finally:
            self._forget_metrics()

    async def _one_epoch(self, cause: str) -> str:
        """Take an epoch and work in it until it ends; returns why it did."""
        try:
            await self._own(cause)
        except EPOCH_ENDS as error:
            ending = self._learn_from(error)
            log.warning(
                "assembler.epoch.ended",
                partition=self.partition,
                cause=ending.cause,
                detail=str(error),
                exc_info=ending.traceback,
            )
            await asyncio.sleep(ending.pause_seconds)
            return ending.cause
        finally:
            self._end_epoch()
        return "ended"

    def _learn_from(self, error: BaseException) -> Ending:
        """Why the epoch ended, and what the next one must do otherwise. Raises what no epoch will do better."""
        match error:
            case Superseded():
                ending = Ending(error.cause, self._tools.fenced_pause_seconds if error.cause == "fenced" else 0.1)
            case FoldFailedError():
                self._blame.note_failure(error)
                ending = Ending("fold_failed", 0.1, traceback=True)
            case BatchFailedError():
                self._intake.take_singly(error.last)
                ending = Ending("batch_failed", 0.1, traceback=True)
            case TooLargeError():
                self._blame.note_too_large(error)
                ending = Ending("too_large", 0.1)
            case NewerHeadersError():
                self._tools.health.block(self.name, str(error))
                ending = Ending("newer_record", NEWER_PAUSE_SECONDS)
            case _:
                self._tools.health.block(self.name, f"{type(error).__name__}: {error}")
                ending = Ending("send_failed" if isinstance(error, SendError) else "outage", 1.0)
        return ending

    async def _own(self, cause: str) -> None:
        epoch = await self._acquire()
        metrics.assembler_epochs.labels(cause).inc()
        self._folder = await self._make_folder(epoch)
        await self._start_behind_applied(epoch)
        log.info(
            "assembler.epoch.taken",
            partition=self.partition,
            epoch=epoch.number,
            applied=epoch.applied_origin,
            cause=cause,
        )
        if cause not in ("send_failed", "newer_record"):
            self._tools.health.clear(self.name)
        while True:
            batch = await self._next_batch()
            self._in_hand = batch[0].offset
            await self._process(self._folder, batch)
            self._in_hand = None
            self._tools.health.clear(self.name)

    async def _make_folder(self, epoch: Epoch) -> BatchFolder:
        tools = self._tools
        budget = await tools.repository.read_budget(self.partition, epoch.applied_origin)
        budget.acquit(self._acquitted)
        return BatchFolder(
            epoch,
            tools.repository,
            tools.prices,
            max_state_bytes=tools.limits.max_state_bytes,
            max_spans=tools.limits.max_spans_per_trace,
            budget=budget,
        )

    async def _acquire(self) -> Epoch:
        while True:
            if self._tools.log.is_assigned(self.partition):
                epoch = await self._tools.repository.acquire_epoch(self.partition)
                if epoch is not None:
                    return epoch
                self._tools.health.block(self.name, "the partition stands still until an operator resumes it")
            await asyncio.sleep(1)

    async def _start_behind_applied(self, epoch: Epoch) -> None:
        """Check that the log still is the one that Postgres knows, and let reading start behind what is applied."""
        first, end = await self._tools.log.bounds(self.partition)
        applied = epoch.applied_origin
        self._blame.settle(applied)
        if first > applied + 1:
            await self._halt(epoch, f"the log begins at {first}, but only {applied} is applied: records are lost")
        if end < applied + 1:
            await self._halt(
                epoch, f"the log ends at {end}, but {applied} is applied already: it is shorter than what was read"
            )
        verify = epoch.fingerprint is not None and first <= applied
        self._fingerprint_due = epoch.fingerprint.hex() if verify and epoch.fingerprint is not None else None
        await self._intake.start(applied if verify else applied + 1)
        self._reading = True

    async def _halt(self, epoch: Epoch, reason: str) -> None:
        log.error("assembler.partition.halted", partition=self.partition, reason=reason)
        await self._tools.repository.halt_partition(epoch, reason)
        raise Superseded("halted")

    async def _find_guilty(self, epoch: Epoch, error: SuspiciousRunError) -> None:
        """Halt if the fault is ours; else it is the sender's, and the next epoch buries on. Raises Superseded."""
        accused = await self._tools.witness.accuses_us(self.partition, error.origin)
        if accused or (accused is None and not error.others_are_fine):
            await self._halt(epoch, str(error))
        log.warning("assembler.sender.odd", partition=self.partition, origin=error.origin, detail=str(error))
        self._acquitted = error.origin
        raise Superseded("sender_odd")

    async def _next_batch(self) -> list[RawRecord]:
        """The next records in order, once there is room for more unapplied ones."""
        while True:
            self._wake.clear()
            if self._superseded is not None:
                raise self._superseded
            await self._intake.find_way_back()
            if self._folder is not None:
                self._folder.release()
            if self._intake.is_ready:
                await self._check_fingerprint()
                await self._fill()
                if self._superseded is None and self._intake.is_ready:
                    return self._intake.take_batch()
                continue
            await self._wait(GAP_SECONDS)

    async def _fill(self) -> None:
        """Wait for a whole batch until the next beat."""
        beat = next_beat()
        while not self._intake.is_whole and self._superseded is None and (left := beat - time.monotonic()) > 0:
            self._wake.clear()
            await self._wait(left)

    async def _wait(self, seconds: float) -> None:
        """Until something has happened, for so long at most."""
        # Not wait_for: on Python 3.11 it swallows a cancellation that meets the event.
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()

    async def _check_fingerprint(self) -> None:
        if self._fingerprint_due is None or self._folder is None:
            return
        record = self._intake.take_first()
        if record.fingerprint() != self._fingerprint_due:
            await self._halt(
                self._folder.epoch, f"the log has another record at {record.offset} than the one that is applied"
            )
        self._fingerprint_due = None

    async def _process(self, folder: BatchFolder, batch: list[RawRecord]) -> None:
        started = time.monotonic()
        try:
            assembled = await folder.fold(batch, self._blame.doomed)
        except SuspiciousRunError as error:
            await self._find_guilty(folder.epoch, error)
            raise
        except TooManyFailuresError as error:
            await self._halt(folder.epoch, str(error))
            raise
        side, main = encode_batch(self._tools.topics, self._tools.partitions, batch, assembled)
        metrics.assembler_fold_seconds.observe(time.monotonic() - started)
        metrics.assembler_batch.observe(len(batch))
        await self._tools.sender.send(side)
        if self._superseded is not None:
            raise self._superseded
        self._note_folded(batch)
        await self._tools.sender.send(main)

    def _note_folded(self, batch: list[RawRecord]) -> None:
        label = str(self.partition)
        self._intake.note_folded(batch)
        metrics.assembler_records.labels(label).inc(len(batch))
        metrics.assembler_record_bytes.labels(label).inc(sum(record.bytes for record in batch))

    def _supersede(self, superseded: Superseded) -> None:
        self._superseded = superseded
        self._wake.set()

    def _end_epoch(self) -> None:
        """Throw away everything that belongs to the epoch."""
        self._folder = None
        self._fingerprint_due = None
        self._superseded = None
        self._committed = -1
        self._reading = False
        self._in_hand = None
        self._intake.clear()

    def _report(self, folder: BatchFolder) -> None:
        label = (self._tools.topics.raw, str(self.partition))
        intake, applied = self._intake, folder.applied_seen
        end = self._tools.log.end(self.partition)
        oldest = intake.oldest_received_at
        metrics.consumer_lag.labels(*label).set(0 if end is None else max(0, end - applied - 1))
        metrics.consumer_lag_seconds.labels(*label).set(0 if oldest is None else max(0.0, time.time() - oldest))
        metrics.consumer_position.labels(*label).set(applied + 1)
        metrics.assembler_unapplied.labels(str(self.partition)).set(intake.pending_bytes)
        metrics.assembler_state.labels(str(self.partition)).set(folder.state.bytes)
        self._report_progress()

    def _report_progress(self) -> None:
        """An owner must move while it starts, while it has a batch in hand, and while there is more to read and room for it."""
        intake = self._intake
        busy = not self._reading or self._in_hand is not None
        position = intake.position if self._in_hand is None else self._in_hand + self._steps
        lagging = busy or (intake.has_more() and intake.has_room)
        self._tools.health.report_progress(self.name, position=position, lagging=lagging)

    @property
    def _steps(self) -> int:
        return 0 if self._folder is None else self._folder.steps

    def _forget_metrics(self) -> None:
        label = (self._tools.topics.raw, str(self.partition))
        for gauge in (metrics.consumer_lag, metrics.consumer_lag_seconds, metrics.consumer_position):
            with suppress(KeyError):
                gauge.remove(*label)
        self._tools.health.forget(self.name)
        self._tools.health.clear(self.name)
