"""`tailrace partition`: how far each raw partition is applied, and the operator's word that lets one that stands still go on.

Each such word is recorded in `stream_commands` with the operator, the reason and what it changed.
"""

import argparse

import asyncpg

from tailrace.admin.command import (
    QUERIES,
    OperatorError,
    add_action,
    login_name,
    open_connection,
    print_json,
    print_table,
    run_command,
)
from tailrace.admin.raw_log import Bounds, open_raw_log
from tailrace.runtime.settings import Settings
from tailrace.wire.topics import fingerprint_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="show|resume")
    show = add_action(actions, "show", "show where each partition stands, and why it stands still")
    show.add_argument("--json", action="store_true", help="print a JSON list")
    resume = add_action(actions, "resume", "let a partition that stands still go on")
    resume.add_argument(
        "--partition", type=int, required=True, metavar="N", help="as `tailrace partition show` names it"
    )
    resume.add_argument("--reason", required=True, metavar="TEXT", help="why this is right; it is recorded")
    resume.add_argument(
        "--accept-loss",
        action="store_true",
        help="go on at another place of the log: records of the old log, or between the places, are never applied",
    )
    resume.add_argument(
        "--applied-origin",
        type=int,
        metavar="N",
        help="with --accept-loss: take everything up to this offset as applied; one before the log's start applies all of it",
    )
    resume.add_argument("--operator", default=None, metavar="NAME", help="who says so (default: the login name)")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    actions = {"show": _show, "resume": _resume}
    return run_command(actions[arguments.action](arguments, settings))


async def _show(arguments: argparse.Namespace, settings: Settings) -> int:
    async with open_connection(settings.postgres) as connection:
        rows: list[asyncpg.Record] = await connection.fetch(QUERIES["list_progress"])
    async with open_raw_log(settings.kafka) as log:
        bounds = await log.bounds([row["partition"] for row in rows])
    shown = [_describe(row, bounds[row["partition"]]) for row in rows]
    if arguments.json:
        print_json(shown)
        return 0
    columns = ("partition", "appliedOrigin", "logStart", "logEnd", "lag", "epoch", "state")
    print_table(
        ["PARTITION", "APPLIED", "LOG START", "LOG END", "LAG", "EPOCH", "STATE"],
        [[one[column] for column in columns] for one in shown],
    )
    return 0


async def _resume(arguments: argparse.Namespace, settings: Settings) -> int:
    if arguments.accept_loss != (arguments.applied_origin is not None):
        raise OperatorError("expected --accept-loss and --applied-origin together, got only one of them")
    if not arguments.reason.strip():
        raise OperatorError("expected a --reason in words, got nothing")
    async with open_connection(settings.postgres) as connection, connection.transaction():
        row = _require_halted(
            await connection.fetchrow(QUERIES["lock_halted"], arguments.partition), arguments.partition
        )
        command, after = "resume", row["applied_origin"]
        if arguments.accept_loss:
            after = arguments.applied_origin
            command = await _name_loss(settings, arguments.partition, row, after)
        await connection.execute(
            QUERIES["record_command"],
            arguments.partition,
            command,
            arguments.operator or login_name(),
            arguments.reason,
            row["applied_origin"],
            after,
        )
        query = "resume_elsewhere" if arguments.accept_loss else "resume_partition"
        await connection.execute(QUERIES[query], arguments.partition, after)
    print(f"partition {arguments.partition} goes on after origin {after} (it stood still: {row['halted_reason']})")
    return 0


def _require_halted(row: asyncpg.Record | None, partition: int) -> asyncpg.Record:
    if row is None:
        raise OperatorError(f"there is no partition {partition}: `tailrace partition show` shows them")
    if row["halted_reason"] is None:
        raise OperatorError(f"partition {partition} does not stand still, so there is nothing to resume")
    return row


async def _name_loss(settings: Settings, partition: int, row: asyncpg.Record, origin: int) -> str:
    """What going on after `origin` means: a loss in the log that was applied so far, or another log. Raises OperatorError."""
    applied, fingerprint = row["applied_origin"], row["applied_fingerprint"]
    async with open_raw_log(settings.kafka) as log:
        first, end = (await log.bounds([partition]))[partition]
        last = await log.find(partition, applied)
    if not first - 1 <= origin <= end - 1:
        raise OperatorError(
            f"expected --applied-origin from {first - 1} (apply all that the log has) to {end - 1} (apply only what comes "
            f"from now on), got {origin}"
        )
    if end <= applied:
        return "accept-other-log"
    is_same = last is None or fingerprint is None or fingerprint_of(last.headers, last.value) == fingerprint.hex()
    return "accept-loss" if is_same else "accept-other-log"


def _describe(row: asyncpg.Record, bounds: Bounds) -> dict[str, object]:
    return {
        "partition": row["partition"],
        "appliedOrigin": row["applied_origin"],
        "logStart": bounds.first,
        "logEnd": bounds.end,
        "lag": max(0, bounds.end - row["applied_origin"] - 1),
        "epoch": row["epoch"],
        "owner": row["owner"],
        "position": row["position"],
        "state": "running" if row["halted_reason"] is None else f"stands still: {row['halted_reason']}",
        "haltedReason": row["halted_reason"],
        "appliedReceivedAt": row["applied_received_at"],
        "updatedAt": row["updated_at"],
    }
