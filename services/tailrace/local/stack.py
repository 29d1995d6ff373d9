"""The steps of `tailrace up`: settings in, a running stack out, until it is told to stop.

PostgreSQL and Kafka start together; then the schema, the topics and the keys; then the services together. What stops first is what
events enter first, so that each process can still hand over what it holds.
"""

import asyncio
import signal
import sys
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import msgspec

from tailrace.local import jars
from tailrace.local.child import Program, plain_environment
from tailrace.local.datadir import DataDir, open_data_dir
from tailrace.local.errors import StackError
from tailrace.local.kafka import LocalKafka
from tailrace.local.keys import Keys
from tailrace.local.ports import free_port, is_free
from tailrace.local.postgres import LocalPostgres, postgres_environment
from tailrace.local.services import SERVICES, service_programs
from tailrace.local.setup import set_up
from tailrace.local.supervisor import Supervisor
from tailrace.runtime.settings import Secret, Settings

Announce = Callable[[str, str], None]

OTLP_GRPC_PORT: Final = 4317
"""Where exporters look for OTLP over gRPC, unless they are told otherwise."""

# One Ctrl-C can arrive twice: from the terminal, and from the `make` that waits for us.
_second_signal_seconds = 1.0


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """What the stack is made of; tests put small things in their place."""

    services: Callable[[Settings, DataDir], list[Program]] = service_programs
    service_names: tuple[str, ...] = SERVICES
    set_up: Callable[[Settings, DataDir, Announce], Awaitable[Keys]] = set_up
    command: tuple[str, ...] = (sys.executable, "-m", "tailrace", "up")


async def run_stack(
    settings: Settings,
    *,
    announce: Announce,
    on_ready: Callable[[Settings, Keys], None],
    parts: Parts,
) -> None:
    """Start everything, call `on_ready`, and stop everything on SIGINT, SIGTERM or SIGHUP; a second signal kills.

    Raises StackError, with everything stopped, when something does not come up.
    """
    data = open_data_dir(settings.stack.data_dir)
    announce("data", str(data.root))
    stop_order = (*parts.service_names, "kafka", "postgres")
    async with Supervisor(data, stop_order=stop_order, announce=announce) as supervisor:
        stop = _stop_on_signals(supervisor, announce)
        start = _Start(settings, data, supervisor, announce)
        starting = asyncio.create_task(start.run(parts))
        await _until(starting, stop)
        if not starting.done():
            start.cancelled.set()
            starting.cancel()
            await asyncio.wait({starting})
            raise StackError("stopped before it was ready")
        settled, keys = starting.result()
        supervisor.settle()
        on_ready(settled, keys)
        if not await _is_told_to_stop(stop, supervisor):
            supervisor.hurry()
            raise StackError(f"{data.root} was removed while tailrace ran on it: everything is stopped")


class _Start:
    """One start of the stack, step by step."""

    def __init__(self, settings: Settings, data: DataDir, supervisor: Supervisor, announce: Announce) -> None:
        self._settings = settings
        self._data = data
        self._supervisor = supervisor
        self._announce = announce
        self.cancelled = threading.Event()

    async def run(self, parts: Parts) -> tuple[Settings, Keys]:
        settings = _with_grpc_port(_with_origin(self._settings))
        own = [
            *(["kafka"] if settings.kafka.bootstrap_servers is None else []),
            *(["postgres"] if settings.postgres.dsn is None else []),
        ]
        self._data.check_servers(own)
        bootstrap_servers, dsn = await _both(self._provide_kafka(), self._provide_postgres())
        self._data.note_servers(own)
        settings = msgspec.structs.replace(
            settings,
            kafka=msgspec.structs.replace(settings.kafka, bootstrap_servers=bootstrap_servers),
            postgres=msgspec.structs.replace(settings.postgres, dsn=dsn),
        )
        keys = await parts.set_up(settings, self._data, self._announce)
        await self._supervisor.start(*parts.services(settings, self._data))
        return settings, keys

    async def _provide_kafka(self) -> str:
        if self._settings.kafka.bootstrap_servers is not None:
            self._announce("kafka", f"using yours at {self._settings.kafka.bootstrap_servers}")
            return self._settings.kafka.bootstrap_servers
        kafka = await asyncio.to_thread(self._prepare_kafka)
        await self._supervisor.start(kafka_program(kafka, self._data.log("kafka")))
        return kafka.bootstrap_servers

    def _prepare_kafka(self) -> LocalKafka:
        cache = self._settings.stack.cache_dir
        folder = jars.provide_jars(
            Path(cache).expanduser().absolute() if cache else jars.default_cache_dir(),
            lambda text: self._announce("kafka", text),
            cancelled=self.cancelled,
        )
        kafka = LocalKafka(folder=self._data.kafka, jars=folder, port=free_port(), controller_port=free_port())
        kafka.prepare(self._data.log("kafka"))
        return kafka

    async def _provide_postgres(self) -> Secret:
        if self._settings.postgres.dsn is not None:
            self._announce("postgres", "using yours")
            return self._settings.postgres.dsn
        postgres = LocalPostgres(folder=self._data.postgres, port=free_port())
        await asyncio.to_thread(postgres.prepare, self._data.log("postgres"))
        await self._supervisor.start(postgres_program(postgres, self._data.log("postgres")))
        await postgres.create_database()
        return Secret(postgres.dsn())


