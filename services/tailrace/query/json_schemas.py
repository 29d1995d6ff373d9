"""JSON Schemas of datasets: a schema and values in, the first fault out. The work is done in a process of its own, which this one starts."""

import asyncio
import os
import select
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import orjson

from tailrace.query.errors import InvalidRequestError, UnavailableError
from tailrace.runtime.log import get_logger

log = get_logger(__name__)

WALL_SECONDS: Final = 20.0
"""After this the process is given up, whatever it does; its own limit is in CPU time."""

_passed_on: Final = ("PATH", "PYTHONPATH", "PYTHONHOME", "HOME", "LANG", "LC_ALL", "VIRTUAL_ENV", "SYSTEMROOT")


class Fault(NamedTuple):
    """The value at index `at` does not fit; `path` leads into it."""

    at: int
    path: tuple[str | int, ...]
    message: str


class JsonSchemas:
    """Checks values against schemas, one request after the other."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._lock = threading.Lock()  # a request that is cancelled gives up its turn while its thread still works
        self._process: subprocess.Popen[bytes] | None = None

    async def check(self, schema: str, values: Sequence[str], *path: str) -> Fault | None:
        """The first of `values` (JSON texts) that does not fit `schema` (JSON text), or None. `path` names the schema in errors.

        Raises InvalidRequestError for a schema that is none or that takes too much, UnavailableError when there is no process.
        """
        frame = f'{{"schema":{schema},"values":[{",".join(values)}]}}'.encode()
        async with self._turn:
            answer = await asyncio.to_thread(self._ask, frame)
        if answer is None:
            raise InvalidRequestError("checking values against this schema takes too much time or memory", *path)
        if "schema_fault" in answer:
            raise InvalidRequestError(f"expected a JSON Schema: {answer['schema_fault']}", *path)
        fault = answer["fault"]
        return None if fault is None else Fault(fault["at"], tuple(fault["path"]), fault["message"])

    def _ask(self, frame: bytes) -> dict[str, Any] | None:
        """None: the process did not live to answer."""
        with self._lock:
            process = self._process
            if process is None or not _takes(process, frame):
                process = self._process = self._start()
                _takes(process, frame)
            try:
                return _answer(process)
            except (OSError, EOFError, TimeoutError) as error:
                process.kill()
                process.wait()
                log.warning("query.schema.given_up", error=type(error).__name__, status=process.returncode)
                return None

    def _start(self) -> "subprocess.Popen[bytes]":
        environment = {name: os.environ[name] for name in _passed_on if name in os.environ}
        try:
            process = subprocess.Popen(
                [sys.executable, "-m", "tailrace.query.json_schema_process"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
        except OSError as error:
            log.warning("query.schema.no_process", error=type(error).__name__)
            raise UnavailableError("schemas cannot be checked now; try again") from error
        weakref.finalize(self, _end, process)
        return process


def _takes(process: "subprocess.Popen[bytes]", frame: bytes) -> bool:
    """Hand over a frame; False if the process is gone."""
    if process.poll() is not None or process.stdin is None:
        return False
    try:
        process.stdin.write(len(frame).to_bytes(4, "big") + frame)
        process.stdin.flush()
    except OSError:
        return False
    return True


def _answer(process: "subprocess.Popen[bytes]") -> dict[str, Any]:
    """Raises OSError, EOFError and TimeoutError when there is no answer."""
    deadline = time.monotonic() + WALL_SECONDS
    if process.stdout is None:
        raise EOFError
    size = int.from_bytes(_read(process.stdout.fileno(), 4, deadline), "big")
    return orjson.loads(_read(process.stdout.fileno(), size, deadline))


def _read(file: int, size: int, deadline: float) -> bytes:
    pieces = b""
    while len(pieces) < size:
        ready, _, _ = select.select([file], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise TimeoutError
        piece = os.read(file, size - len(pieces))
        if not piece:
            raise EOFError
        pieces += piece
    return pieces


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
