"""Assemblers and a sink over a real Postgres, with a raw log, a sender and an assembled topic in memory: every fault can be placed exactly."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from tailrace.assembler.app import Assembler
from tailrace.assembler.own_model_store import OwnModelStore
from tailrace.assembler.owner import Tools
from tailrace.assembler.price_list import PriceList
from tailrace.assembler.repository import Repository
from tailrace.assembler.state import PartitionState
from tailrace.assembler.witness import Witness
from tailrace.core.pricing import PriceTable, load_price_table
from tailrace.runtime.probes import Health
from tailrace.runtime.raw_record import RawGoneError, RawOrigin
from tailrace.runtime.resources import schemas
from tailrace.runtime.settings import Processing
from tailrace.runtime.tokens import TokenCounter
from tailrace.sink.plan import Delivered
from tailrace.sink.repository import Repository as SinkRepository
from tailrace.sink.writer import PartitionWriter
from tailrace.wire.records import AssembledRecord, BadRecordError, decode_record
from tests.events import Event
from tests.fakes import TOPICS, Clock, FakeRawLog, FakeSender, RawTopic, eventually

PRICES = load_price_table((schemas() / "prices.json").read_bytes())


class Worker:
    """One assembler process that may hold partition 0."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        topic: RawTopic,
        topics: dict[str, list[bytes]],
        *,
        limits: Processing | None = None,
        repository: Repository | None = None,
        prices: PriceTable = PRICES,
        tokens: TokenCounter | None = None,
    ) -> None:
        self._topic = topic
        self.log = FakeRawLog(topic)
        self.sender = FakeSender(topics)
        self.clock = Clock()
        self.health = Health("assembler", stall_seconds=60, clock=self.clock)
        self.health.started()
        self.repository = repository or Repository(pool)
        price_list = PriceList(prices, OwnModelStore(pool, kept_days=8), tokens=tokens)
        self.tools = Tools(
            log=self.log,
            repository=self.repository,
            sender=self.sender,
            prices=price_list,
            topics=TOPICS,
            partitions=1,
            limits=limits or Processing(),
            health=self.health,
            witness=Witness(self.repository, self._fetch_raw, price_list, limits or Processing()),
            fenced_pause_seconds=0.2,
        )
        self.assembler = Assembler(lambda: self.tools)
        self._stop = asyncio.Event()

    async def _fetch_raw(self, _: int, offset: int) -> RawOrigin:
        return read_raw(self._topic, offset)

    @property
    def state(self) -> PartitionState | None:
        """What the owner holds in its epoch."""
        folder = self.assembler._owners[0][0]._folder  # pyright: ignore[reportPrivateUsage]
        return None if folder is None else folder.state

    @asynccontextmanager
    async def running(self) -> AsyncGenerator["Worker"]:
        """The process with the partition assigned, until the block ends."""
        tasks = [
            asyncio.create_task(self.assembler.follow(self._stop)),
            asyncio.create_task(self.log.deliver(self.assembler.offer)),
        ]
        try:
            await self.assembler.assign([0])
            yield self
        finally:
            self._stop.set()
            await self.assembler.stop()
            tasks[1].cancel()
            await asyncio.wait(tasks)


class Sink:
    """One sink process. Without a memory of its own: each call reads on from the stored position."""

    def __init__(self, pool: asyncpg.Pool, topic: RawTopic, topics: dict[str, list[bytes]]) -> None:
        self._topic = topic
        self._topics = topics
        self.repository = SinkRepository(pool)
        self.writer = PartitionWriter(self.repository, self._fetch_raw, lambda _: None)

    async def apply(self, at_most: int = 1_000_000) -> int:
        """Apply a batch of at most so many records; returns how many there were to read."""
        position = (await self.repository.read_positions([0]))[0]
        values = self._topics.get(TOPICS.assembled, [])[position : position + at_most]
        if values:
            await self.writer.apply(
                0, [Delivered(position + number, _read(value)) for number, value in enumerate(values)]
            )
        return len(values)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator["Sink"]:
        """Apply whatever comes, until the block ends."""
        task = asyncio.create_task(self._run())
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled():
                task.result()

    async def _run(self) -> None:
        while True:
            if not await self.apply():
                await asyncio.sleep(0.02)

    async def _fetch_raw(self, _: int, offset: int) -> RawOrigin:
        return read_raw(self._topic, offset)


