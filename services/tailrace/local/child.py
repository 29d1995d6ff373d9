"""One supervised program: a description in, a process that is kept running out."""

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

import msgspec

from tailrace.local import processes
from tailrace.local.datadir import rotate_log
from tailrace.local.errors import StackError, last_line
from tailrace.local.launch import Account, wrap_command
from tailrace.local.processes import Identity
from tailrace.local.state import ChildRecord, State

_poll_seconds = 0.1
_first_delay_seconds = 0.5
_longest_delay_seconds = 15.0
_settled_seconds = 60.0
_tries_until_first_ready = 3


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """What to run, when it counts as ready and as live, and how it is stopped."""

    name: str
    command: list[str]
    log: Path
    why_not_ready: Callable[[], Awaitable[str | None]]  # None once it is ready
    environment: dict[str, str]
    why_not_live: Callable[[], Awaitable[str | None]] | None = None  # None while it is live
    live_poll_seconds: float = 5.0
    dead_polls: int = 6
    folder: Path | None = None
    port: int | None = None
    probe_port: int | None = None
    account: Account = Account()
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 25.0
    ready_seconds: float = 60.0


class Report(NamedTuple):
    """Where a child tells of itself: a line for people, and that its record has changed."""

    announce: Callable[[str, str], None]
    changed: Callable[[], None]


class Child:
    """Keeps one program running until it is stopped: restarts it, with growing pauses, when it dies, or lives and moves no more."""

    def __init__(self, program: Program, report: Report, *, hurry: asyncio.Event) -> None:
        self.program = program
        self._report = report
        self._hurry = hurry  # once set, stopping is killing
        self._state: State = "starting"
        self._identity: Identity | None = None
        self._restarts = 0
        self._delay_seconds = _first_delay_seconds
        self._stopping = asyncio.Event()
        self._first_ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._keeper = asyncio.create_task(self._keep_running())

    @property
    def record(self) -> ChildRecord:
        return ChildRecord(
            name=self.program.name,
            state=self._state,
            restarts=self._restarts,
            identity=self._identity,
            port=self.program.port,
            probe_port=self.program.probe_port,
        )

    async def wait_ready(self) -> None:
        """Return once it has been ready for the first time. Raises StackError if it does not get there."""
        await asyncio.shield(self._first_ready)

    async def stop(self) -> None:
        """End the program: its stop signal, and kill when it takes longer than it may."""
        self._stopping.set()
        await self._keeper
        self._fail(f"{self.program.name} was stopped before it was ready")
        self._first_ready.exception()  # nobody may be waiting for it

    async def _keep_running(self) -> None:
        while not self._stopping.is_set():
            started = time.monotonic()
            try:
                code = await self._run_once(started)
            except OSError as error:
                code = f"{error.strerror} ({error.filename})"
            self._identity = None
            if self._stopping.is_set() or self._gave_up(code):
                break
            await self._pause(code, ran_seconds=time.monotonic() - started)
        self._become("stopped")

    async def _run_once(self, started: float) -> int:
        process = await self._spawn()
        exited = asyncio.create_task(process.wait())
        watcher = asyncio.create_task(self._watch(process, exited, started))
        try:
            await _first_of(exited, self._stopping)
            if self._stopping.is_set() and not exited.done():
                await self._end(process, exited)
        finally:
            watcher.cancel()
        return await exited

    async def _spawn(self) -> asyncio.subprocess.Process:
        program = self.program
        rotate_log(program.log)
        with program.log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *wrap_command(program.command, death_signal=program.stop_signal, account=program.account),
                cwd=program.folder,
                env=program.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C at the terminal is the supervisor's alone
            )
        self._identity = processes.identify(process.pid, program.command)
        self._become("starting")
        return process

    async def _end(self, process: asyncio.subprocess.Process, exited: asyncio.Task[int]) -> None:
        self._become("stopping")
        started = time.monotonic()
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(self.program.stop_signal)
        await _first_of(exited, self._hurry, timeout=self.program.stop_seconds)
        outcome = "stopped"
        if not exited.done():
            outcome = "killed"
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await exited
        self._announce(f"{outcome} after {time.monotonic() - started:.1f} s")

    async def _watch(self, process: asyncio.subprocess.Process, exited: asyncio.Task[int], started: float) -> None:
        await self._watch_readiness(started)
        reason = await self._lose_liveness()
        self._announce(f"is not live, so it is ended: {reason} (see {self.program.log})")
        await self._end(process, exited)

    async def _lose_liveness(self) -> str:
        """Return once the program has not been live for several looks in a row, with the reason."""
        ask = self.program.why_not_live
        misses = 0
        while True:
            await asyncio.sleep(self.program.live_poll_seconds)
            reason = None if ask is None else await ask()
            misses = 0 if reason is None else misses + 1
            if reason is not None and misses >= self.program.dead_polls:
                return reason

    async def _watch_readiness(self, started: float) -> None:
        try:
            while (reason := await self.program.why_not_ready()) is not None:
                if time.monotonic() - started > self.program.ready_seconds:
                    self._fail(
                        f"{self.program.name} is not ready after {self.program.ready_seconds:.0f} s: {reason} "
                        f"(see {self.program.log})"
                    )
                await asyncio.sleep(_poll_seconds)
        except StackError as error:
            self._fail(str(error))
            return
        again = "again " if self._first_ready.done() else ""
        where = f"on port {self.program.port} " if self.program.port else ""
        self._announce(f"ready {again}{where}after {time.monotonic() - started:.1f} s")
        self._become("ready")
        if not self._first_ready.done():
            self._first_ready.set_result(None)

    def _gave_up(self, code: int | str) -> bool:
        if self._first_ready.done() or self._restarts + 1 < _tries_until_first_ready:
            return False
        line = last_line(self.program.log)
        self._fail(f"{self.program.name} does not start, it exited with {code}: {line} (see {self.program.log})")
        return True

    async def _pause(self, code: int | str, *, ran_seconds: float) -> None:
        if ran_seconds > _settled_seconds:
            self._delay_seconds = _first_delay_seconds
        self._restarts += 1
        self._announce(f"exited with {code}, restarting (see {self.program.log})")
        self._become("restarting")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), self._delay_seconds)
        self._delay_seconds = min(2 * self._delay_seconds, _longest_delay_seconds)

    def _fail(self, reason: str) -> None:
        if not self._first_ready.done():
            self._first_ready.set_exception(StackError(reason))

    def _become(self, state: State) -> None:
        self._state = state
        self._report.changed()

    def _announce(self, text: str) -> None:
        self._report.announce(self.program.name, text)


async def _first_of(task: asyncio.Task[int], event: asyncio.Event, *, timeout: float | None = None) -> None:
    """Return when the task is done, the event is set or the time is up; the task goes on."""
    waiting = asyncio.create_task(event.wait())
    try:
        await asyncio.wait({task, waiting}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()


def plain_environment() -> dict[str, str]:
    """Our environment without any setting of tailrace."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TAILRACE_")}
