"""The reference against the product without faults: whole worlds through edge, fold and sink; then rows are spoilt, and each must be found.

The edge is the real application over a log in memory; four partitions are folded and stored over a real Postgres.
"""

import asyncio
from collections.abc import AsyncGenerator

import asyncpg
import pytest

from tailrace.assembler.batch import BatchFolder, RawRecord
from tailrace.assembler.repository import Repository as AssemblerRepository
from tailrace.core.pricing import load_price_table
from tailrace.runtime.failures import FailureBudget
from tailrace.runtime.resources import schemas
from tailrace.sink.plan import Delivered
from tailrace.sink.repository import Repository as SinkRepository
from tailrace.sink.repository import create_stages
from tailrace.sink.writer import PartitionWriter, RawOrigin
from tailrace.wire.records import AssembledRecord, decode_record, encode_record
from tailrace.wire.topics import decode_raw_headers
from tests.chaos.truth import Request, Shape, World
from tests.chaos.verify import Findings, compare
from tests.edge.fakes import EdgeUnderTest

pytestmark = pytest.mark.integration

PROJECT = "project-a"
PARTITIONS = 4
BASE_US = 1_795_000_000_000_000
PRICES = load_price_table((schemas() / "prices.json").read_bytes())


@pytest.fixture
async def pool(postgres_dsn: str) -> AsyncGenerator[asyncpg.Pool]:
    pool = await asyncpg.create_pool(postgres_dsn, min_size=1, max_size=PARTITIONS, init=create_stages)
    await pool.execute("insert into stream_progress (partition) select generate_series(0, $1)", PARTITIONS - 1)
    yield pool
    await pool.close()


async def store(pool: asyncpg.Pool, requests: list[Request], *, together: int = 6) -> None:
    """Deliver to the edge, and fold and apply what it puts on its log."""
    edge = EdgeUnderTest()
    edge.publisher.partitions = PARTITIONS
    async with edge.client:
        for request in requests:
            headers = {"content-type": request.content_type}
            if request.content_encoding:
                headers["content-encoding"] = request.content_encoding
            before = edge.publisher.events
            response = await edge.post(request.path, request.body, headers=headers)
            assert response.status_code in (200, 202, 207), response.text
            assert edge.publisher.events - before == request.events, response.text
    logs: list[list[RawRecord]] = [[] for _ in range(PARTITIONS)]
    for record in edge.publisher.records:
        log = logs[record.partition]
        log.append(RawRecord(len(log), dict(record.headers.encode()), record.body))
    await asyncio.gather(*(_fold(pool, number, log, together) for number, log in enumerate(logs)))


async def _fold(pool: asyncpg.Pool, number: int, log: list[RawRecord], together: int) -> None:
    """One partition from its first record to its last; state is let go as soon as it is applied."""

    async def fetch_raw(_: int, offset: int) -> RawOrigin:
        return RawOrigin(decode_raw_headers(dict(log[offset].headers)), log[offset].value)

    repository = AssemblerRepository(pool)
    epoch = await repository.acquire_epoch(number)
    assert epoch is not None
    folder = BatchFolder(epoch, repository, PRICES, max_state_bytes=100_000, max_spans=50_000, budget=FailureBudget())
    writer = PartitionWriter(SinkRepository(pool), fetch_raw, lambda _: None)
    position = 0
    for start in range(0, len(log), together):
        for chunks in await folder.fold(log[start : start + together], {}):
            for chunk in chunks:
                record = decode_record(encode_record(chunk), AssembledRecord)
                await writer.apply(number, [Delivered(position, record)])
                position += 1
        folder.check((await repository.read_progress([number]))[number], folder.applied_seen)
        folder.release()


async def found(pool: asyncpg.Pool, world: World) -> Findings:
    async with pool.acquire() as connection:
        return await compare(connection, PROJECT, world.expected)


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_what_is_stored_of_a_world_is_the_truth(pool: asyncpg.Pool, seed: int) -> None:
    world = World(seed, Shape(text_bytes=120), base_us=BASE_US + seed * 3_600_000_000)

    await store(pool, world.requests())

    findings = await found(pool, world)
    assert findings.lines() == []
    assert findings.checked["observations"] == len(world.expected.observations)
    assert findings.checked["windows"] >= len(world.expected.windows()) > 100
