"""The real edge over a log in memory, whose records are folded and stored on a real Postgres: posts in, rows out."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final, Protocol

import asyncpg

from tailrace.assembler.batch import BatchFolder, RawRecord
from tailrace.assembler.price_list import PriceList
from tailrace.assembler.repository import Repository as AssemblerRepository
from tailrace.core.pricing import PriceTable
from tailrace.runtime.failures import FailureBudget
from tailrace.runtime.raw_record import RawOrigin
from tailrace.sink.plan import Delivered
from tailrace.sink.repository import Repository as SinkRepository
from tailrace.sink.writer import PartitionWriter
from tailrace.wire.records import AssembledRecord, decode_record, encode_record
from tailrace.wire.topics import decode_raw_headers
from tests.edge.fakes import EdgeUnderTest

TOGETHER: Final = 6
"""Records that are folded and applied together."""


class Post(Protocol):
    """What a client posts. `events`: how many of them the edge accepts."""

    @property
    def path(self) -> str: ...
    @property
    def body(self) -> bytes: ...
    @property
    def content_type(self) -> str: ...
    @property
    def content_encoding(self) -> str: ...
    @property
    def events(self) -> int: ...


async def store(pool: asyncpg.Pool, requests: Iterable[Post], *, prices: Sequence[PriceTable]) -> None:
    """Deliver to the edge, and fold and apply what it puts on its log. `prices`: of each partition, which `pool` must have progress rows of."""
    edge = EdgeUnderTest()
    edge.publisher.partitions = len(prices)
    async with edge.client:
        for request in requests:
            headers = {"content-type": request.content_type}
            if request.content_encoding:
                headers["content-encoding"] = request.content_encoding
            before = edge.publisher.events
            response = await edge.post(request.path, request.body, headers=headers)
            assert response.status_code in (200, 202, 207), response.text
            refused = response.json().get("errors", response.text)
            assert edge.publisher.events - before == request.events, refused
    logs: list[list[RawRecord]] = [[] for _ in prices]
    for record in edge.publisher.records:
        log = logs[record.partition]
        log.append(RawRecord(len(log), dict(record.headers.encode()), record.body))
    await asyncio.gather(*(_fold(pool, number, log, prices[number]) for number, log in enumerate(logs)))


async def _fold(pool: asyncpg.Pool, number: int, log: list[RawRecord], prices: PriceTable) -> None:
    """One partition from its first record to its last; state is let go as soon as it is applied."""

    async def fetch_raw(_: int, offset: int) -> RawOrigin:
        return RawOrigin(decode_raw_headers(dict(log[offset].headers)), log[offset].value)

    repository = AssemblerRepository(pool)
    epoch = await repository.acquire_epoch(number)
    assert epoch is not None
    folder = BatchFolder(
        epoch, repository, PriceList(prices), max_state_bytes=100_000, max_spans=50_000, budget=FailureBudget()
    )
    writer = PartitionWriter(SinkRepository(pool), fetch_raw, lambda _: None)
    position = 0
    for start in range(0, len(log), TOGETHER):
        chunks = [chunk for record in await folder.fold(log[start : start + TOGETHER], {}) for chunk in record]
        sent = [decode_record(encode_record(chunk), AssembledRecord) for chunk in chunks]
        position = (await writer.apply(number, [Delivered(position + at, one) for at, one in enumerate(sent)])).position
        folder.check((await repository.read_progress([number]))[number], folder.applied_seen)
        folder.release()
