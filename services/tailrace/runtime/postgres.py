"""Postgres: a pool with our manners, and the named statements of a service's `queries.sql`. No statement lives here."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import CoroutineType
from typing import Any, TypeAlias

import asyncpg

from tailrace.runtime import metrics
from tailrace.runtime.settings import Postgres, SettingsError

_server_settings = {
    "timezone": "UTC",
    "jit": "off",
    "idle_in_transaction_session_timeout": "10000",
    "lock_timeout": "10000",
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "10000",
}

Prepare: TypeAlias = "Callable[[asyncpg.Connection[Any]], CoroutineType[Any, Any, None]]"
"""What is run once on each new connection of a pool."""

OUTAGE_ERRORS: tuple[type[BaseException], ...] = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # what a connection says that has heard of the server's end and is not closed yet
    asyncpg.PostgresConnectionError,
    asyncpg.exceptions.OperatorInterventionError,
    asyncpg.exceptions.InsufficientResourcesError,
    asyncpg.exceptions.TransactionRollbackError,
    asyncpg.exceptions.LockNotAvailableError,
    asyncpg.exceptions.IdleInTransactionSessionTimeoutError,
    asyncpg.exceptions.ReadOnlySQLTransactionError,
    asyncpg.exceptions.ObjectNotInPrerequisiteStateError,
)
"""What means that Postgres cannot serve now, and not that it refuses this data: wait and try again."""

SCHEMA_ERRORS: tuple[type[BaseException], ...] = (asyncpg.exceptions.SyntaxOrAccessError,)
"""What means that the database is of another release, or not ours: no data's fault."""


def require_dsn(settings: Postgres) -> str:
    """The DSN. Raises SettingsError when none is set."""
    if settings.dsn is None:
        raise SettingsError(["TAILRACE_POSTGRES_DSN: expected the address of your Postgres, got nothing"])
    return settings.dsn.reveal()


async def open_pool(settings: Postgres, *, application: str, prepare: "Prepare | None" = None) -> "asyncpg.Pool[Any]":
    """A pool whose connections give up after 10 s of waiting for a lock, or of idling in a transaction.

    `prepare` is run once on each new connection.

    Raises one of OUTAGE_ERRORS if Postgres does not answer.
    """
    return await asyncpg.create_pool(
        require_dsn(settings),
        min_size=1,
        max_size=settings.pool_size,
        command_timeout=settings.statement_timeout_seconds,
        timeout=10,
        init=prepare,
        server_settings={**_server_settings, "application_name": f"tailrace-{application}"},
    )


def observe_pool(pool: "asyncpg.Pool[Any]") -> None:
    """Let the metrics follow the fill of this process's pool."""
    metrics.postgres_pool_size.set_function(pool.get_size)
    metrics.postgres_pool_used.set_function(lambda: pool.get_size() - pool.get_idle_size())


_heading = re.compile(r"^-- name: (?P<name>[a-z0-9_]+)$", re.MULTILINE)


def load_queries(file: Path) -> Mapping[str, str]:
    """The statements of a `queries.sql`: each stands under `-- name: x`. Raises ValueError on a name that comes twice."""
    text = file.read_text()
    headings = list(_heading.finditer(text))
    queries: dict[str, str] = {}
    for heading, following in zip(headings, [*headings[1:], None], strict=True):
        name = heading["name"]
        if name in queries:
            raise ValueError(f"{file}: the statement {name} stands there twice")
        queries[name] = text[heading.end() : following.start() if following else None].strip()
    return queries
