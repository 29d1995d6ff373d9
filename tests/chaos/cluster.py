"""The real stack as an operator would run it: a broker, a database and several of each service, on free ports in a folder of its own."""

import asyncio
import base64
import shutil
import sys
import tempfile
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import asyncpg
import orjson
from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete

import tailrace
from tailrace.local.child import Program, plain_environment
from tailrace.local.jars import provide_jars
from tailrace.local.kafka import LocalKafka
from tailrace.local.ports import free_port
from tailrace.local.postgres import LocalPostgres
from tailrace.local.services import why_not_ready
from tailrace.local.stack import kafka_program, postgres_program
from tailrace.runtime.kafka import MAX_RECORD_BYTES, make_admin, make_consumer, make_producer
from tailrace.runtime.settings import Kafka
from tailrace.wire.topics import topics_of
from tests.chaos.member import Member
from tests.stack import cache_dir

ROLES: Final = ("edge", "assembler", "meter", "sink", "query", "auditor")
PARTITIONS: Final = 6
SESSION_SECONDS: Final = 6
"""The least that a broker grants: a process that sleeps for longer has lost its partitions when it wakes."""

PREFIX: Final = "tailrace."
_settings: Final = {
    "TAILRACE_TOPIC_PREFIX": PREFIX,
    "TAILRACE_PARTITIONS": str(PARTITIONS),
    "TAILRACE_KAFKA_SESSION_TIMEOUT_SECONDS": str(SESSION_SECONDS),
    "TAILRACE_KAFKA_SEND_TIMEOUT_SECONDS": "5",
    "TAILRACE_ACCEPTED_RISKS": "few-replicas,no-standby",
    "TAILRACE_HOST": "127.0.0.1",
    "TAILRACE_LOG_FORMAT": "text",
    "TAILRACE_AUDIT_INTERVAL_SECONDS": "2",
    "TAILRACE_AUDIT_GRACE_SECONDS": "15",
    # The reference counts no tokens: what nobody told is unknown to it.
    "TAILRACE_ESTIMATE_USAGE": "false",
    # Small, so that state is loaded again all the time, and a backlog meets its bound.
    "TAILRACE_MAX_STATE_BYTES": str(1024 * 1024),
    "TAILRACE_MAX_UNAPPLIED_BYTES": str(2 * 1024 * 1024),
}


class Tenant(NamedTuple):
    """A project and the headers that speak for it."""

    project: str
    headers: dict[str, str]


class Sizes(NamedTuple):
    """How many there are of each role."""

    edge: int = 2
    assembler: int = 2
    meter: int = 1
    sink: int = 2
    query: int = 1
    auditor: int = 1


