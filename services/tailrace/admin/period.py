"""`tailrace period`: which billing periods of a project are closed, so that repricing leaves them alone. Each word is a row that stays.

Closing holds against repricing only: events that come late still count where they belong.
"""

import argparse
from datetime import UTC, datetime
from typing import Any, Final

import asyncpg

from tailrace.admin.command import (
    QUERIES,
    OperatorError,
    add_action,
    login_name,
    no_project,
    open_connection,
    print_json,
    print_table,
    read_time,
    run_command,
)
from tailrace.runtime.settings import Settings

LOCK: Final = 0x7461696C_0020
"""The advisory lock of Postgres that repricing has while it runs, and whoever closes or reopens a period."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="close|reopen|list")
    close = add_action(actions, "close", "let no repricing change observations that start before a time")
    close.add_argument("--project", required=True, metavar="ID", help="the project")
    close.add_argument(
        "--before",
        type=read_time,
        required=True,
        metavar="DATE",
        help="the first day that stays open, such as 2026-03-01 (UTC), or a time",
    )
    close.add_argument("--reason", default=None, metavar="TEXT", help="why; it is recorded")
    reopen = add_action(actions, "reopen", "let repricing change them again")
    reopen.add_argument("--project", required=True, metavar="ID", help="the project")
    reopen.add_argument(
        "--before",
        type=read_time,
        default=None,
        metavar="DATE",
        help="up to when periods stay closed (default: all are open)",
    )
    reopen.add_argument("--reason", required=True, metavar="TEXT", help="why this is right; it is recorded")
    for action in (close, reopen):
        action.add_argument("--operator", default=None, metavar="NAME", help="who says so (default: the login name)")
    listing = add_action(actions, "list", "list up to when periods are closed, and who said so when")
    listing.add_argument("--project", default=None, metavar="ID", help="only this project's")
    listing.add_argument("--json", action="store_true", help="print a JSON list")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    actions = {"close": _close, "reopen": _reopen, "list": _list}
    return run_command(actions[arguments.action](arguments, settings))


async def take_lock(connection: "asyncpg.Connection[Any]") -> None:
    """Hold the lock until the connection ends. Raises OperatorError when another command has it."""
    if not await connection.fetchval(QUERIES["try_lock_repricing"], LOCK):
        raise OperatorError("a `tailrace reprice` or `tailrace period` is under way: wait for its end")


async def _close(arguments: argparse.Namespace, settings: Settings) -> int:
    project, before = arguments.project, arguments.before
    _check_texts(arguments)
    if before > datetime.now(UTC):
        raise OperatorError(
            f"expected --before in the past, got {_text(before)}: what is still to come cannot be closed"
        )
    async with open_connection(settings.postgres) as connection:
        closed = await _closed_before(connection, project)
        if closed is not None and before <= closed:
            raise OperatorError(f"the periods of {project} are closed before {_text(closed)} already")
        if await connection.fetchval(QUERIES["count_unapplied_repricings"], project):
            raise OperatorError(
                f"a repricing of {project} is not applied yet: `tailrace partition show` says how far partitions are"
            )
        await _record(connection, "close", before, arguments)
    print(f"closed {project} before {_text(before)}: no repricing changes what starts earlier")
    return 0


async def _reopen(arguments: argparse.Namespace, settings: Settings) -> int:
    project, before = arguments.project, arguments.before
    _check_texts(arguments)
    if not arguments.reason.strip():
        raise OperatorError("expected a --reason in words, got nothing")
    async with open_connection(settings.postgres) as connection:
        closed = await _closed_before(connection, project)
        if closed is None:
            raise OperatorError(f"no period of {project} is closed")
        if before is not None and before >= closed:
            raise OperatorError(
                f"expected a --before earlier than {_text(closed)}, up to which {project} is closed, got {_text(before)}"
            )
        await _record(connection, "reopen", before, arguments)
    still = "all its periods are open" if before is None else f"it is closed before {_text(before)} still"
    print(f"reopened {project} before {_text(closed)}: {still}")
    return 0


def _check_texts(arguments: argparse.Namespace) -> None:
    if any("\x00" in (text or "") for text in (arguments.project, arguments.reason, arguments.operator)):
        raise OperatorError("expected texts without U+0000")


async def _closed_before(connection: "asyncpg.Connection[Any]", project_id: str) -> datetime | None:
    """Under the lock. Raises OperatorError when there is no such project."""
    if await connection.fetchrow(QUERIES["find_project"], project_id) is None:
        raise no_project(project_id)
    await take_lock(connection)
    return await connection.fetchval(QUERIES["read_closed_before"], project_id)


async def _record(
    connection: "asyncpg.Connection[Any]", command: str, before: datetime | None, arguments: argparse.Namespace
) -> None:
    operator = arguments.operator or login_name()
    await connection.execute(QUERIES["record_period"], arguments.project, command, before, operator, arguments.reason)


async def _list(arguments: argparse.Namespace, settings: Settings) -> int:
    async with open_connection(settings.postgres) as connection:
        rows: list[asyncpg.Record] = await connection.fetch(QUERIES["list_periods"], arguments.project)
    if arguments.json:
        print_json([_as_json(row) for row in rows])
        return 0
    print_table(
        ["PROJECT", "CLOSED BEFORE", "HOLDS", "SAID", "OPERATOR", "REASON"],
        [
            (
                row["project_id"],
                None if row["closed_before"] is None else _text(row["closed_before"]),
                "yes" if row["is_latest"] else "no",
                f"{row['command']} {_text(row['created_at'])}",
                row["operator"],
                row["reason"],
            )
            for row in rows
        ],
    )
    return 0


def _as_json(row: asyncpg.Record) -> dict[str, object]:
    return {
        "project": row["project_id"],
        "command": row["command"],
        "closedBefore": row["closed_before"],
        "holds": row["is_latest"],
        "operator": row["operator"],
        "reason": row["reason"],
        "createdAt": row["created_at"],
    }


def _text(at: datetime) -> str:
    return at.strftime("%Y-%m-%d") if at == at.replace(hour=0, minute=0, second=0, microsecond=0) else at.isoformat()