class World:
    """A database, a raw log and an assembled topic; any number of processes meet there."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self.pool = pool
        self.topic = RawTopic()
        self.topics: dict[str, list[bytes]] = {}
        self._workers: list[Worker] = []

    def worker(
        self,
        *,
        limits: Processing | None = None,
        repository: Repository | None = None,
        prices: PriceTable = PRICES,
        tokens: TokenCounter | None = None,
    ) -> Worker:
        worker = Worker(
            self.pool, self.topic, self.topics, limits=limits, repository=repository, prices=prices, tokens=tokens
        )
        self._workers.append(worker)
        return worker

    def sink(self) -> Sink:
        return Sink(self.pool, self.topic, self.topics)

    @property
    def assembled(self) -> list[AssembledRecord]:
        return FakeSender(self.topics).assembled

    async def progress(self) -> Mapping[str, Any]:
        """The progress row of partition 0."""
        row = await self.pool.fetchrow("select * from stream_progress where partition = 0")
        assert row is not None
        return dict(row)

    async def counts(self) -> tuple[int, int, int]:
        """Events accepted, applied and dead-lettered, of all projects."""
        row = await self.pool.fetchrow(
            """select coalesce(sum(accepted), 0)::int, coalesce(sum(applied), 0)::int, coalesce(sum(dead_lettered), 0)::int
               from event_counts"""
        )
        accepted, applied, dead_lettered = row or (0, 0, 0)
        return accepted, applied, dead_lettered

    async def clear(self) -> None:
        """A new raw log, a new assembled topic and empty tables; epochs go on."""
        self.topic = RawTopic()
        self.topics = {}
        await self.clear_rows()

    async def clear_rows(self) -> None:
        """Set the database back to its beginning, but for its epochs."""
        await self.pool.execute(
            """truncate traces, trace_bodies, observations, observation_bodies, scores, sessions, users, cost_parts,
               event_counts, dead_letters;
               update stream_progress set applied_origin = -1, applied_fingerprint = null, position = 0"""
        )

    async def all_applied(self, *, seconds: float = 15) -> None:
        """Wait until everything on the raw log is applied. Raises what has ended a worker."""

        async def is_applied() -> bool:
            for worker in self._workers:
                if worker.assembler.failed.done():
                    worker.assembler.failed.result()
            return bool((await self.progress())["applied_origin"] == self.topic.end - 1)

        await eventually(is_applied, seconds=seconds)

    async def halted(self, *, seconds: float = 15) -> str:
        """Wait until the partition stands still; returns the reason."""

        async def is_halted() -> bool:
            return (await self.progress())["halted_reason"] is not None

        await eventually(is_halted, seconds=seconds)
        return str((await self.progress())["halted_reason"])


def generation(trace: str, span: str, at: str = "2026-03-01T10:00:30Z", **body: Any) -> Event:
    """A generation that costs money."""
    whole = {"id": span, "traceId": trace, "startTime": at, "model": "gpt-4o-mini", "usage": {"input": 1000}, **body}
    return {"id": f"e-{trace}-{span}", "type": "generation-create", "timestamp": at, "body": whole}


def _read(value: bytes) -> AssembledRecord | None:
    try:
        return decode_record(value, AssembledRecord)
    except BadRecordError:
        return None


def read_raw(topic: RawTopic, offset: int) -> RawOrigin:
    """A raw record again, as `tailrace.runtime.raw_record` reads it."""
    record = topic.read(offset)
    if record is None:
        raise RawGoneError(f"the raw log begins at {topic.first}")
    return RawOrigin(topic.headers_of(offset), record.value)
