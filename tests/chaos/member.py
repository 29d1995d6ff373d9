"""One process of the stack under attack: kept running as Kubernetes would, unless a fault holds it down.

An exit that no fault has asked for is remembered: a process of ours that dies by itself is a finding.
"""

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

from tailrace.local.child import Program
from tailrace.local.errors import last_line
from tailrace.local.launch import wrap_command

RESTART_SECONDS: Final = 0.5
READY_SECONDS: Final = 90.0
MOST_EXITS: Final = 5
"""A process that ends so often while it is waited for will not come."""


class Member:
    """A program that is started again when it ends. `before`: what is done before each start."""

    def __init__(self, program: Program, *, before: Callable[[], None] = lambda: None) -> None:
        self.program = program
        self.environment: Mapping[str, str] = program.environment
        self.unasked_exits: list[str] = []
        self.starts = 0
        self._before = before
        self._process: asyncio.subprocess.Process | None = None
        self._asked = False
        self._may_run = asyncio.Event()
        self._may_run.set()
        self._keeper: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        return self.program.name

    def start(self) -> None:
        """Start it, and again whenever it ends."""
        if self._keeper is None:
            self._keeper = asyncio.create_task(self._keep_running())

    async def stop(self) -> None:
        """End it for good."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
            self._keeper = None
        await self._end(self.program.stop_signal)

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Let it die by a signal; it is started again."""
        self._asked = True
        self.send(number)

    async def hold_down(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Let it end, and stay away until `let_go`."""
        self._may_run.clear()
        self._asked = True
        await self._end(number)

    def let_go(self) -> None:
        """It may run again, frozen or held down."""
        self._may_run.set()
        self.send(signal.SIGCONT)

    async def freeze(self, seconds: float) -> None:
        """SIGSTOP for so long, then SIGCONT: what sleeps through its own end."""
        self.send(signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            self.send(signal.SIGCONT)

    def send(self, number: signal.Signals) -> None:
        """A signal to the process, if it runs."""
        process = self._process
        if process is not None and process.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(process.pid, number)

    async def restart(self, environment: Mapping[str, str] | None = None) -> None:
        """A graceful restart, with another environment if one is given; returns once it is ready."""
        if environment is not None:
            self.environment = environment
        await self.hold_down(self.program.stop_signal)
        self.let_go()
        await self.ready()

    async def ready(self, *, seconds: float = READY_SECONDS) -> None:
        """Wait until it is ready. Raises TimeoutError with what keeps it, RuntimeError when it ends again and again."""
        reason: str | None = "not started"
        try:
            async with asyncio.timeout(seconds):
                while reason is not None:
                    await asyncio.sleep(0.1)
                    if len(self.unasked_exits) >= MOST_EXITS:
                        raise RuntimeError(self.unasked_exits[-1])
                    reason = await self.program.why_not_ready()
        except TimeoutError:
            raise TimeoutError(f"{self.name} is not ready after {seconds:g} s: {reason}") from None

    async def _keep_running(self) -> None:
        while True:
            await self._may_run.wait()
            self._before()
            self._process = await self._spawn()
            self.starts += 1
            code = await self._process.wait()
            if not self._asked:
                self.unasked_exits.append(f"{self.name} exited with {code}: {last_line(self.program.log)}")
            self._asked = False
            await asyncio.sleep(RESTART_SECONDS)

    async def _spawn(self) -> asyncio.subprocess.Process:
        program = self.program
        with program.log.open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *wrap_command(program.command, death_signal=signal.SIGKILL, account=program.account),
                cwd=program.folder,
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    async def _end(self, number: signal.Signals) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        self.send(signal.SIGCONT)
        self.send(number)
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), self.program.stop_seconds)
        self.send(signal.SIGKILL)
        await process.wait()