class Cluster:
    """The members by name: kafka, postgres, edge-0, edge-1, assembler-0 …"""

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        self.folder = folder
        self.kafka = LocalKafka(
            folder=folder / "kafka",
            jars=provide_jars(cache_dir(), lambda _: None),
            port=free_port(),
            controller_port=free_port(),
        )
        self.postgres = LocalPostgres(folder=folder / "postgres", port=free_port())
        self.members: dict[str, Member] = {}
        self.topics = topics_of(PREFIX)
        self.keep = False
        self._settings = settings
        self._urls: dict[str, str] = {}
        self._grpc_ports: dict[str, int] = {}

    @property
    def environment(self) -> dict[str, str]:
        """What every process and command is given."""
        return {
            **plain_environment(),
            **_settings,
            **self._settings,
            "TAILRACE_KAFKA_BOOTSTRAP_SERVERS": self.kafka.bootstrap_servers,
            "TAILRACE_POSTGRES_DSN": self.postgres.dsn(),
        }

    def of(self, *roles: str) -> list[Member]:
        """The members of these roles."""
        return [member for name, member in self.members.items() if name.partition("-")[0] in roles]

    def urls(self, role: str) -> list[str]:
        """The addresses of edges or queries."""
        return [self._urls[member.name] for member in self.of(role)]

    @property
    def grpc_addresses(self) -> list[str]:
        """Where the edges take OTLP over gRPC."""
        return [f"127.0.0.1:{self._grpc_ports[member.name]}" for member in self.of("edge")]

    async def start(self, sizes: Sizes) -> None:
        """Start everything and wait until it is ready."""
        self._add(kafka_program(self.kafka, self.log("kafka")), lambda: self.kafka.prepare(self.log("kafka")))
        self._add(
            postgres_program(self.postgres, self.log("postgres")),
            lambda: self.postgres.prepare(self.log("postgres")),
        )
        await asyncio.gather(*(member.ready() for member in self.of("kafka", "postgres")))
        await self.postgres.create_database()
        await self.tailrace("migrate")
        await self.tailrace("topics")
        for role, count in sizes._asdict().items():
            self.add(role, count)
        await asyncio.gather(*(member.ready() for member in self.of(*ROLES)))

    async def stop(self) -> None:
        """End everything, the services first."""
        await asyncio.gather(*(member.stop() for member in self.of(*ROLES)))
        await asyncio.gather(*(member.stop() for member in self.of("kafka", "postgres")))

    def add(self, role: str, count: int) -> list[Member]:
        """Start so many more of a role; they may not be ready yet."""
        taken = len(self.of(role))
        return [self._add_service(role, f"{role}-{number}") for number in range(taken, taken + count)]

    async def remove(self, role: str, count: int) -> None:
        """Stop the last `count` of a role gracefully, for good."""
        gone = self.of(role)[-count:]
        await asyncio.gather(*(member.stop() for member in gone))
        for member in gone:
            del self.members[member.name]

    async def heal(self) -> None:
        """Let everything run again and wait until it is ready."""
        for member in self.members.values():
            member.let_go()
        await asyncio.gather(*(member.ready(seconds=180) for member in self.members.values()))

    async def connect(self) -> asyncpg.Connection:
        """A connection to the database."""
        return await asyncpg.connect(self.postgres.dsn(), timeout=10, server_settings={"application_name": "chaos"})

    async def execute(self, statement: str, *values: Any) -> list[Any]:
        """Run one statement on a connection of its own."""
        connection = await self.connect()
        try:
            return await connection.fetch(statement, *values)
        finally:
            await connection.close()

    async def execute_script(self, script: str) -> None:
        """Run statements without arguments, in one transaction."""
        connection = await self.connect()
        try:
            await connection.execute(script)
        finally:
            await connection.close()

    async def tailrace(self, *arguments: str, codes: Sequence[int] = (0,), release: Path | None = None) -> str:
        """Run an operator's command; returns what it printed. Raises RuntimeError for another exit code than one of `codes`.

        `release`: another than this one's. Who cancels it kills the command.
        """
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tailrace",
            *arguments,
            env=of_release(self.environment, release),
            cwd=self.folder,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            printed, errors = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode not in codes:
            raise RuntimeError(f"tailrace {' '.join(arguments)}: exit code {process.returncode}\n{errors.decode()}")
        return printed.decode()

    async def create_tenant(self, project: str) -> Tenant:
        """A new project with a key."""
        await self.tailrace("tenant", "create", "--org", "chaos", "--project", project)
        made = orjson.loads(await self.tailrace("key", "create", "--project", project, "--json"))
        secret = base64.b64encode(f"{made['publicKey']}:{made['secretKey']}".encode()).decode()
        return Tenant(project, {"authorization": f"Basic {secret}"})

    async def log_ends(self, topic: str) -> dict[int, int]:
        """The offset after the last record of each partition of a topic. Raises KAFKA_ERRORS."""
        consumer = make_consumer(self.kafka_settings, group_id=None, client_id="chaos")
        try:
            await consumer.start()
            ends = await consumer.end_offsets([TopicPartition(topic, number) for number in range(PARTITIONS)])
        finally:
            await consumer.stop()
        return {tp.partition: end for tp, end in ends.items()}

    async def publish(self, topic: str, records: Sequence[tuple[int, bytes, list[tuple[str, bytes]]]]) -> None:
        """Write (partition, value, headers) as they are, past every check. Raises KAFKA_ERRORS."""
        producer = make_producer(self.kafka_settings, client_id="chaos", max_record_bytes=MAX_RECORD_BYTES)
        try:
            await producer.start()
            for partition, value, headers in records:
                await producer.send_and_wait(topic, value=value, partition=partition, headers=headers)
        finally:
            await producer.stop()

    async def read_topic(self, topic: str) -> list[tuple[int, bytes]]:
        """Everything on a topic now: (partition, value). Raises KAFKA_ERRORS."""
        consumer = make_consumer(self.kafka_settings, group_id=None, client_id="chaos")
        partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        consumer.assign(partitions)
        found: list[tuple[int, bytes]] = []
        try:
            await consumer.start()
            ends = await consumer.end_offsets(partitions)
            while any([await consumer.position(tp) < ends[tp] for tp in partitions]):
                fetched = await consumer.getmany(timeout_ms=200)
                found += [(one.partition, one.value) for messages in fetched.values() for one in messages]
        finally:
            await consumer.stop()
        return found

    async def forget_records(self, topic: str, before: Mapping[int, int]) -> None:
        """Let the log of a topic begin later, as retention does. Raises KAFKA_ERRORS."""
        async with self.admin() as admin:
            await admin.delete_records(
                {TopicPartition(topic, number): RecordsToDelete(offset) for number, offset in before.items()}
            )

    async def commit_for(self, group: str, topic: str, offsets: Mapping[int, int]) -> None:
        """Commit in the name of a group that has no members. Raises KAFKA_ERRORS."""
        consumer = make_consumer(self.kafka_settings, group_id=f"{PREFIX}{group}", client_id="chaos")
        consumer.assign([TopicPartition(topic, number) for number in offsets])
        try:
            await consumer.start()
            await consumer.commit({TopicPartition(topic, number): offset for number, offset in offsets.items()})
        finally:
            await consumer.stop()

    @asynccontextmanager
    async def admin(self) -> AsyncGenerator[Any]:
        """An admin client of the broker."""
        admin = make_admin(self.kafka_settings)
        try:
            await admin.start()  # one that fails has connections to close too
            yield admin
        finally:
            await admin.close()

    async def committed(self, group: str) -> dict[int, int]:
        """What a group has committed of the raw log, by partition. Raises KAFKA_ERRORS."""
        async with self.admin() as admin:
            offsets = await admin.list_consumer_group_offsets(f"{PREFIX}{group}")
        return {tp.partition: found.offset for tp, found in offsets.items() if found.offset >= 0}

    @property
    def kafka_settings(self) -> Kafka:
        return Kafka(bootstrap_servers=self.kafka.bootstrap_servers, topic_prefix=PREFIX)

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def unasked_exits(self) -> list[str]:
        """Which services ended although nobody asked them to, since the last call."""
        found: list[str] = []
        for member in self.of(*ROLES):
            found += member.unasked_exits
            member.unasked_exits.clear()
        return found

    def _add(self, program: Program, before: Any = lambda: None) -> Member:
        member = Member(program, before=before)
        self.members[program.name] = member
        member.start()
        return member

    def _add_service(self, role: str, name: str) -> Member:
        probe_port, http_port = free_port(), free_port()
        self._urls[name] = f"http://127.0.0.1:{http_port}"
        ports = {"TAILRACE_PROBE_PORT": str(probe_port), "TAILRACE_HTTP_PORT": str(http_port)}
        if role == "edge":
            grpc_port = free_port()
            self._grpc_ports[name] = grpc_port
            ports["TAILRACE_EDGE_GRPC_PORT"] = str(grpc_port)
        program = Program(
            name=name,
            command=[sys.executable, "-m", "tailrace", role],
            folder=self.folder,
            environment=self.environment | ports,
            log=self.log(name),
            why_not_ready=lambda: why_not_ready(probe_port),
            probe_port=probe_port,
        )
        return self._add(program)


