"""`tailrace up`: the whole stack on this machine, in the foreground or, with `--detach`, behind it."""

import argparse
import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import TextIO
from urllib.parse import urlsplit

import msgspec

from tailrace import __version__
from tailrace.local.datadir import DataDir, open_data_dir, rotate_log
from tailrace.local.errors import StackError
from tailrace.local.keys import Keys, read_keys
from tailrace.local.stack import Parts, run_stack
from tailrace.local.welcome import welcome
from tailrace.runtime.settings import Settings

_poll_seconds = 0.1
_grpc_line = "OTLP over gRPC on "


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--detach", action="store_true", help="return once it is ready; `tailrace down` stops it")
    parser.add_argument("--behind", action="store_true", help=argparse.SUPPRESS)  # the supervisor of --detach


def run(arguments: argparse.Namespace, settings: Settings, parts: Parts | None = None) -> int:
    """0 after a stop that was asked for, 1 when it does not start."""
    if "TAILRACE_HOST" not in os.environ:
        # A stack for one machine is for that machine, until somebody says otherwise.
        settings = msgspec.structs.replace(
            settings, process=msgspec.structs.replace(settings.process, host="127.0.0.1")
        )
    parts = parts or Parts()
    try:
        if arguments.detach:
            return _detach(settings, parts)
        asyncio.run(_run(settings, parts, show_keys=not arguments.behind))
    except StackError as error:
        print(f"tailrace: {error}", file=sys.stderr, flush=True)
        return 1
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"tailrace: cannot start: {where}{error.strerror or error}", file=sys.stderr, flush=True)
        return 1
    return 0


async def _run(settings: Settings, parts: Parts, *, show_keys: bool) -> None:
    started = time.monotonic()

    def on_ready(settled: Settings, keys: Keys) -> None:
        grpc_url = _grpc_url(settled)
        if show_keys:
            say(welcome(keys, settled.process.public_url, grpc_url))
        elif grpc_url:
            say(f"{_grpc_line}{grpc_url}")
        how_to_stop = "Ctrl-C stops it" if show_keys else "`tailrace down` stops it"
        say(f"ready after {time.monotonic() - started:.1f} s on {settled.process.public_url} ({how_to_stop})")

    say(f"tailrace {__version__}")
    await run_stack(settings, announce=announce, on_ready=on_ready, parts=parts)


def _grpc_url(settings: Settings) -> str | None:
    port = settings.edge.grpc_port
    return f"http://{urlsplit(settings.process.public_url).hostname}:{port}" if port else None


def announce(name: str, text: str) -> None:
    """One line about one part of the stack."""
    say(f"{name:<10} {text}")


def say(text: str) -> None:
    """A line for the terminal, which may have gone away: the stack goes on without it."""
    with contextlib.suppress(OSError, ValueError):
        print(text, flush=True)


def _detach(settings: Settings, parts: Parts) -> int:
    data = open_data_dir(settings.stack.data_dir)
    log = data.log("up")
    rotate_log(log)
    with log.open("a") as output, log.open() as lines:
        lines.seek(0, os.SEEK_END)
        supervisor = subprocess.Popen(
            [*parts.command, "--behind"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            return _follow(supervisor, lines, data)
        except KeyboardInterrupt:
            supervisor.terminate()
            supervisor.wait()
            raise


def _follow(supervisor: "subprocess.Popen[bytes]", lines: TextIO, data: DataDir) -> int:
    grpc_url = None
    for line in _read_lines(supervisor, lines):
        if line.startswith(_grpc_line):
            grpc_url = line.removeprefix(_grpc_line)
        elif line.startswith("ready"):
            if keys := read_keys(data.keys):
                # Shown here, and never in the log.
                say(welcome(keys, line.split(" on ", 1)[1].split(" ", 1)[0], grpc_url))
            say(line)
            return 0
        else:
            print(line, file=sys.stderr if line.startswith("tailrace: ") else sys.stdout, flush=True)
    return supervisor.wait()


def _read_lines(supervisor: "subprocess.Popen[bytes]", lines: TextIO) -> Iterator[str]:
    ended = False
    while True:
        line = lines.readline()
        if line:
            yield line.rstrip("\n")
        elif ended:
            return
        else:
            ended = supervisor.poll() is not None
            time.sleep(_poll_seconds)
