"""`tailrace status`: what the supervisor wrote down and what each process answers now, as a table or as JSON."""

import argparse
import asyncio
import sys

import msgspec

from tailrace.local import processes
from tailrace.local.datadir import DataDir
from tailrace.local.errors import StackError
from tailrace.local.kafka import kafka_why_not_ready
from tailrace.local.services import read_lag, why_not_ready
from tailrace.local.state import ChildRecord, StackRecord, read_record
from tailrace.runtime.settings import Settings


class ProcessStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One process: `state` is ready, starting, restarting, stopping, stopped, or unready with its `reason`."""

    name: str
    pid: int | None
    state: str
    restarts: int
    port: int | None = None
    lag: int | None = None
    reason: str | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print a JSON list")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """0 if everything runs and is ready, else 1."""
    data = DataDir.at(settings.stack.data_dir)
    record = read_record(data.processes)
    try:
        rows = asyncio.run(collect_status(record)) if record else []
    except StackError as error:
        print(f"tailrace: {error}", file=sys.stderr)
        return 1
    if arguments.json:
        print(msgspec.json.format(msgspec.json.encode(rows)).decode())
    elif rows:
        print(_table(rows))
    else:
        print(f"nothing runs on {data.root}")
    return 0 if rows and all(row.state == "ready" for row in rows) else 1


async def collect_status(record: StackRecord) -> list[ProcessStatus]:
    """The supervisor first, then its children in the order in which they are stopped."""
    alive = processes.is_alive(record.supervisor)
    supervisor = ProcessStatus(
        name="supervisor",
        pid=record.supervisor.pid if alive else None,
        state=record.state if alive else "stopped",
        restarts=0,
    )
    return [supervisor, *await asyncio.gather(*(_ask(child) for child in record.children))]


async def _ask(child: ChildRecord) -> ProcessStatus:
    alive = child.identity is not None and processes.is_alive(child.identity)
    if child.identity is None or not alive:
        state = child.state if child.state == "restarting" else "stopped"
        return ProcessStatus(name=child.name, pid=None, state=state, restarts=child.restarts)
    reason = await _why_not_ready(child) if child.state == "ready" else None
    return ProcessStatus(
        name=child.name,
        pid=child.identity.pid,
        state="unready" if reason else child.state,
        restarts=child.restarts,
        port=child.port,
        lag=await read_lag(child.probe_port) if child.probe_port else None,
        reason=reason,
    )


async def _why_not_ready(child: ChildRecord) -> str | None:
    if child.probe_port:
        return await why_not_ready(child.probe_port)
    if child.name == "kafka" and child.port:
        return await kafka_why_not_ready(child.port)
    return None


def _table(rows: list[ProcessStatus]) -> str:
    heads = ("NAME", "PID", "STATE", "PORT", "RESTARTS", "LAG")
    cells = [
        [
            row.name,
            *(
                ("-" if value is None else str(value))
                for value in (row.pid, row.state, row.port, row.restarts, row.lag)
            ),
        ]
        for row in rows
    ]
    widths = [max(len(line[column]) for line in [heads, *cells]) for column in range(len(heads))]
    lines = [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)) for line in [heads, *cells]
    ]
    reasons = ["", *(row.reason or "" for row in rows)]
    return "\n".join(f"{line}  {reason}".rstrip() for line, reason in zip(lines, reasons, strict=True))
