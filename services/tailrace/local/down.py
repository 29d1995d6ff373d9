"""`tailrace down`: stops the supervisor of the data folder and waits, or ends the orphans of one that was killed."""

import argparse
import os
import signal
import sys
import time

from tailrace.local import processes
from tailrace.local.datadir import DataDir
from tailrace.local.errors import StackError
from tailrace.local.state import end_orphans, read_record
from tailrace.runtime.settings import Settings

_poll_seconds = 0.1
_orphan_seconds = 15.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--timeout", type=float, default=180.0, metavar="SECONDS", help="give up waiting after this long (default 180)"
    )


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """0 once nothing runs any more, 1 if it still does after the timeout."""
    try:
        return _stop(settings, timeout_seconds=arguments.timeout)
    except StackError as error:
        print(f"tailrace: {error}", file=sys.stderr)
        return 1


def _stop(settings: Settings, *, timeout_seconds: float) -> int:
    data = DataDir.at(settings.stack.data_dir)
    record = read_record(data.processes)
    started = time.monotonic()
    if record is None:
        print(f"nothing runs on {data.root}")
        return 0
    if not processes.is_alive(record.supervisor):
        ended = end_orphans(record, timeout_seconds=_orphan_seconds)
        print(
            f"ended what a killed supervisor left over: {', '.join(ended)}" if ended else f"nothing runs on {data.root}"
        )
        return 0
    # First of all, whether or not anybody reads what is printed.
    os.kill(record.supervisor.pid, signal.SIGTERM)
    print(f"stopping tailrace on {data.root} (pid {record.supervisor.pid})", flush=True)
    while processes.is_alive(record.supervisor):
        if time.monotonic() - started > timeout_seconds:
            print(f"tailrace: it still runs after {timeout_seconds:.0f} s, see {data.log('up')}", file=sys.stderr)
            return 1
        time.sleep(_poll_seconds)
    print(f"stopped after {time.monotonic() - started:.1f} s")
    return 0
