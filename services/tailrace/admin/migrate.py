"""`tailrace migrate`: the numbered SQL files of `schemas/db/migrations` in, a database of this release's schema out.

Each file is applied once, in one transaction that also records it; runs that meet wait for each other. `pre` files run before the
new release's processes start, `post` files when the old ones are gone. It also makes the day partitions that are due.
"""

import argparse
import hashlib
import itertools
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import asyncpg

from tailrace.admin.command import QUERIES, OperatorError, connect, run_command
from tailrace.runtime.partitions import DAYS_AHEAD, DAYS_BACK, ensure_day_partitions
from tailrace.runtime.postgres import require_dsn
from tailrace.runtime.resources import schemas
from tailrace.runtime.settings import Settings

Phase = Literal["pre", "post", "all"]

_LOCK: Final = 0x7461696C_0001
_file_name = re.compile(r"(?P<version>\d{4})_(?P<phase>pre|post)_[a-z0-9_]+\.sql")


class Migration(NamedTuple):
    """One file of the migrations' folder."""

    version: int
    phase: Literal["pre", "post"]
    name: str
    checksum: str
    sql: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--phase",
        choices=("pre", "post", "all"),
        default="all",
        help="pre: what the new release's processes need; post: what the old ones must be gone for (default: all)",
    )
    parser.add_argument("--dry-run", action="store_true", help="only tell what would be applied")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    dsn = require_dsn(settings.postgres)
    return run_command(_print_pending(dsn, arguments.phase) if arguments.dry_run else _migrate(dsn, arguments.phase))


async def migrate(dsn: str, *, phase: Phase = "all", folder: Path | None = None) -> list[str]:
    """Apply what is pending of `phase`, then make the day partitions that are due; returns the names of the files applied.

    Raises OperatorError when a file changed after it was applied, and Postgres's errors when a file cannot be applied.
    """
    migrations = read_migrations(folder or schemas() / "db" / "migrations")
    connection = await connect(dsn)
    try:
        applied: list[str] = []
        while (name := await _apply_next(connection, migrations, phase)) is not None:
            applied.append(name)
        if await connection.fetchval(QUERIES["has_partitioned_tables"]):
            await ensure_day_partitions(connection, *_due_days())
        return applied
    finally:
        await connection.close()


def read_migrations(folder: Path) -> list[Migration]:
    """The migrations of a folder in their order. Raises OperatorError when a name is not like `0001_pre_what.sql`, or a number stands twice."""
    migrations: list[Migration] = []
    for file in sorted(folder.glob("*.sql")):
        match = _file_name.fullmatch(file.name)
        if match is None:
            raise OperatorError(f"expected migrations named like 0001_pre_what.sql, got {file.name}")
        data = file.read_bytes()
        phase: Literal["pre", "post"] = "pre" if match["phase"] == "pre" else "post"
        checksum = hashlib.sha256(data).hexdigest()
        migrations.append(Migration(int(match["version"]), phase, file.stem, checksum, data.decode()))
    for one, following in itertools.pairwise(migrations):
        if one.version == following.version:
            raise OperatorError(f"expected one migration for each number, got {one.name} and {following.name}")
    return migrations


async def _migrate(dsn: str, phase: Phase) -> int:
    applied = await migrate(dsn, phase=phase)
    for name in applied:
        print(f"applied {name}")
    if not applied:
        print("nothing to apply: the schema is this release's")
    return 0


async def _print_pending(dsn: str, phase: Phase) -> int:
    migrations = read_migrations(schemas() / "db" / "migrations")
    connection = await connect(dsn)
    try:
        exists = await connection.fetchval(QUERIES["has_schema_migrations"])
        pending = _pending(migrations, await _checksums(connection) if exists else {}, phase)
    finally:
        await connection.close()
    for migration in pending:
        print(f"would apply {migration.name}")
    if not pending:
        print("nothing to apply: the schema is this release's")
    return 0


async def _apply_next(connection: "asyncpg.Connection[Any]", migrations: list[Migration], phase: Phase) -> str | None:
    async with connection.transaction():
        await connection.execute("select pg_advisory_xact_lock($1)", _LOCK)
        await connection.execute(QUERIES["create_schema_migrations"])
        pending = _pending(migrations, await _checksums(connection), phase)
        if not pending:
            return None
        migration = pending[0]
        try:
            await connection.execute("set local lock_timeout = '10s'")
            await connection.execute(migration.sql)
        except asyncpg.PostgresError as error:
            raise OperatorError(f"{migration.name} cannot be applied, nothing of it was kept: {error}") from error
        await connection.execute(QUERIES["record_migration"], migration.version, migration.name, migration.checksum)
        return migration.name


async def _checksums(connection: "asyncpg.Connection[Any]") -> dict[int, tuple[str, str]]:
    rows = await connection.fetch(QUERIES["list_migrations"])
    return {row["version"]: (row["name"], row["checksum"]) for row in rows}


def _pending(migrations: list[Migration], applied: dict[int, tuple[str, str]], phase: Phase) -> list[Migration]:
    for migration in migrations:
        name, checksum = applied.get(migration.version, (migration.name, migration.checksum))
        if (name, checksum) != (migration.name, migration.checksum):
            raise OperatorError(
                f"{migration.name} is not what was applied as {name}: applied migrations never change, write a new one"
            )
    pending = [migration for migration in migrations if migration.version not in applied]
    before = [migration.name for migration in pending if migration.phase == "pre"]
    if phase == "post" and before:
        raise OperatorError(f"{before[0]} comes first: run `tailrace migrate --phase pre`")
    return [migration for migration in pending if phase in ("all", migration.phase)]


def _due_days() -> tuple[date, date]:
    today = datetime.now(UTC).date()
    return today - timedelta(days=DAYS_BACK), today + timedelta(days=DAYS_AHEAD)
