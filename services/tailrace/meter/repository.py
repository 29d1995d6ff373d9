"""What the meter reads of Postgres: stored cost parts on a miss, and how far each raw partition is applied. It writes nothing."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import asyncpg

from tailrace.meter.windows import Version, WindowKey
from tailrace.runtime.postgres import load_queries
from tailrace.wire.records import CostPart

StoredPart = tuple[int, Version, CostPart]


class Repository:
    """The statements of the meter. Raises the errors of asyncpg."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._queries = load_queries(Path(__file__).with_name("queries.sql"))

    async def load_parts(self, keys: Collection[WindowKey]) -> dict[WindowKey, list[StoredPart]]:
        """The stored parts of each of these windows."""
        columns = [[key[column] for key in keys] for column in range(len(WindowKey._fields))]
        rows = await self._pool.fetch(self._queries["load_parts"], *columns)
        found: dict[WindowKey, list[StoredPart]] = {key: [] for key in keys}
        for row in rows:
            key = WindowKey(row["project_id"], row["user_id"], row["model"], row["bucket"], row["bucket_start"])
            found[key].append((row["partition"], Version(row["epoch"], row["origin"]), _part(row)))
        return found

    async def read_applied(self) -> dict[int, Version]:
        """The current epoch and the applied origin of each raw partition."""
        rows = await self._pool.fetch(self._queries["read_applied"])
        return {row["partition"]: Version(row["epoch"], row["applied_origin"]) for row in rows}


def _part(row: Any) -> CostPart:
    return CostPart(**{field: row[field] for field in CostPart.__struct_fields__})