def kafka_program(kafka: LocalKafka, log: Path) -> Program:
    """How the supervisor runs a broker."""
    return Program(
        name="kafka",
        command=kafka.command,
        folder=kafka.folder,
        environment=plain_environment(),
        log=log,
        port=kafka.port,
        why_not_ready=kafka.why_not_ready,
        stop_seconds=30,
    )


def postgres_program(postgres: LocalPostgres, log: Path) -> Program:
    """How the supervisor runs a database server."""
    return Program(
        name="postgres",
        command=postgres.command,
        folder=postgres.folder,
        environment=postgres_environment(),
        log=log,
        port=postgres.port,
        account=postgres.account,
        why_not_ready=postgres.why_not_ready,
        stop_signal=signal.SIGINT,  # "fast": ends sessions and writes a checkpoint; SIGTERM would wait for the clients
        stop_seconds=30,
    )


def _with_origin(settings: Settings) -> Settings:
    host, port = settings.process.host, settings.stack.port or free_port()
    if not is_free(host, port):
        raise StackError(
            f"port {port} is taken by another program: stop that one, or set TAILRACE_PORT to another port"
        )
    default_url = type(settings.process)().public_url
    url = settings.process.public_url
    process = msgspec.structs.replace(
        settings.process, http_port=port, public_url=f"http://localhost:{port}" if url == default_url else url
    )
    return msgspec.structs.replace(settings, process=process)


def _with_grpc_port(settings: Settings) -> Settings:
    host, wanted = settings.process.host, settings.edge.grpc_port
    if wanted is None:
        port = OTLP_GRPC_PORT if is_free(host, OTLP_GRPC_PORT) else free_port()
    elif wanted and not is_free(host, wanted):
        raise StackError(
            f"port {wanted} is taken by another program: stop that one, or set TAILRACE_EDGE_GRPC_PORT to another port, or to 0"
        )
    else:
        port = wanted
    return msgspec.structs.replace(settings, edge=msgspec.structs.replace(settings.edge, grpc_port=port))


async def _both(first: Awaitable[str], second: Awaitable[Secret]) -> tuple[str, Secret]:
    # Not a bare gather: when one fails, the other must have ended before everything is stopped.
    tasks = asyncio.ensure_future(first), asyncio.ensure_future(second)
    try:
        return await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        raise


def _stop_on_signals(supervisor: Supervisor, announce: Announce) -> asyncio.Event:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    first = 0.0

    def on_signal() -> None:
        nonlocal first
        if not stop.is_set():
            announce("stopping", "in the order in which events flow; once more to kill")
            first = loop.time()
            stop.set()
        elif loop.time() - first > _second_signal_seconds:
            supervisor.hurry()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, on_signal)
    return stop


async def _is_told_to_stop(stop: asyncio.Event, supervisor: Supervisor) -> bool:
    """Wait; False if there is nothing left to run on."""
    waiting = [asyncio.create_task(event.wait()) for event in (stop, supervisor.lost_folder)]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()
    return stop.is_set()


async def _until(task: asyncio.Task[tuple[Settings, Keys]], stop: asyncio.Event) -> None:
    waiting = asyncio.create_task(stop.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
