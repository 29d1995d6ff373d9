"""What the assembler reads of Postgres, and the two things it writes there: its epoch, and that a partition stands still.

Every read of state comes with the progress row of the same snapshot; a progress that is not the owner's own means that the world
has changed, and the owner must start over.
"""

import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple
from uuid import UUID, uuid4

import asyncpg
import msgspec
import orjson

from tailrace.assembler.entities import ObservationState, ScoreState, Sighting, TraceState, instant
from tailrace.assembler.hydration import (
    observation_from_row,
    part_from_row,
    score_from_row,
    sighting_from_row,
    trace_from_row,
)
from tailrace.assembler.state import EntityKeys, ScoreKey, SessionKey, SharedKeys, UserKey
from tailrace.core.contributions import Amounts, PartKey
from tailrace.core.repeats import MOST_MEMBERS
from tailrace.core.score_configs import CONFIG_LOCK, Category, ConfigVersion
from tailrace.runtime.failures import WINDOW_RECORDS, FailureBudget
from tailrace.runtime.postgres import load_queries

_categories: Final = msgspec.json.Decoder(tuple[Category, ...])


class Epoch(NamedTuple):
    """An ownership of a partition. `applied_origin`, `fingerprint`: of the last raw record that Postgres has applied."""

    partition: int
    number: int
    owner: UUID
    applied_origin: int
    fingerprint: bytes | None


class Progress(NamedTuple):
    """Where a partition stands in Postgres."""

    epoch: int
    owner: UUID | None
    applied_origin: int
    halted_reason: str | None = None


class LoadedEntities(NamedTuple):
    """Stored entities, as of `progress`."""

    progress: Progress
    traces: list[TraceState]
    observations: list[ObservationState]
    scores: list[ScoreState]


class LoadedShared(NamedTuple):
    """Stored rows that partitions share, as of `progress`."""

    progress: Progress
    users: list[tuple[UserKey, Sighting]]
    sessions: list[tuple[SessionKey, Sighting]]
    parts: list[tuple[PartKey, Amounts]]


class Extremes(NamedTuple):
    """First start and last end of a trace's stored observations, in microseconds; None if there are none."""

    progress: Progress
    first_start_us: int | None
    last_end_us: int | None


