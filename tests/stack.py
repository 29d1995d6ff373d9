"""A real Kafka and a real PostgreSQL for tests: started on free ports in a folder of their own, and ended with the block.

They die with the test process too (Linux), however it dies.
"""

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import asyncpg

from tailrace.local.child import Program
from tailrace.local.errors import last_line
from tailrace.local.jars import default_cache_dir, provide_jars
from tailrace.local.kafka import LocalKafka
from tailrace.local.launch import wrap_command
from tailrace.local.ports import free_port
from tailrace.local.postgres import LocalPostgres
from tailrace.local.stack import kafka_program, postgres_program

Result = TypeVar("Result")
_start_seconds = 60


def cache_dir() -> Path:
    """Where the jars of Kafka are kept between runs."""
    return Path(os.environ.get("TAILRACE_CACHE_DIR") or default_cache_dir())


@contextmanager
def running_kafka() -> Generator[LocalKafka]:
    """A broker with an empty log."""
    with scratch_folder() as folder:
        kafka = LocalKafka(
            folder=folder / "kafka",
            jars=provide_jars(cache_dir(), print),
            port=free_port(),
            controller_port=free_port(),
        )
        kafka.prepare(folder / "kafka.log")
        with running(kafka_program(kafka, folder / "kafka.log")):
            yield kafka


@contextmanager
def running_postgres() -> Generator[LocalPostgres]:
    """An empty server that does not wait for the disk."""
    with scratch_folder() as folder:
        postgres = LocalPostgres(folder=folder / "postgres", port=free_port(), durable=False)
        postgres.prepare(folder / "postgres.log")
        with running(postgres_program(postgres, folder / "postgres.log")):
            yield postgres


@contextmanager
def running(program: Program) -> Generator["subprocess.Popen[bytes]"]:
    """The program, ready; without a supervisor that would start it again."""
    with program.log.open("ab") as log:
        process = subprocess.Popen(
            wrap_command(program.command, death_signal=program.stop_signal, account=program.account),
            cwd=program.folder,
            env=program.environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        run_async(_wait_ready(program.why_not_ready, process, program.log))
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.send_signal(program.stop_signal)
        try:
            process.wait(program.stop_seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def create_database(postgres: LocalPostgres, *, template: str = "template1") -> str:
    """The DSN of a new database that is a copy of `template`."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    run_async(execute(postgres.dsn("postgres"), f"CREATE DATABASE {name} TEMPLATE {template}"))
    return postgres.dsn(name)


def drop_database(postgres: LocalPostgres, dsn: str) -> None:
    """Drop it, whoever is still connected."""
    name = dsn.rpartition("/")[2]
    run_async(execute(postgres.dsn("postgres"), f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))


async def execute(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def run_async(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """Run it to its end on a thread and a loop of its own: a test's loop may be current on this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()


async def _wait_ready(
    why_not_ready: Callable[[], Awaitable[str | None]], process: "subprocess.Popen[bytes]", log: Path
) -> None:
    started = time.monotonic()
    while (reason := await why_not_ready()) is not None:
        assert process.poll() is None, f"it exited with {process.returncode}: {last_line(log)}"
        assert time.monotonic() - started < _start_seconds, f"not ready: {reason}; {last_line(log)}"
        await asyncio.sleep(0.1)


@contextmanager
def scratch_folder() -> Generator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="tailrace-test-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
