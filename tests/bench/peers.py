"""The same load against other tools for LLM traces, each on a Postgres of the same make and settings, in turns with ours.

They are installed into environments of their own under .cache/peers. What they get is byte for byte what we get; that they price nothing of it and acknowledge
before or after storing, as they do, is not held against them. Rows that are stored are counted in their own tables.
"""

import asyncio
import os
import subprocess
import sys
import time
import venv
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple

import asyncpg
import httpx

from tailrace.local.ports import free_port
from tailrace.local.postgres import LocalPostgres
from tailrace.local.stack import postgres_program
from tests.bench.machine import REPOSITORY
from tests.load.sender import Orders, send_apart
from tests.load.stack import running_stack
from tests.load.templates import SPANS_PER_TRACE
from tests.load.throughput import CONNECTIONS, TRACES_PER_REQUEST, measure_throughput
from tests.stack import execute, running, scratch_folder

START_SECONDS: Final = 180
DRAIN_SECONDS: Final = 600
ENVIRONMENTS: Final = REPOSITORY / ".cache/peers"


class Peer(NamedTuple):
    """Another tool. `command` and `environment` may name {port}, {grpc_port}, {dsn} and {folder}; `count_sql`: how many spans it has stored."""

    name: str
    packages: tuple[str, ...]
    command: tuple[str, ...]
    environment: Mapping[str, str]
    scheme: str
    count_sql: str
    headers: Mapping[str, str]
    health: str


PEERS: Final = (
    Peer(
        "MLflow",
        ("mlflow", "psycopg2-binary"),
        ("mlflow", "server", "--backend-store-uri", "{dsn}", "--host", "127.0.0.1", "--port", "{port}"),
        {"MLFLOW_DISABLE_TELEMETRY": "true"},
        "postgresql+psycopg2",
        "select count(*) from spans",
        {"x-mlflow-experiment-id": "0"},
        "/health",
    ),
    Peer(
        "Arize Phoenix",
        ("arize-phoenix", "asyncpg", "psycopg"),
        ("phoenix", "serve"),
        {
            "PHOENIX_SQL_DATABASE_URL": "{dsn}",
            "PHOENIX_PORT": "{port}",
            "PHOENIX_GRPC_PORT": "{grpc_port}",
            "PHOENIX_HOST": "127.0.0.1",
            "PHOENIX_WORKING_DIR": "{folder}",
            "PHOENIX_TELEMETRY_ENABLED": "false",
        },
        "postgresql",
        "select count(*) from spans",
        {},
        "/healthz",
    ),
)


def measure_peers(rounds: int, spans: int, peers_spans: int) -> list[dict[str, Any]]:
    """Each tool in turn, `rounds` times: spans a second that are stored, the median first."""
    for peer in PEERS:
        _install(peer)
    stored: dict[str, list[int]] = {"tailrace": [], **{peer.name: [] for peer in PEERS}}
    versions = {peer.name: _version(peer) for peer in PEERS}
    for _ in range(rounds):
        stored["tailrace"].append(_measure_ours(spans))
        for peer in PEERS:
            stored[peer.name].append(_measure(peer, peers_spans))
            print(peer.name, stored[peer.name][-1], file=sys.stderr)
    ours = median(stored["tailrace"])
    return [
        {
            "name": name,
            "version": versions.get(name),
            "stored_spans_per_second": median(figures),
            "rounds": figures,
            "ours_over_it": round(ours / median(figures), 1),
        }
        for name, figures in stored.items()
    ]


def _measure_ours(spans: int) -> int:
    with running_stack() as stack:
        return asyncio.run(measure_throughput(stack, spans, "batches", TRACES_PER_REQUEST))["stored_spans_per_second"]


def _measure(peer: Peer, spans: int) -> int:
    with _running_peer(peer) as (url, dsn):
        return asyncio.run(_load(peer, url, dsn, spans))


async def _load(peer: Peer, url: str, dsn: str, spans: int) -> int:
    """As for ours: a tenth to warm up, then as fast as it takes them until all are stored."""
    requests = spans // (TRACES_PER_REQUEST * SPANS_PER_TRACE)
    orders = Orders(url, "", CONNECTIONS, requests, path="/v1/traces", headers=dict(peer.headers))
    warm = await send_apart(orders._replace(requests=max(1, requests // 10)))
    connection = await asyncpg.connect(dsn)
    await _wait_for_rows(peer, connection, warm["spans"])
    started = time.monotonic()
    sent = await send_apart(orders)
    await _wait_for_rows(peer, connection, warm["spans"] + sent["spans"])
    seconds = time.monotonic() - started
    await connection.close()
    return round(sent["spans"] / seconds)


async def _wait_for_rows(peer: Peer, connection: asyncpg.Connection, rows: int) -> None:
    async with asyncio.timeout(DRAIN_SECONDS):
        while await connection.fetchval(peer.count_sql) < rows:  # noqa: ASYNC110 - Postgres tells nobody
            await asyncio.sleep(0.1)


@contextmanager
def _running_peer(peer: Peer) -> Generator[tuple[str, str]]:
    """Its origin, and its database."""
    with scratch_folder() as folder:
        postgres = LocalPostgres(folder=folder / "postgres", port=free_port())
        postgres.prepare(folder / "postgres.log")
        with running(postgres_program(postgres, folder / "postgres.log")):
            asyncio.run(execute(postgres.dsn("postgres"), "create database peer"))
            port, dsn = free_port(), postgres.dsn("peer")
            names = {
                "port": port,
                "grpc_port": free_port(),
                "dsn": dsn.replace("postgresql", peer.scheme, 1),
                "folder": folder,
            }
            environment = {name: text.format(**names) for name, text in peer.environment.items()}
            command = [word.format(**names) for word in peer.command]
            with (folder / "peer.log").open("wb") as log:
                process = subprocess.Popen(
                    [str(_binaries(peer) / command[0]), *command[1:]],
                    env={**os.environ, **environment, "PATH": f"{_binaries(peer)}:{os.environ['PATH']}"},
                    cwd=folder,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            try:
                _wait_ready(peer, process, f"http://127.0.0.1:{port}", folder / "peer.log")
                yield f"http://127.0.0.1:{port}", dsn
            finally:
                process.terminate()
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


def _wait_ready(peer: Peer, process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            if httpx.get(url + peer.health, timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.5)
    raise RuntimeError(f"{peer.name} did not start: {log.read_text(errors='replace')[-2000:]}")


def _install(peer: Peer) -> None:
    folder = _binaries(peer).parent
    if (folder / ".installed").exists():
        return
    print(f"Installing {' '.join(peer.packages)} into {folder}; this takes a few minutes.", file=sys.stderr)
    venv.create(folder, with_pip=True, clear=True)
    pip = [str(folder / "bin/pip"), "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, *peer.packages], check=True, stdout=sys.stderr)
    (folder / ".installed").touch()


def _version(peer: Peer) -> str:
    code = f"import importlib.metadata as m; print(m.version({peer.packages[0]!r}))"
    return subprocess.run(
        [str(_binaries(peer) / "python"), "-c", code], check=True, capture_output=True, text=True
    ).stdout.strip()


def _binaries(peer: Peer) -> Path:
    return ENVIRONMENTS / peer.packages[0] / "bin"
