"""What the auditor asks Postgres, and the audit's own tables, which are all that it writes. Raises the errors of asyncpg."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, NamedTuple

import asyncpg

from tailrace.auditor.ledger import Audited, Move, Snapshot, Stored
from tailrace.runtime.conservation import Count, Loss
from tailrace.runtime.postgres import load_queries

_QUERIES: Final = load_queries(Path(__file__).with_name("queries.sql"))
_STATEMENT_SECONDS: Final = 10


class Law(NamedTuple):
    """Two sums that must be equal. `bucket`, `wider`: kinds of windows; a bucket of None stands for observations, whose windows are minutes."""

    bucket: str | None
    wider: str


class Place(NamedTuple):
    """How far a walk over all money is; `project` None: at the beginning."""

    project: str | None
    law: int
    at: datetime | None


class Repository:
    """The statements of the auditor."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def read_snapshot(self) -> Snapshot:
        """Events as Postgres has them at one moment."""
        async with (
            self._pool.acquire() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            applied = await connection.fetch(_QUERIES["read_applied"])
            counts = await connection.fetch(_QUERIES["read_counts"])
            losses = await connection.fetch(_QUERIES["read_losses"])
            progress = await connection.fetch(_QUERIES["read_progress"])
            audited = await connection.fetch(_QUERIES["read_audited"])
        return Snapshot(
            applied={row[0]: row[1] for row in applied},
            counts={(row[0], row[1]): Count(row[2], row[3], row[4]) for row in counts},
            losses=[Loss(*row) for row in losses],
            stored={row[0]: Stored(row[1], row[2], row[3]) for row in progress},
            audited={(row[0], row[1]): Audited(row[2], row[3]) for row in audited},
        )

    async def begin(self, partition: int) -> None:
        """Count a partition from the log's first record."""
        await self._pool.execute(_QUERIES["begin"], partition)

    async def take_over(self, partition: int, given_up: Mapping[str, int]) -> None:
        """Believe what is counted of a partition now."""
        await self._pool.execute(_QUERIES["take_over"], partition, list(given_up), list(given_up.values()))

    async def advance(self, moves: Sequence[Move]) -> None:
        """Store what was counted. Of several auditors that counted the same, one does."""
        moves = sorted(moves, key=lambda one: one.partition)
        figures = [
            (project, move.partition, move.accepted[project], move.given_up[project])
            for move in moves
            for project in sorted(move.accepted.keys() | move.given_up.keys())
        ]
        columns: list[list[Any]] = [list(column) for column in zip(*figures, strict=True)] or [[], [], [], []]
        await self._pool.execute(
            _QUERIES["advance"],
            [move.partition for move in moves],
            [move.before for move in moves],
            [move.after for move in moves],
            [move.verified for move in moves],
            *columns,
        )

    async def next_project(self, after: str | None) -> str | None:
        """The next project that has observations or windows."""
        return await self._pool.fetchval(_QUERIES["next_project"], after or "")

    async def next_start(self, project: str, law: Law, start: datetime) -> datetime | None:
        """Where the next cost that a law speaks of is, from `start` on."""
        if law.bucket is None:
            return await self._pool.fetchval(_QUERIES["next_observed"], project, start)
        return await self._pool.fetchval(_QUERIES["next_windows"], project, start, law.bucket, law.wider)

    async def compare(self, project: str, law: Law, start: datetime, end: datetime) -> Decimal:
        """By how many USD the two sums of a law differ in [start, end)."""
        if law.bucket is None:
            return await self._pool.fetchval(_QUERIES["compare_observed"], project, start, end)
        return await self._pool.fetchval(_QUERIES["compare_windows"], project, start, end, law.bucket, law.wider)

    async def read_touched(self) -> dict[str, int]:
        """How often each partition of the observations was written to."""
        return {row[0]: row[1] for row in await self._pool.fetch(_QUERIES["read_touched"])}

    async def read_walk(self, name: str) -> tuple[Place, datetime | None]:
        """Where a walk stands, and when it last came to its end."""
        row = await self._pool.fetchrow(_QUERIES["read_walk"], name)
        return (Place(None, 0, None), None) if row is None else (Place(row[0], row[1], row[2]), row[3])

    async def save_walk(self, name: str, place: Place, completed_at: datetime | None) -> None:
        """Remember where a walk stands."""
        await self._pool.execute(_QUERIES["save_walk"], name, *place, completed_at)


async def prepare(connection: "asyncpg.Connection[Any]") -> None:
    """A connection of the auditor: no statement of it runs for long, or on several processors. Raises UndefinedTableError."""
    await connection.execute(
        f"set statement_timeout = '{_STATEMENT_SECONDS}s'; set max_parallel_workers_per_gather = 0"
    )
    await connection.execute(_QUERIES["check_tables"])
