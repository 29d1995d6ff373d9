"""The shadow: a schema beside the live tables, with every table of this release. Made by a replay, and dropped by the next one or by hand.

Connections of the shadow see nothing else: a statement that misses its table there fails, and never reaches a live one.
"""

import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, TypeAlias

import asyncpg
import msgspec

from tailrace.admin.command import OperatorError
from tailrace.admin.migrate import migrate
from tailrace.admin.raw_log import Bounds
from tailrace.runtime.postgres import load_queries, open_pool, require_dsn
from tailrace.runtime.settings import Postgres, Secret
from tailrace.sink.repository import create_stages

Connection: TypeAlias = "asyncpg.Connection[Any]"

_MARK: Final = "made by tailrace replay"
_LOCK: Final = 0x7461696C_0011
_name = re.compile(r"[a-z][a-z0-9_]{0,39}")
_statements = load_queries(Path(__file__).with_name("shadow.sql"))


class Shadow:
    """The schema `name` of one database. `queries`: the statements over it and the live tables."""

    def __init__(self, name: str) -> None:
        if _name.fullmatch(name) is None or name.startswith("pg_") or name in ("public", "information_schema"):
            raise OperatorError(f"expected --into with a new schema's name in small letters, got {name!r}")
        self.name = name
        self.queries: Mapping[str, str] = {
            key: statement.replace("{shadow}", name) for key, statement in _statements.items()
        }

    async def make(self, connection: Connection, settings: Postgres, spans: Mapping[int, Bounds]) -> None:
        """An empty shadow that is about to be filled from these ranges; what an earlier replay left there is dropped.

        Raises OperatorError when another replay fills it now, or the schema is not a replay's.
        """
        if not await connection.fetchval("select pg_try_advisory_lock($1)", _LOCK):
            raise OperatorError("another replay runs on this database: wait for its end")
        await self.drop(connection)
        await connection.execute(f"create schema {self.name}")
        await connection.execute(f"comment on schema {self.name} is '{_MARK}'")
        await migrate(self._settings(settings)[1], phase="all")
        await connection.execute(self.queries["make_bookkeeping"])
        await connection.executemany(
            self.queries["add_span"], [(partition, *bounds) for partition, bounds in spans.items()]
        )

    async def drop(self, connection: Connection) -> None:
        """Leave nothing of it. Raises OperatorError when the schema was not made by a replay."""
        found = await connection.fetchrow(self.queries["find_shadow"], self.name)
        if found is None:
            return
        if found["mark"] != _MARK:
            raise OperatorError(f"the schema {self.name} was not made by a replay: name another --into")
        await connection.execute("set client_min_messages = warning")
        await connection.execute(f"drop schema {self.name} cascade")

    @asynccontextmanager
    async def pool(self, settings: Postgres) -> AsyncGenerator["asyncpg.Pool[Any]"]:
        """Connections that see the shadow's tables only, prepared as a sink's are."""

        async def prepare(connection: Connection) -> None:
            # A pooler in between may drop the setting; the live tables would be written then.
            if await connection.fetchval("select array_to_string(current_schemas(false), ',')") != self.name:
                raise OperatorError(
                    "the connection does not keep its search_path: let TAILRACE_POSTGRES_DSN name Postgres itself"
                )
            await create_stages(connection)

        pool = await open_pool(self._settings(settings)[0], application="replay", prepare=prepare)
        try:
            yield pool
        finally:
            await pool.close()

    def _settings(self, settings: Postgres) -> tuple[Postgres, str]:
        dsn = require_dsn(settings)
        dsn += f"{'&' if '?' in dsn else '?'}search_path={self.name}"
        return msgspec.structs.replace(settings, dsn=Secret(dsn)), dsn
