"""The edge process on a real Kafka and a real Postgres: when it starts, when it is ready, what it survives."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from typing import NamedTuple
from urllib.parse import urlsplit

import asyncpg
import httpx
import pytest
from msgspec import structs

from tailrace.admin.tenant import Bootstrap, bootstrap_tenant
from tailrace.admin.topics import create_topics
from tailrace.edge.main import serve
from tailrace.local.ports import free_port
from tailrace.runtime.probes import Health
from tailrace.runtime.settings import Kafka, Postgres, Process, Secret, Settings, SettingsError
from tailrace.runtime.startup import StoppedError
from tests.edge.fakes import INGESTION, OTLP, SCORES, full_key
from tests.edge.test_publisher import read_raw_topic
from tests.stack import execute
from tests.wire.otlp_requests import encode_request, make_span

pytestmark = pytest.mark.integration
SECRET = "sk-lf-a-long-enough-secret"
PARTITIONS = 3


class Running(NamedTuple):
    """An edge under way."""

    health: Health
    client: httpx.AsyncClient
    task: asyncio.Task[None]


@pytest.fixture
def settings(kafka_bootstrap: str, postgres_dsn: str, topic_prefix: str) -> Settings:
    return Settings(
        process=Process(
            host="127.0.0.1", http_port=free_port(), drain_seconds=2, accepted_risks="few-replicas,no-standby"
        ),
        kafka=Kafka(bootstrap_servers=kafka_bootstrap, topic_prefix=topic_prefix, partitions=PARTITIONS),
        postgres=Postgres(dsn=Secret(postgres_dsn)),
    )


def dsn_of(settings: Settings) -> str:
    assert settings.postgres.dsn
    return settings.postgres.dsn.reveal()


async def add_key(settings: Settings, name: str = "a") -> None:
    connection = await asyncpg.connect(dsn_of(settings))
    wanted = Bootstrap(
        organization_id="org",
        organization_name="Org",
        project_id=f"project-{name}",
        project_name=name,
        public_key=f"pk-lf-{name}",
        secret_key=Secret(SECRET),
    )
    await bootstrap_tenant(connection, wanted)
    await connection.close()


@asynccontextmanager
async def running_edge(settings: Settings) -> AsyncGenerator[Running]:
    health, stop = Health("edge", stall_seconds=60), asyncio.Event()
    task = asyncio.create_task(serve(settings, health, stop))
    headers = {"Authorization": full_key(secret=SECRET)}
    base_url = f"http://127.0.0.1:{settings.process.http_port}"
    async with httpx.AsyncClient(base_url=base_url, headers=headers, timeout=20) as client:
        yield Running(health, client, task)
    stop.set()
    await task


async def until(condition: Callable[[], bool], within_seconds: float = 20) -> None:
    async with asyncio.timeout(within_seconds):
        while not condition():  # noqa: ASYNC110 - a condition of several processes has no event
            await asyncio.sleep(0.05)


async def test_what_it_acknowledged_is_in_the_log(settings: Settings) -> None:
    await create_topics(settings)
    await add_key(settings)

    async with running_edge(settings) as edge:
        await until(lambda: edge.health.ready)
        spans = [make_span(traceId=f"{n:032x}", spanId=f"{n:016x}") for n in range(1, 30)]
        body = encode_request("otlp-protobuf", *spans)
        traces = await edge.client.post(OTLP, content=body, headers={"Content-Type": "application/x-protobuf"})
        score = await edge.client.post(SCORES, json={"name": "tone", "value": 1, "traceId": "t"})
        event = {"id": "e", "type": "trace-create", "timestamp": "2026-01-01T00:00:00Z", "body": {"id": "t"}}
        batch = await edge.client.post(INGESTION, json={"batch": [event]})
        records = await read_raw_topic(settings.kafka)

    assert [traces.status_code, score.status_code, batch.status_code] == [200, 200, 207]
    assert sum(record.headers.events for record in records) == 31
    assert {record.headers.kind for record in records} == {"otlp-protobuf", "scores", "ingestion"}


async def test_it_waits_for_the_topics_and_says_what_is_missing(settings: Settings) -> None:
    async with running_edge(settings) as edge:
        await until(lambda: "tailrace topics" in edge.health.reasons.get("stream", ""))

        await create_topics(settings)

        await until(lambda: edge.health.ready)


async def test_it_refuses_to_start_on_a_topic_of_another_partition_count(settings: Settings) -> None:
    await create_topics(settings)
    await execute(dsn_of(settings), "update streams set partitions = 5")

    with pytest.raises(SettingsError, match=f"has {PARTITIONS} partitions, but the stream was made with 5"):
        await serve(settings, Health("edge", stall_seconds=60), asyncio.Event())


async def test_it_stops_while_it_waits(settings: Settings) -> None:
    with pytest.raises(StoppedError):
        async with running_edge(settings) as edge:
            await until(lambda: "stream" in edge.health.reasons)


async def listener(dsn: str) -> None:
    """Returns once somebody listens to announcements; what an edge knows of keys before that, it forgets."""
    connection = await asyncpg.connect(dsn)
    async with asyncio.timeout(20):
        while not await connection.fetchval("select count(*) from pg_stat_activity where query ilike 'listen %'"):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    await connection.close()
    await asyncio.sleep(0.1)


class Line:
    """A line to a server that can be cut and mended."""

    def __init__(self, target_port: int) -> None:
        self.port = free_port()
        self._target_port = target_port
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def mend(self) -> None:
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", self.port)

    async def cut(self) -> None:
        assert self._server
        self._server.close()
        for writer in self._writers:
            writer.close()
        await asyncio.sleep(0.1)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        self._writers |= {writer, there_writer}
        await asyncio.gather(_pass_on(reader, there_writer), _pass_on(there_reader, writer))


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


async def test_a_known_key_may_write_while_postgres_is_away_and_others_may_when_it_is_back(settings: Settings) -> None:
    await create_topics(settings)
    await add_key(settings)
    parts = urlsplit(dsn_of(settings))
    line = Line(parts.port or 5432)
    await line.mend()
    through_line = parts._replace(netloc=parts.netloc.replace(f":{parts.port}", f":{line.port}")).geturl()
    score = {"id": "s", "name": "tone", "value": 1, "traceId": "t"}

    async with running_edge(structs.replace(settings, postgres=Postgres(dsn=Secret(through_line)))) as edge:
        await until(lambda: edge.health.ready)
        await listener(dsn_of(settings))
        assert (await edge.client.post(SCORES, json=score)).status_code == 200
        await line.cut()
        away = [await edge.client.post(SCORES, json=score) for _ in range(3)]
        unknown = await edge.client.post(SCORES, json=score, headers={"Authorization": full_key("b", SECRET)})
        assert [answer.status_code for answer in away] == [200, 200, 200]
        assert (unknown.status_code, unknown.headers["retry-after"]) == (503, "2")
        assert edge.health.ready

        await line.mend()

        back = await edge.client.post(SCORES, json=score, headers={"Authorization": full_key("b", SECRET)})
        assert back.status_code == 401
    await line.cut()


async def test_a_suspended_project_is_refused_soon_after(settings: Settings) -> None:
    await create_topics(settings)
    await add_key(settings)

    async with running_edge(settings) as edge:
        await until(lambda: edge.health.ready)
        assert (await edge.client.post(INGESTION, json={"batch": []})).status_code == 207

        await execute(dsn_of(settings), "update projects set suspended_at = now()")

        async with asyncio.timeout(10):
            while (await edge.client.post(INGESTION, json={"batch": []})).status_code != 403:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
