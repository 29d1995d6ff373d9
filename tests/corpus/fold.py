"""Folding and applying the corpus with today's code over a real Postgres, one partition by hand."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from tailrace.assembler.batch import BatchFolder, RawRecord
from tailrace.assembler.price_list import PriceList
from tailrace.assembler.repository import Repository
from tailrace.core.pricing import PriceTable
from tailrace.runtime.failures import FailureBudget
from tailrace.runtime.raw_record import RawOrigin
from tailrace.sink.plan import Delivered
from tailrace.sink.repository import Repository as SinkRepository
from tailrace.sink.writer import PartitionWriter
from tailrace.wire.records import AssembledRecord, decode_record, encode_record
from tests.integration.partition import read_everything

OWNER = UUID("00000000-0000-4000-8000-000000000001")
EPOCH = 1


async def fold_corpus(pool: asyncpg.Pool, raw: Sequence[RawRecord], prices: PriceTable) -> list[bytes]:
    """Fold and apply all of it; returns the assembled records."""
    await _own(pool)
    repository = Repository(pool)
    epoch = await repository.acquire_epoch(0)
    assert epoch is not None
    folder = BatchFolder(
        epoch._replace(number=EPOCH, owner=OWNER),
        repository,
        PriceList(prices),
        max_state_bytes=1 << 30,
        max_spans=50_000,
        budget=FailureBudget(),
    )
    await _own(pool)
    values = [encode_record(chunk) for chunks in await folder.fold(raw, {}) for chunk in chunks]
    await apply_assembled(pool, values)
    return values


async def apply_assembled(pool: asyncpg.Pool, values: Sequence[bytes]) -> None:
    """Let today's sink apply assembled records of their fixed owner."""
    await _own(pool)
    writer = PartitionWriter(SinkRepository(pool), _no_raw, lambda _: None)
    delivered = [Delivered(offset, decode_record(value, AssembledRecord)) for offset, value in enumerate(values)]
    applied = await writer.apply(0, delivered)
    assert applied.position == len(values)


async def readable_rows(pool: asyncpg.Pool) -> dict[str, list[dict[str, Any]]]:
    """All rows that events decide, parsed."""
    return {table: [orjson.loads(row) for row in rows] for table, rows in (await read_everything(pool)).items()}


async def _own(pool: asyncpg.Pool) -> None:
    await pool.execute("update stream_progress set epoch = $1, owner = $2 where partition = 0", EPOCH, OWNER)


async def _no_raw(partition: int, offset: int) -> RawOrigin:
    raise AssertionError(
        f"the sink asked for the raw record {partition}/{offset}: Postgres refused a record of the corpus"
    )
