"""`tailrace up`, `down` and `status` as a person at a terminal meets them."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tailrace.local.ports import free_port
from tests.stack import cache_dir

_tiny_stack = str(Path(__file__).with_name("tiny_stack.py"))


class Terminal:
    """A terminal in which the tiny stack runs, with its data in `folder`."""

    def __init__(self, folder: Path, *arguments: str, **settings: str) -> None:
        self.folder = folder
        self.lines: list[str] = []
        self._arriving: queue.Queue[str | None] = queue.Queue()
        self.process = subprocess.Popen(
            [sys.executable, _tiny_stack, *arguments],
            env=environment(folder, **settings),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_ready(self) -> str:
        """The line that says that everything is up."""
        while not (line := self.wait_for("ready")).startswith("ready"):
            pass
        return line

    def wait_for(self, text: str, *, timeout: float = 60.0) -> str:
        """The next line that has `text` in it."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                line = self._arriving.get(timeout=max(0.01, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no line with {text!r} within {timeout} s, only {self.lines}") from None
            assert line is not None, f"it ended before a line with {text!r}: {self.lines}"
            self.lines.append(line)
            if text in line:
                return line

    def press_ctrl_c(self) -> int:
        """The exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.wait_end()

    def wait_end(self, *, timeout: float = 60.0) -> int:
        """The exit code, with all its lines read."""
        code = self.process.wait(timeout)
        self._reader.join(timeout)
        while not self._arriving.empty():
            line = self._arriving.get()
            if line is not None:
                self.lines.append(line)
        return code

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as output:
            for line in output:
                self._arriving.put(line.rstrip("\n"))
        self._arriving.put(None)


@contextmanager
def tiny_stack(folder: Path, *arguments: str, **settings: str) -> Generator[Terminal]:
    """The tiny stack, ready; stopped with the block, unless the test has stopped it."""
    terminal = Terminal(folder, *arguments, **settings)
    try:
        terminal.wait_ready()
        yield terminal
    finally:
        if terminal.process.poll() is None:
            terminal.press_ctrl_c()


def environment(folder: Path, **settings: str) -> dict[str, str]:
    """Our environment with the stack's data in `folder`, on a free port."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("TAILRACE_")}
    return {
        **plain,
        "TAILRACE_DATA_DIR": str(folder / "data"),
        "TAILRACE_CACHE_DIR": str(cache_dir()),
        "TAILRACE_PORT": str(free_port()),
        "TAILRACE_EDGE_GRPC_PORT": str(free_port()),
        **settings,
    }


def tailrace(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run one command of the console script."""
    return subprocess.run(
        [sys.executable, "-m", "tailrace", *arguments],
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def status(folder: Path) -> dict[str, dict[str, Any]]:
    """What `tailrace status --json` says, by name."""
    return {process["name"]: process for process in json.loads(tailrace(folder, "status", "--json").stdout)}
