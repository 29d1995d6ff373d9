"""`tailrace dead-letters`: what could not be used, listed, shown, and sent once more through the raw log after the fault is mended."""

import argparse
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, get_args

import asyncpg

from tailrace.admin.command import (
    QUERIES,
    OperatorError,
    add_action,
    open_connection,
    print_json,
    print_table,
    run_command,
)
from tailrace.admin.dead_letter_replay import Identity, Selection, replay_letters
from tailrace.core.model import DiscardReason
from tailrace.runtime.settings import Settings

_REASONS: Final[Sequence[str]] = get_args(DiscardReason)
_SHOWN_BYTES: Final = 4000
_replay_epilog = """\
First mend what made them. What a letter holds is folded like any other event, so one that was applied meanwhile changes nothing; what dies again is a new letter.
A letter is replayed once unless --again is given. Exit code 1: some could not be replayed, and are named."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="list|show|replay")
    listing = add_action(actions, "list", "list dead letters, the newest first")
    _add_filters(listing)
    listing.add_argument("--limit", type=int, default=100, metavar="N", help="at most N of them (default: 100)")
    listing.add_argument("--json", action="store_true", help="print a JSON list")
    show = add_action(actions, "show", "show one dead letter with its bytes")
    show.add_argument("letter", type=_identity, metavar="PROJECT/PARTITION/ORIGIN/SEQUENCE", help="as `list` names it")
    show.add_argument("--raw", action="store_true", help="write only the bytes, unchanged, to stdout")
    replay = add_action(actions, "replay", "send dead letters through the raw log once more", epilog=_replay_epilog)
    replay.add_argument(
        "letter", type=_identity, nargs="?", metavar="PROJECT/PARTITION/ORIGIN/SEQUENCE", help="only this one"
    )
    _add_filters(replay)
    replay.add_argument("--all", action="store_true", help="those of all projects and reasons")
    replay.add_argument("--again", action="store_true", help="also those that were replayed before")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    actions = {"list": _list, "show": _show, "replay": _replay}
    return run_command(actions[arguments.action](arguments, settings))


def _add_filters(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--project", metavar="ID", help="only this project's")
    parser.add_argument("--reason", choices=_REASONS, help="only those with this reason")


def _identity(text: str) -> Identity:
    project, *numbers = text.rsplit("/", 3)
    if len(numbers) != 3 or not all(number.isdigit() for number in numbers):
        raise argparse.ArgumentTypeError(f"expected PROJECT/PARTITION/ORIGIN/SEQUENCE, got {text!r}")
    return Identity(project, *map(int, numbers))


async def _list(arguments: argparse.Namespace, settings: Settings) -> int:
    async with open_connection(settings.postgres) as connection:
        rows: list[asyncpg.Record] = await connection.fetch(
            QUERIES["list_dead_letters"], arguments.project, arguments.reason, arguments.limit
        )
        total = await connection.fetchval(QUERIES["count_dead_letters"], arguments.project, arguments.reason)
    if arguments.json:
        print_json([_letter_json(row) for row in rows])
        return 0
    print_table(
        ["LETTER", "REASON", "ENTITY", "BYTES", "RECEIVED", "REPLAYED", "DETAIL"],
        [
            (
                _name(row),
                row["reason"],
                row["entity"],
                row["bytes"],
                *map(_second, (row["received_at"], row["replayed_at"])),
                row["detail"],
            )
            for row in rows
        ],
    )
    if total > len(rows):
        print(f"{len(rows)} of {total} dead letters; --limit shows more")
    return 0


async def _show(arguments: argparse.Namespace, settings: Settings) -> int:
    async with open_connection(settings.postgres) as connection:
        row = await connection.fetchrow(QUERIES["find_dead_letter"], *arguments.letter)
    if row is None:
        raise OperatorError(
            f"there is no dead letter {'/'.join(map(str, arguments.letter))}: `tailrace dead-letters list` names them"
        )
    if arguments.raw:
        sys.stdout.buffer.write(row["payload"])
        sys.stdout.buffer.flush()
        return 0
    for name, value in _letter_json(row).items():
        shown = _second(value) if isinstance(value, datetime) else value
        print(f"{name:<12} {'-' if shown is None else shown}")
    print()
    print(_preview(row["payload"]))
    return 0


async def _replay(arguments: argparse.Namespace, settings: Settings) -> int:
    chosen = [arguments.letter, arguments.project, arguments.reason]
    if not arguments.all and not any(chosen):
        raise OperatorError("expected --project, --reason, one letter, or --all, got none of them")
    if (arguments.all and any(chosen)) or (arguments.letter and (arguments.project or arguments.reason)):
        raise OperatorError("expected --all or one letter without other filters, got them together")
    selection = Selection(arguments.project, arguments.reason, arguments.letter, again=arguments.again)
    outcome = await replay_letters(settings, selection)
    print(f"replayed {outcome.letters} dead letters in {outcome.records} records")
    for name in outcome.left_names:
        print(f"left {name}: {outcome.left_names[name]}")
    if outcome.left > len(outcome.left_names):
        print(f"left {outcome.left - len(outcome.left_names)} more")
    return 1 if outcome.left else 0


def _letter_json(row: asyncpg.Record) -> dict[str, Any]:
    return {
        "letter": _name(row),
        "project": row["project_id"],
        "reason": row["reason"],
        "detail": row["detail"],
        "entity": row["entity"],
        "kind": row["content_kind"],
        "bytes": row["bytes"],
        "receivedAt": row["received_at"],
        "createdAt": row["created_at"],
        "replayedAt": row["replayed_at"],
    }


def _name(row: asyncpg.Record) -> str:
    return f"{row['project_id']}/{row['partition']}/{row['origin']}/{row['sequence']}"


def _second(at: datetime | None) -> str | None:
    return None if at is None else at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _preview(payload: bytes) -> str:
    """The bytes as far as they are text, without what would move a terminal's cursor."""
    if not payload:
        return "(no bytes of its own: they are with sequence 0, or in the raw log at its origin)"
    shown = payload[:_SHOWN_BYTES].decode(errors="replace")
    text = "".join(one if one.isprintable() or one == "\n" else "\N{MIDDLE DOT}" for one in shown)
    rest = len(payload) - _SHOWN_BYTES
    return f"{text}\n… {rest} bytes more; --raw writes all" if rest > 0 else text
