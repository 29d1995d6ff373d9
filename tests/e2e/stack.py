"""The real stack as a user starts it, in a folder of its own: `tailrace up --detach` in, an address and a key pair out.

Whatever happens to the tests, it does not outlive them: `tailrace down` runs when the process that made it ends, however it ends.
"""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from tailrace.local.ports import free_port

TAILRACE = (sys.executable, "-m", "tailrace")
START_SECONDS = 600
"""The first start on a machine also downloads the jars of Kafka."""
COMMAND_SECONDS = 60
STOP_SECONDS = 200

_after_us = 'cat >/dev/null; "$@"; code=$?; rm -rf "$TAILRACE_DATA_DIR"; exit $code'


class CommandFailedError(Exception):
    """A `tailrace` command ended with another exit code than it should; the message has what it printed."""


class Credentials(NamedTuple):
    """Where to send, and as whom. `project` is what the key pair speaks for."""

    url: str
    public_key: str
    secret_key: str
    project: str = "default"

    @property
    def sender(self) -> tuple[str, str, str]:
        """What a client needs: address, public and secret key."""
        return self.url, self.public_key, self.secret_key


class Stack:
    """The stack of one data folder. `credentials` and `grpc_url` are those that its last start printed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.credentials = Credentials("", "", "")
        self.grpc_url = ""
        self._environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("TAILRACE_") or name in {"TAILRACE_CACHE_DIR", "TAILRACE_TEST_CACHE"}
        }
        ports = {"TAILRACE_PORT": str(free_port()), "TAILRACE_EDGE_GRPC_PORT": str(free_port())}
        self._environment |= {"TAILRACE_DATA_DIR": str(folder), **ports}

    def up(self) -> str:
        """Starts it and returns what the user sees, whose last line starts with `ready`. Raises CommandFailedError."""
        shown = self.tailrace("up", "--detach", seconds=START_SECONDS)
        told = dict(re.findall(r"^(URL|OTLP/gRPC|public key|secret key) +(\S+)$", shown, re.MULTILINE))
        self.credentials = Credentials(told["URL"], told["public key"], told["secret key"])
        self.grpc_url = told["OTLP/gRPC"]
        return shown

    def down(self) -> str:
        """Stops it; what it printed. Raises CommandFailedError."""
        return self.tailrace("down", seconds=STOP_SECONDS)

    def kill_supervisor(self) -> None:
        """Ends the supervisor as a crash does, without a word to its children."""
        (supervisor,) = (each for each in self.status() if each["name"] == "supervisor")
        os.kill(supervisor["pid"], signal.SIGKILL)

    def status(self) -> list[dict[str, Any]]:
        """What `tailrace status --json` says of each process, whatever its exit code."""
        return json.loads(self.tailrace("status", "--json", codes=(0, 1)))

    def conservation(self) -> dict[str, Any]:
        """What `tailrace conservation --json` says, amounts as decimals; it must hold."""
        return json.loads(self.tailrace("conservation", "--json"), parse_float=Decimal)

    def wait_applied(self, project: str = "default") -> dict[str, Any]:
        """What conservation says of a project's events once none of the stack's is in flight any more. Raises AssertionError."""
        deadline = time.monotonic() + COMMAND_SECONDS
        while (found := self.conservation())["inFlight"]:
            assert time.monotonic() < deadline, f"still in flight after {COMMAND_SECONDS} s: {found}"
        none: dict[str, Any] = dict.fromkeys(("accepted", "applied", "deadLettered", "inFlight", "difference"), 0)
        return next((line for line in found["events"] if line["project"] == project), none)

    def dead_letters(self, project: str) -> list[dict[str, Any]]:
        """What `tailrace dead-letters list --json` says of a project, the newest first."""
        return json.loads(self.tailrace("dead-letters", "list", "--project", project, "--json"))

    def create_project(self, project: str) -> Credentials:
        """A further project with a key pair, made by the operator's commands."""
        self.tailrace("tenant", "create", "--org", f"org-of-{project}", "--project", project)
        made = json.loads(self.tailrace("key", "create", "--project", project, "--json"))
        return Credentials(self.credentials.url, made["publicKey"], made["secretKey"], project)

    def tailrace(self, *arguments: str, codes: Iterable[int] = (0,), seconds: int = COMMAND_SECONDS) -> str:
        """Runs a `tailrace` command and returns its output. Raises CommandFailedError for another exit code than one of `codes`."""
        done = subprocess.run(
            [*TAILRACE, *arguments],
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        if done.returncode not in codes:
            raise CommandFailedError(
                f"tailrace {' '.join(arguments)}: exit code {done.returncode}\n{(done.stdout + done.stderr)[-3000:]}"
            )
        return done.stdout

    @contextmanager
    def stopped_after_us(self) -> Generator[None]:
        """Runs `tailrace down` and removes the folder after the block, or once this process is gone. Raises CommandFailedError."""
        # A file: of a pipe that nobody reads any more, `tailrace down` would die before all has stopped.
        with tempfile.TemporaryFile() as output:
            watch = subprocess.Popen(
                ["/bin/sh", "-c", _after_us, "sh", *TAILRACE, "down"],
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                yield
            finally:
                watch.communicate(timeout=STOP_SECONDS)
            if watch.returncode:
                output.seek(0)
                raise CommandFailedError(f"tailrace down: exit code {watch.returncode}\n{output.read().decode()}")


@contextmanager
def running_stack() -> Generator[Stack]:
    """A stack with an empty data folder, up."""
    stack = Stack(Path(tempfile.mkdtemp(prefix="tailrace-e2e-")))
    with stack.stopped_after_us():
        stack.up()
        yield stack
