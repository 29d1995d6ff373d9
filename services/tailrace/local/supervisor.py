"""Starts, watches and stops children in an order, and writes down what runs.

It knows nothing of Kafka, Postgres or the services: see `stack` for what is started, and why in that order.
"""

import asyncio
import os
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import IO, Self

from tailrace.local import processes
from tailrace.local.child import Child, Program, Report
from tailrace.local.datadir import DataDir, LockTakenError, lock_data_dir, rotate_log
from tailrace.local.errors import StackError
from tailrace.local.state import StackRecord, State, end_orphans, read_record, write_record

_orphan_seconds = 15.0
_rotation_seconds = 60.0


class Supervisor:
    """The one supervisor of a data folder, from entering the block until leaving it, when every child is stopped.

    `stop_order` names every child that there can be. Entering raises StackError when another supervisor holds the folder, and
    ends the orphans of one that was killed.
    """

    def __init__(self, data: DataDir, *, stop_order: Iterable[str], announce: Callable[[str, str], None]) -> None:
        self._data = data
        self._stop_order = tuple(stop_order)
        self._announce = announce
        self._state: State = "starting"
        self._self = processes.identify_self()
        self._children: dict[str, Child] = {}
        self._hurry = asyncio.Event()
        self.lost_folder = asyncio.Event()
        """The data folder has been removed: nothing that runs on it has a future, and no command finds it any more."""

    async def __aenter__(self) -> Self:
        self._lock = self._take_lock()
        await asyncio.to_thread(self._end_orphans)
        self._rotation = asyncio.create_task(self._rotate_logs())
        self._write_down()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._rotation.cancel()
        self._set_state("stopping")
        for name in self._stop_order:
            if name in self._children:
                await self._children[name].stop()
        self._set_state("stopped")
        self._lock.close()

    async def start(self, *programs: Program) -> None:
        """Start the programs together and wait until all are ready. Raises StackError for the first that does not get there."""
        for program in programs:
            report = Report(self._announce, self._write_down)
            self._children[program.name] = Child(program, report, hurry=self._hurry)
        await asyncio.gather(*(self._children[program.name].wait_ready() for program in programs))

    def hurry(self) -> None:
        """From now on, stopping is killing."""
        self._hurry.set()

    def settle(self) -> None:
        """Everything that was to be started is ready."""
        self._set_state("ready")

    def _take_lock(self) -> IO[bytes]:
        try:
            lock = lock_data_dir(self._data)
        except LockTakenError:
            pid = self._data.lock.read_text().strip() or "unknown"
            raise StackError(
                f"tailrace already runs on {self._data.root} (pid {pid}): stop it with `tailrace down`, "
                "or set TAILRACE_DATA_DIR to another folder"
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()).encode())
        lock.flush()
        return lock

    def _end_orphans(self) -> None:
        record = read_record(self._data.processes)
        if record is None:
            return
        for name in end_orphans(record, timeout_seconds=_orphan_seconds):
            self._announce(name, "was left over from a supervisor that was killed, ended")

    async def _rotate_logs(self) -> None:
        while True:
            await asyncio.sleep(_rotation_seconds)
            self._look_for_folder()
            for child in self._children.values():
                rotate_log(child.program.log)

    def _set_state(self, state: State) -> None:
        self._state = state
        self._write_down()

    def _write_down(self) -> None:
        children = tuple(self._children[name].record for name in self._stop_order if name in self._children)
        record = StackRecord(supervisor=self._self, state=self._state, children=children)
        try:
            write_record(self._data.processes, record)
        except OSError as error:
            self._announce("supervisor", f"cannot write down what runs: {error.strerror}")
            self._look_for_folder()

    def _look_for_folder(self) -> None:
        try:
            is_ours = os.path.samestat(os.fstat(self._lock.fileno()), self._data.lock.stat())
        except FileNotFoundError:
            is_ours = False
        except (OSError, ValueError):
            return
        if not is_ours:
            self.lost_folder.set()