class Repository:
    """The statements of the assembler. Raises the errors of asyncpg. `live`: where what projects configure is read, if it is not in `pool`."""

    def __init__(self, pool: asyncpg.Pool, *, live: asyncpg.Pool | None = None) -> None:
        self._pool = pool
        self._live = live or pool
        self._queries = load_queries(Path(__file__).with_name("queries.sql"))

    async def acquire_epoch(self, partition: int) -> Epoch | None:
        """Become the owner of a partition; None if it stands still."""
        owner = uuid4()
        row = await self._pool.fetchrow(self._queries["acquire_epoch"], partition, time.time_ns() // 1_000_000, owner)
        if row is None:
            return None
        return Epoch(partition, row["epoch"], owner, row["applied_origin"], row["applied_fingerprint"])

    async def read_progress(self, partitions: Iterable[int]) -> dict[int, Progress]:
        """Where these partitions stand."""
        rows = await self._pool.fetch(self._queries["read_progress"], list(partitions))
        return {
            row["partition"]: Progress(row["epoch"], row["owner"], row["applied_origin"], row["halted_reason"])
            for row in rows
        }

    async def halt_partition(self, epoch: Epoch, reason: str) -> None:
        """Let the partition stand still until an operator decides; nothing happens if its owner is another by now."""
        await self._pool.execute(self._queries["halt_partition"], epoch.partition, epoch.number, epoch.owner, reason)

    async def last_used_origin(self, partition: int, up_to: int) -> int | None:
        """The last raw record of a partition, up to an origin, of which an event was applied."""
        return await self._pool.fetchval(self._queries["last_used_origin"], partition, up_to)

    async def read_budget(self, partition: int, origin: int) -> FailureBudget:
        """What failed for a fault of our own, and whose events were applied, within the partition's last records up to `origin`."""
        window = (partition, origin - WINDOW_RECORDS, origin)
        failed = await self._pool.fetch(self._queries["read_failures"], *window)
        fine = await self._pool.fetch(self._queries["read_fine"], *window)
        return FailureBudget(
            [(row["origin"], row["project_id"]) for row in failed],
            {row["project_id"]: row["last_applied_origin"] for row in fine},
        )

    async def load_entities(self, partition: int, keys: EntityKeys) -> LoadedEntities:
        """The stored ones of `keys`."""
        row = await self._one(
            "load_entities",
            partition,
            *_columns(keys.traces, 2),
            *_columns(keys.observations, 3),
            *_columns(keys.scores, 2),
            MOST_MEMBERS,
        )
        return LoadedEntities(
            _progress(row),
            [trace_from_row(found) for found in _rows(row["traces"])],
            [observation_from_row(found) for found in _rows(row["observations"])],
            [score_from_row(found) for found in _rows(row["scores"])],
        )

    async def load_shared(self, partition: int, keys: SharedKeys) -> LoadedShared:
        """The stored ones of `keys`, this partition's own."""
        projects, users, models, buckets, starts = _columns(keys.parts, 5)
        row = await self._one(
            "load_shared",
            partition,
            *_columns(keys.users, 2),
            *_columns(keys.sessions, 2),
            projects,
            users,
            models,
            buckets,
            [instant(start) for start in starts],
        )
        return LoadedShared(
            _progress(row),
            [((found["project_id"], found["id"]), sighting_from_row(found)) for found in _rows(row["users"])],
            [((found["project_id"], found["id"]), sighting_from_row(found)) for found in _rows(row["sessions"])],
            [part_from_row(found) for found in _rows(row["parts"])],
        )

    async def load_extremes(self, partition: int, trace: TraceState, except_ids: Sequence[str]) -> Extremes:
        """The extremes of a trace's stored observations but for `except_ids`."""
        row = await self._one("load_extremes", partition, trace.project_id, trace.id, sorted(trace.days), except_ids)
        return Extremes(_progress(row), row["first_start"], row["last_end"])

    async def load_score_configs(
        self, wanted: Sequence[ScoreKey], first_us: int, last_us: int
    ) -> dict[ScoreKey, list[ConfigVersion]]:
        """The versions of these configs, by project and id, that held at any time from `first_us` to `last_us`.

        None is missing that holds then, since a version's time is taken, ahead, under the lock that is shared here.
        """
        async with self._live.acquire() as connection, connection.transaction():
            await connection.execute(self._queries["lock_configuration"], CONFIG_LOCK)
            rows = await connection.fetch(
                self._queries["load_score_configs"], *_columns(wanted, 2), instant(first_us), instant(last_us)
            )
        found: dict[ScoreKey, list[ConfigVersion]] = {}
        for row in rows:
            found.setdefault((row["project_id"], row["id"]), []).append(_config_version(row))
        return found

    async def _one(self, query: str, *arguments: object) -> Any:
        row = await self._pool.fetchrow(self._queries[query], *arguments)
        if row is None:
            raise LookupError(f"expected one row of {query}, got none")
        return row


def _columns(keys: Iterable[tuple[Any, ...]], width: int) -> list[list[Any]]:
    rows = list(keys)
    return [[row[column] for row in rows] for column in range(width)]


def _rows(text: str | None) -> list[dict[str, Any]]:
    return [] if text is None else orjson.loads(text)


def _config_version(row: Any) -> ConfigVersion:
    return ConfigVersion(
        id=row["id"],
        name=row["name"],
        data_type=row["data_type"],
        min_value=row["min_value"],
        max_value=row["max_value"],
        categories=_categories.decode(row["categories"] or "[]"),
        is_archived=row["is_archived"],
        effective_us=row["effective_us"],
        superseded_us=row["superseded_us"],
    )


def _progress(row: Any) -> Progress:
    found: dict[str, Any] = orjson.loads(row["progress"])
    owner = found["owner"]
    return Progress(found["epoch"], None if owner is None else UUID(owner), found["applied_origin"])
