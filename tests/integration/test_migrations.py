"""The migrations and `schema.sql` make the same database, and every unique key of it starts from the project."""

import asyncio
import shutil
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tailrace.admin.command import OperatorError
from tailrace.admin.migrate import migrate, read_migrations
from tailrace.runtime.resources import schemas

pytestmark = pytest.mark.integration

REFERENCE_TABLES = {
    "organizations",
    "api_keys",
    "edges",
    "prompt_caches",
    "streams",
    "stream_progress",
    "stream_commands",
    "replay_swaps",
    "audit_progress",
    "audit_walks",
}
"""Small tables that every node of a cluster holds whole: their keys need no project."""

BOOKKEEPING = "schema_migrations"

_describe = r"""
    with ours as (
        select c.oid, c.relname, c.relkind
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname = 'public' and c.relname <> $1 and c.relname !~ '_\d{8}(_|$)' and c.relname not like $1 || '%'
    )
    select format('%s %s', relkind, relname) as line from ours
    union all
    select format('column %s.%s %s%s default %s %s', relname, a.attname, format_type(a.atttypid, a.atttypmod),
                  case when a.attnotnull then ' not null' else '' end, pg_get_expr(d.adbin, d.adrelid), a.attidentity)
    from ours join pg_attribute a on a.attrelid = ours.oid and a.attnum > 0 and not a.attisdropped
        left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    union all
    select format('constraint %s.%s %s', relname, conname, pg_get_constraintdef(k.oid))
    from ours join pg_constraint k on k.conrelid = ours.oid
    union all
    select format('index %s %s', relname, pg_get_indexdef(ours.oid)) from ours where relkind in ('i', 'I')
    union all
    select format('trigger %s %s', relname, pg_get_triggerdef(t.oid)) from ours join pg_trigger t on t.tgrelid = ours.oid
    where not t.tgisinternal
    union all
    select format('partition %s %s', ours.relname, pg_get_expr(c.relpartbound, c.oid))
    from ours join pg_class c using (oid) where c.relispartition
    union all
    select format('partitioned %s %s', relname, pg_get_partkeydef(ours.oid)) from ours where relkind = 'p'
    union all
    select pg_get_functiondef(p.oid) from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname = 'public'
    order by 1
"""

_unique_keys = """
    select c.relname as table_name, i.indexrelid::regclass::text as key, array_agg(a.attname::text) as columns
    from pg_index i join pg_class c on c.oid = i.indrelid join pg_namespace n on n.oid = c.relnamespace
        join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any (i.indkey)
    where i.indisunique and n.nspname = 'public'
    group by 1, 2
"""


async def test_the_migrations_and_the_schema_file_make_the_same_database(
    postgres_dsn: str, empty_postgres_dsn: str
) -> None:
    await _execute(empty_postgres_dsn, (schemas() / "db" / "schema.sql").read_text())

    migrated, written = await _described(postgres_dsn), await _described(empty_postgres_dsn)

    assert len(written) > 100
    assert migrated - written == set(), "schema.sql lacks this"
    assert written - migrated == set(), "the migrations lack this"


async def test_every_unique_key_contains_the_project(postgres_dsn: str) -> None:
    keys = await _fetch(postgres_dsn, _unique_keys)

    without = {key["table_name"] for key in keys if "project_id" not in key["columns"]}

    assert without == REFERENCE_TABLES | {BOOKKEEPING}


async def test_a_second_run_applies_nothing(empty_postgres_dsn: str) -> None:
    first = await migrate(empty_postgres_dsn)

    assert first[0] == "0001_pre_initial"
    assert await migrate(empty_postgres_dsn) == []


async def test_runs_that_meet_apply_each_migration_once(empty_postgres_dsn: str) -> None:
    runs = await asyncio.gather(*(migrate(empty_postgres_dsn) for _ in range(4)))

    applied = sorted(name for names in runs for name in names)
    assert applied == sorted(one.name for one in read_migrations(schemas() / "db" / "migrations"))


async def test_a_changed_migration_is_refused(empty_postgres_dsn: str, tmp_path: Path) -> None:
    folder = _copy_migrations(tmp_path)
    await migrate(empty_postgres_dsn, folder=folder)
    with (folder / "0001_pre_initial.sql").open("a") as file:
        file.write("-- changed\n")

    with pytest.raises(OperatorError, match="0001_pre_initial is not what was applied"):
        await migrate(empty_postgres_dsn, folder=folder)


async def test_a_migration_that_fails_leaves_nothing_of_itself_and_keeps_those_before(
    empty_postgres_dsn: str, tmp_path: Path
) -> None:
    folder = _copy_migrations(tmp_path)
    (folder / "9000_pre_good.sql").write_text("create table good (project_id text primary key);")
    (folder / "9001_pre_bad.sql").write_text("create table half (project_id text); select 1 / 0;")

    with pytest.raises(OperatorError, match="9001_pre_bad cannot be applied, nothing of it was kept: division by zero"):
        await migrate(empty_postgres_dsn, folder=folder)

    tables = await _fetch(empty_postgres_dsn, "select to_regclass('good') as good, to_regclass('half') as half")
    assert tables[0]["good"] == "good"
    assert tables[0]["half"] is None


async def test_phases_apply_before_and_after_the_release(empty_postgres_dsn: str, tmp_path: Path) -> None:
    folder = _copy_migrations(tmp_path)
    (folder / "9000_post_drop.sql").write_text("create table later (project_id text primary key);")
    (folder / "9001_pre_add.sql").write_text("create table sooner (project_id text primary key);")

    with pytest.raises(OperatorError, match="0001_pre_initial comes first"):
        await migrate(empty_postgres_dsn, phase="post", folder=folder)
    before = await migrate(empty_postgres_dsn, phase="pre", folder=folder)
    after = await migrate(empty_postgres_dsn, phase="post", folder=folder)

    assert "9001_pre_add" in before
    assert "9000_post_drop" not in before
    assert after == ["9000_post_drop"]


def _copy_migrations(folder: Path) -> Path:
    return Path(shutil.copytree(schemas() / "db" / "migrations", folder / "migrations"))


async def _described(dsn: str) -> set[str]:
    return {row["line"] for row in await _fetch(dsn, _describe, BOOKKEEPING)}


async def _fetch(dsn: str, statement: str, *values: object) -> list[dict[str, Any]]:
    connection = await asyncpg.connect(dsn)
    try:
        return [dict(row) for row in await connection.fetch(statement, *values)]
    finally:
        await connection.close()


async def _execute(dsn: str, script: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(script)
    finally:
        await connection.close()
