"""What is attacked: the stack that `tailrace up` starts, and beside it an edge of its own, as it runs in production.

Projects are made over the database, because there are many.
"""

import base64
from collections import Counter, defaultdict
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import msgspec

from tailrace.admin.tenant import create_project, put_key
from tailrace.local.attach import attach
from tailrace.local.datadir import DataDir
from tailrace.local.ports import free_port
from tailrace.local.services import service_programs
from tailrace.local.state import ChildRecord, read_record
from tailrace.runtime.keys import generate_secret
from tailrace.runtime.postgres import require_dsn
from tailrace.runtime.settings import Secret, Settings, load_settings
from tests.e2e.stack import Credentials, Stack, running_stack
from tests.stack import run_async, running

SERVICES = ("edge", "serve", "assembler", "meter", "sink")
_faults = ("Traceback (most recent call last)", '"level":"error"', '"level":"critical"')


class Target:
    """A stack under attack. Writes go to the edge's ports, reads to the origin of `stack`."""

    def __init__(self, stack: Stack, settings: Settings, edge_pid: int, edge_probe_port: int) -> None:
        self.stack = stack
        self.settings = settings
        self.port = settings.process.http_port
        self.grpc_port = settings.edge.grpc_port or 0
        self._edge_pid = edge_pid
        self._edge_probe_port = edge_probe_port
        self._data = DataDir.at(str(stack.folder))
        self.pids_at_start = self.pids()

    @property
    def read_port(self) -> int:
        return int(self.stack.credentials.url.rpartition(":")[2])

    def create_projects(self, names: Iterable[str]) -> dict[str, Credentials]:
        """Projects with a key each."""
        return run_async(_create_projects(self.settings, self.stack.credentials.url, list(names)))

    def dead_letters(self) -> dict[str, Counter[str]]:
        """How many there are of each project, by reason."""
        rows = run_async(_fetch(self.settings, "select project_id, reason, count(*) from dead_letters group by 1, 2"))
        counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for project, reason, number in rows:
            counts[project][reason] = number
        return counts

    def pids(self) -> dict[str, int | None]:
        """Each process's, None of one that does not run."""
        pids = {child.name: None if child.identity is None else child.identity.pid for child in self._children()}
        return pids | {"edge": self._edge_pid if Path(f"/proc/{self._edge_pid}").exists() else None}

    def not_live(self) -> list[str]:
        """The processes of ours whose /livez is not 200."""
        ports = {child.name: child.probe_port for child in self._children() if child.probe_port}
        ports["edge"] = self._edge_probe_port
        return [
            name
            for name, port in ports.items()
            if httpx.get(f"http://127.0.0.1:{port}/livez", trust_env=False, timeout=30).status_code != 200
        ]

    def faults_in_logs(self) -> list[str]:
        """Tracebacks and errors that a process wrote: none is expected, whatever is sent."""
        found: list[str] = []
        for name in SERVICES:
            lines = self._data.log(name).read_text(errors="replace").splitlines()
            found += [f"{name}: {line[:3000]}" for line in lines if any(fault in line for fault in _faults)]
        return found

    def peak_memory(self) -> dict[str, int]:
        """The most bytes that each process has had in memory."""
        return {name: _peak_memory(pid) for name, pid in self.pids().items() if pid is not None and name in SERVICES}

    def _children(self) -> tuple[ChildRecord, ...]:
        record = read_record(self._data.processes)
        assert record is not None
        return record.children


@contextmanager
def running_target() -> Generator[Target]:
    """A stack with an empty data folder, and an edge of its own."""
    with running_stack() as stack:
        settings = attach(load_settings({"TAILRACE_DATA_DIR": str(stack.folder)}))
        ports = msgspec.structs.replace(settings.process, http_port=free_port())
        edge = msgspec.structs.replace(settings.edge, grpc_port=free_port())
        settings = msgspec.structs.replace(settings, process=ports, edge=edge)
        (program,) = service_programs(settings, DataDir.at(str(stack.folder)), ("edge",))
        assert program.probe_port is not None
        with running(program) as process:
            yield Target(stack, settings, process.pid, program.probe_port)


def basic(credentials: Credentials) -> bytes:
    """The Authorization header of a key pair."""
    return b"Basic " + base64.b64encode(f"{credentials.public_key}:{credentials.secret_key}".encode())


async def _create_projects(settings: Settings, url: str, names: list[str]) -> dict[str, Credentials]:
    made: dict[str, Credentials] = {}
    connection = await asyncpg.connect(require_dsn(settings.postgres))
    try:
        for name in names:
            public_key, secret_key = generate_secret("pk-lf-"), generate_secret("sk-lf-")
            await create_project(connection, organization=("fuzz", "Fuzz"), project=(name, name))
            await put_key(connection, name, public_key, Secret(secret_key))
            made[name] = Credentials(url, public_key, secret_key, name)
    finally:
        await connection.close()
    return made


async def _fetch(settings: Settings, query: str) -> list[Any]:
    connection = await asyncpg.connect(require_dsn(settings.postgres))
    try:
        return await connection.fetch(query)
    finally:
        await connection.close()


def _peak_memory(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0
