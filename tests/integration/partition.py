"""One raw partition without Kafka: the assembler's fold and the sink's writer over a real Postgres, driven by hand."""

from collections.abc import Sequence
from typing import Any

import asyncpg
import orjson

from tailrace.assembler.batch import BatchFolder, RawRecord
from tailrace.assembler.own_model_store import OwnModelStore
from tailrace.assembler.price_list import PriceList
from tailrace.assembler.repository import Repository as AssemblerRepository
from tailrace.core.pricing import load_price_table
from tailrace.runtime.failures import FailureBudget
from tailrace.runtime.raw_record import RawOrigin
from tailrace.runtime.resources import schemas
from tailrace.runtime.tokens import TokenCounter
from tailrace.sink.plan import Delivered
from tailrace.sink.repository import Repository as SinkRepository
from tailrace.sink.repository import create_stages
from tailrace.sink.writer import PartitionWriter
from tailrace.wire.deletions import encode_deletions
from tailrace.wire.records import AssembledRecord, decode_record, encode_record
from tailrace.wire.topics import RawHeaders, decode_raw_headers

PRICES = load_price_table((schemas() / "prices.json").read_bytes())
RECEIVED_US = 1_772_366_400_000_000


class Partition:
    """One partition of a database, 0 unless told: a raw log in a list, an owner, and a sink."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        number: int = 0,
        *,
        max_state_bytes: int = 1 << 30,
        max_spans: int = 50_000,
        tokens: TokenCounter | None = None,
    ) -> None:
        self.pool = pool
        self.number = number
        self.raw: list[RawRecord] = []
        self.assembled: list[bytes] = []
        self.repository = AssemblerRepository(pool)
        self.prices = PriceList(PRICES, OwnModelStore(pool, kept_days=8), tokens=tokens)
        self.folder: BatchFolder | None = None
        self._limits = (max_state_bytes, max_spans)
        self._position = 0
        self.writer = PartitionWriter(SinkRepository(pool), self._fetch_raw, lambda _: None)

    def append(
        self, events: Sequence[dict[str, Any]], *, project_id: str = "p", received_us: int | None = None
    ) -> None:
        """Put a batch of events on the raw log."""
        received = RECEIVED_US + len(self.raw) * 1_000 if received_us is None else received_us
        headers = RawHeaders("ingestion", project_id, received, len(events))  # pyright: ignore[reportArgumentType]
        self.raw.append(RawRecord(len(self.raw), dict(headers.encode()), orjson.dumps({"batch": events})))

    def append_deletion(self, *score_ids: str, project_id: str = "p") -> None:
        """Put a record that deletes scores on the raw log."""
        received = RECEIVED_US + len(self.raw) * 1_000
        headers = RawHeaders("deletions", project_id, received, len(score_ids))  # pyright: ignore[reportArgumentType]
        self.raw.append(RawRecord(len(self.raw), dict(headers.encode()), encode_deletions(score_ids)))

    async def own(self) -> BatchFolder:
        """Take a new epoch."""
        epoch = await self.repository.acquire_epoch(self.number)
        assert epoch is not None
        state_bytes, spans = self._limits
        self.folder = BatchFolder(
            epoch, self.repository, self.prices, max_state_bytes=state_bytes, max_spans=spans, budget=FailureBudget()
        )
        return self.folder

    async def fold(self, start: int, end: int) -> None:
        """Fold the raw records [start, end) and put what comes of it on the assembled log."""
        assert self.folder is not None
        for chunks in await self.folder.fold(self.raw[start:end], {}):
            self.assembled += [encode_record(chunk) for chunk in chunks]

    def delivered(self) -> list[Delivered]:
        """What the sink reads next: all that is assembled and not applied."""
        return [
            Delivered(offset, decode_record(self.assembled[offset], AssembledRecord))
            for offset in range(self._position, len(self.assembled))
        ]

    async def apply(self) -> int:
        """Let the sink apply what is on the assembled log; returns the applied origin, as the owner learns it."""
        while self._position < len(self.assembled):
            self._position = (await self.writer.apply(self.number, self.delivered())).position
        progress = (await self.repository.read_progress([self.number]))[self.number]
        if self.folder is not None and progress.owner == self.folder.epoch.owner:
            self.folder.check(progress, self.folder.applied_seen)
            self.folder.release()
        return progress.applied_origin

    async def _fetch_raw(self, _: int, offset: int) -> RawOrigin:
        record = self.raw[offset]
        return RawOrigin(decode_raw_headers(dict(record.headers)), record.value)


async def open_partition_pool(dsn: str) -> asyncpg.Pool:
    """A pool as the sink has it, over a database with the progress row of partition 0."""
    pool = await asyncpg.create_pool(dsn, min_size=1, max_size=3, init=create_stages)
    await pool.execute("insert into stream_progress (partition) values (0) on conflict do nothing")
    return pool


async def read_everything(pool: asyncpg.Pool) -> dict[str, list[str]]:
    """All that events decide, table by table, without times of receipt and without versions of writing."""
    tables = {
        "traces": ("last_received_at", "created_at", "updated_at", "amended"),
        "trace_bodies": (),
        "observations": ("created_at", "updated_at"),
        "observation_bodies": (),
        "scores": ("created_at", "updated_at"),
        "sessions": (),
        "users": (),
        "cost_parts": ("epoch", "origin"),
    }
    found: dict[str, list[str]] = {}
    for table, left_out in tables.items():
        rows = await pool.fetch(f"select to_jsonb(t) - $1::text[] as row from {table} t", list(left_out))
        found[table] = sorted(row["row"] for row in rows if not _is_empty_part(row["row"]))
    return found


async def sum_law_differences(pool: asyncpg.Pool) -> dict[str, Any]:
    """Σ windows minus Σ counted cost, by bucket; all 0 when the law holds."""
    rows = await pool.fetch(
        """select bucket, sum(cost) - (select coalesce(sum(total_cost), 0) from observations where counted) as difference
           from cost_parts group by bucket"""
    )
    return {row["bucket"]: row["difference"] for row in rows}


def _is_empty_part(row: str) -> bool:
    part = orjson.loads(row)
    figures = ("cost", "total_tokens", "generations", "errors", "traces")
    return "bucket" in part and not any(part[figure] for figure in figures)