@asynccontextmanager
async def running_cluster(
    sizes: Sizes | None = None, *, settings: Mapping[str, str] | None = None
) -> AsyncGenerator[Cluster]:
    """A cluster while the block runs; its folder with all logs stays if `keep` is set on it, or if the block raises."""
    folder = Path(tempfile.mkdtemp(prefix="tailrace-chaos-"))
    folder.chmod(0o755)  # noqa: ASYNC240 - once; the database may run as another user
    cluster = Cluster(folder, settings or {})
    failed = True
    try:
        await cluster.start(sizes or Sizes())
        yield cluster
        failed = False
    finally:
        await cluster.stop()
        if failed or cluster.keep:
            print(f"the logs are in {folder}", file=sys.stderr)
        else:
            shutil.rmtree(folder, ignore_errors=True)


def copy_release(cluster: Cluster, name: str) -> Path:
    """A copy of this release's code and schemas, to be changed: what a deploy would bring. Goes first on PYTHONPATH by `deploy`."""
    package = Path(tailrace.__file__).parent
    target = cluster.folder / name
    shutil.copytree(package, target / "services" / "tailrace", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(package.parent.parent / "schemas", target / "schemas")
    return target


def of_release(environment: Mapping[str, str], release: Path | None) -> dict[str, str]:
    """The environment in which another release's code runs; None: this one's."""
    return {**environment, **({} if release is None else {"PYTHONPATH": str(release / "services")})}
