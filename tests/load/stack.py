"""A local stack to load: `tailrace up` on free ports in a folder of its own."""

import base64
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from tailrace.local.attach import attach
from tailrace.local.ports import free_port
from tailrace.runtime.postgres import require_dsn
from tailrace.runtime.settings import Settings, load_settings


@dataclass(frozen=True)
class Stack:
    """A running local stack."""

    url: str
    authorization: str
    environment: dict[str, str]
    data: Path

    def tailrace(self, *arguments: str, check: bool = True) -> str:
        """Run a command against it; returns what it printed."""
        command = [sys.executable, "-m", "tailrace", *arguments]
        return subprocess.run(command, env=self.environment, check=check, stdout=subprocess.PIPE, text=True).stdout

    def processes(self) -> dict[str, dict[str, Any]]:
        """What `tailrace status` says, by name."""
        return {row["name"]: row for row in json.loads(self.tailrace("status", "--json", check=False))}

    def pids(self) -> dict[str, int]:
        """The processes that run, by name."""
        return {name: row["pid"] for name, row in self.processes().items() if row.get("pid")}

    async def connect(self) -> asyncpg.Connection:
        """A connection to its database."""
        return await asyncpg.connect(require_dsn(self.settings().postgres))

    def settings(self) -> Settings:
        """What its processes run with."""
        return attach(load_settings(self.environment))


def authorization_of(keys: Mapping[str, str]) -> str:
    """The header of a key pair as `tailrace key create --json` prints it."""
    return "Basic " + base64.b64encode(f"{keys['publicKey']}:{keys['secretKey']}".encode()).decode()


def end_by_signals() -> None:
    """Let SIGTERM and SIGINT end a command as an exception does, also in the background, so that its stack is stopped."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def running_stack() -> Generator[Stack]:
    """A stack on free ports in a folder of its own, stopped and forgotten at the end."""
    with tempfile.TemporaryDirectory(prefix="tailrace-load-", ignore_cleanup_errors=True) as folder:
        data, port = Path(folder) / "data", free_port()
        ports = {"TAILRACE_PORT": str(port), "TAILRACE_EDGE_GRPC_PORT": "0"}
        environment = {**os.environ, "TAILRACE_DATA_DIR": str(data), **ports}
        subprocess.run(
            [sys.executable, "-m", "tailrace", "up", "--detach"], env=environment, check=True, stdout=sys.stderr
        )
        try:
            keys = json.loads((data / "keys.json").read_text())
            yield Stack(f"http://127.0.0.1:{port}", authorization_of(keys), environment, data)
        finally:
            subprocess.run([sys.executable, "-m", "tailrace", "down"], env=environment, check=False, stdout=sys.stderr)
