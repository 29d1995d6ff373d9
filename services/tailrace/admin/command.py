"""What operator commands share: one event loop, one sentence for a failure, rows printed as a table or as JSON."""

import argparse
import asyncio
import getpass
import logging
import sys
import time
from collections.abc import AsyncGenerator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import asyncpg
import msgspec
import orjson
from aiokafka.errors import KafkaError

from tailrace.runtime.kafka import KAFKA_ERRORS, make_admin, require_bootstrap_servers
from tailrace.runtime.postgres import OUTAGE_ERRORS, load_queries, require_dsn
from tailrace.runtime.settings import Kafka, Postgres

QUERIES: Final[Mapping[str, str]] = load_queries(Path(__file__).with_name("queries.sql"))
"""The statements of the operator commands."""

_tell_seconds = 0.5


class OperatorError(Exception):
    """The command cannot do what it was asked to; the message is one sentence for the operator."""


def add_action(actions: Any, name: str, meaning: str, *, epilog: str | None = None) -> argparse.ArgumentParser:
    """An action of a command, such as `tenant list`; its `--help` begins with the meaning that the command's lists."""
    description = f"{meaning[0].upper()}{meaning[1:]}."
    parser: argparse.ArgumentParser = actions.add_parser(name, help=meaning, description=description, epilog=epilog)
    return parser


def no_project(project_id: str) -> OperatorError:
    """What to raise when there is no such project."""
    return OperatorError(f"there is no project {project_id}: `tailrace tenant list` shows them")


def run_command(body: Coroutine[Any, Any, int]) -> int:
    """Run the body of a command; returns its exit code, 1 after one sentence on stderr when it failed."""
    # Its failures reach the operator as the sentence below.
    logging.getLogger("aiokafka").addHandler(logging.NullHandler())
    try:
        return asyncio.run(body)
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except OperatorError as error:
        sentence = str(error)
    except asyncpg.UndefinedTableError as error:
        sentence = f"the database lacks a part of this release's schema ({error}): run `tailrace migrate`"
    except asyncpg.PostgresError as error:
        sentence = f"Postgres refused this: {error}"
    except KafkaError as error:
        sentence = f"Kafka did not do this: {name_error(error)}"
    except (OSError, asyncpg.InterfaceError) as error:
        sentence = f"a connection broke: {name_error(error)}"
    print(f"tailrace: {sentence}", file=sys.stderr)
    return 1


@asynccontextmanager
async def open_connection(settings: Postgres) -> "AsyncGenerator[asyncpg.Connection[Any]]":
    """A connection while the block runs. Raises OperatorError when Postgres does not answer."""
    connection = await connect(require_dsn(settings))
    try:
        yield connection
    finally:
        await connection.close()


async def connect(dsn: str) -> "asyncpg.Connection[Any]":
    """A connection that the caller closes. Raises OperatorError when Postgres does not answer."""
    try:
        return await asyncpg.connect(
            dsn, timeout=10, server_settings={"timezone": "UTC", "application_name": "tailrace-admin"}
        )
    except (*OUTAGE_ERRORS, asyncpg.PostgresError, ValueError) as error:
        raise OperatorError(f"Postgres cannot be reached by TAILRACE_POSTGRES_DSN: {name_error(error)}") from error


@asynccontextmanager
async def open_kafka(client: Any, settings: Kafka) -> AsyncGenerator[Any]:
    """Start an admin client, a producer or a consumer and stop it after the block. Raises OperatorError when no broker answers."""
    close = getattr(client, "stop", None) or client.close
    try:
        await client.start()
    except KAFKA_ERRORS as error:
        await close()
        raise OperatorError(
            f"no broker answers at {require_bootstrap_servers(settings)}: {name_error(error)}"
        ) from error
    try:
        yield client
    finally:
        await close()


@asynccontextmanager
async def open_admin(settings: Kafka) -> AsyncGenerator[Any]:
    """An admin client while the block runs. Raises OperatorError when no broker answers."""
    async with open_kafka(make_admin(settings), settings) as admin:
        yield admin


def name_error(error: BaseException) -> str:
    """The text of an error, or its name where it has none."""
    return " ".join(str(error).split()) or type(error).__name__


def login_name() -> str:
    """Who runs this command. Raises OperatorError when the login has no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        raise OperatorError("this login has no name, expected --operator NAME") from None


def read_time(text: str) -> datetime:
    """An argument that is an ISO 8601 time, or a day, which is its beginning; UTC if it names no zone."""
    try:
        at = datetime.fromisoformat(text)
        return at.astimezone(UTC) if at.tzinfo is not None else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"expected a time such as 2026-03-01T12:00Z, got {text!r}") from None


def print_json(value: object) -> None:
    """Indented JSON on stdout; decimals are strings with all their digits, never with an exponent."""
    print(orjson.dumps(value, default=_json_value, option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z).decode())


def _json_value(value: object) -> object:
    return f"{value:f}" if isinstance(value, Decimal) else msgspec.to_builtins(value, builtin_types=(Decimal,))


def print_table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Aligned columns on stdout; numbers stand to the right, nothing is a dash."""
    texts = [["-" if cell is None or cell == "" else str(cell) for cell in row] for row in rows]
    widths = [max(len(line[column]) for line in [list(headings), *texts]) for column in range(len(headings))]
    right = [all(isinstance(row[column], int | None) for row in rows) and bool(rows) for column in range(len(headings))]
    for line in [list(headings), *texts]:
        cells = [
            text.rjust(width) if numeric else text.ljust(width)
            for text, width, numeric in zip(line, widths, right, strict=True)
        ]
        print("  ".join(cells).rstrip())


class ProgressLine:
    """A line on a terminal that tells how far a long command is, by a text with {done} and {total}; nothing where no one looks."""

    def __init__(self, text: str, total: int) -> None:
        self._text, self._total = text, total
        self._done, self._told_at, self._is_shown = 0, time.monotonic(), False

    def advance(self, steps: int = 1) -> None:
        """So many more are done."""
        self._done += steps
        if sys.stderr.isatty() and time.monotonic() - self._told_at > _tell_seconds:
            self._told_at, self._is_shown = time.monotonic(), True
            print("\r" + self._text.format(done=self._done, total=self._total), end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        """The command goes on with other output."""
        if self._is_shown:
            print(file=sys.stderr)
