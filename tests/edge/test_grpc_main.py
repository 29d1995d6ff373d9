"""The edge process on a real Kafka and a real Postgres, written to by OpenTelemetry's own gRPC exporter and by grpcio."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any

import pytest
from msgspec import structs
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tailrace.admin.topics import create_topics
from tailrace.edge.main import serve
from tailrace.local.ports import free_port
from tailrace.runtime.probes import Health
from tailrace.runtime.settings import Kafka, Postgres, Process, Secret, Settings, SettingsError
from tests.edge.fakes import OTLP, full_key
from tests.edge.grpc_client import GZIP, GrpcClient, Reply
from tests.edge.test_main import PARTITIONS, SECRET, Running, add_key, dsn_of, running_edge, until
from tests.edge.test_publisher import Broker, broker, read_raw_topic
from tests.stack import execute
from tests.wire.otlp_requests import encode_request, make_span

pytestmark = pytest.mark.integration
__all__ = ["broker"]

# None of these has types.
OTLPSpanExporter: Any = import_module("opentelemetry.exporter.otlp.proto.grpc.trace_exporter").OTLPSpanExporter
BatchSpanProcessor: Any = import_module("opentelemetry.sdk.trace.export").BatchSpanProcessor
TracerProvider: Any = import_module("opentelemetry.sdk.trace").TracerProvider


@pytest.fixture
def settings(kafka_bootstrap: str, postgres_dsn: str, topic_prefix: str) -> Settings:
    return settings_of(Kafka(bootstrap_servers=kafka_bootstrap, topic_prefix=topic_prefix), postgres_dsn)


def settings_of(kafka: Kafka, dsn: str) -> Settings:
    return Settings(
        process=Process(
            host="127.0.0.1", http_port=free_port(), drain_seconds=10, accepted_risks="few-replicas,no-standby"
        ),
        kafka=structs.replace(kafka, partitions=PARTITIONS),
        postgres=Postgres(dsn=Secret(dsn)),
        edge=structs.replace(Settings().edge, grpc_port=free_port()),
    )


@asynccontextmanager
async def ready_edge(settings: Settings) -> AsyncGenerator[tuple[Running, GrpcClient]]:
    await create_topics(settings)
    await add_key(settings)
    assert settings.edge.grpc_port
    async with running_edge(settings) as edge:
        await until(lambda: edge.health.ready)
        client = GrpcClient(settings.edge.grpc_port, full_key(secret=SECRET))
        yield edge, client
        await client.channel.close()


class Application:
    """What sends by OpenTelemetry's SDK; a thread, as it is. `ended` has the span ids that it made."""

    def __init__(self, settings: Settings, *, key: str = "a", secret: str = SECRET, timeout: float = 10) -> None:
        self._exporter = OTLPSpanExporter(
            endpoint=f"http://127.0.0.1:{settings.edge.grpc_port}",
            headers=(("authorization", full_key(key, secret)),),
            compression=GZIP,
            timeout=timeout,
        )
        self._provider = TracerProvider()
        self._provider.add_span_processor(BatchSpanProcessor(self._exporter))
        self.ended: set[bytes] = set()

    async def work(self, spans: int) -> None:
        """Make spans, and wait until the SDK has done with them."""
        tracer = self._provider.get_tracer("application")
        for number in range(spans):
            span = tracer.start_span(f"step {number}")
            span.end()
            self.ended.add(span.get_span_context().span_id.to_bytes(8))
        await asyncio.to_thread(self._provider.force_flush)

    async def close(self) -> None:
        await asyncio.to_thread(self._provider.shutdown)


async def stored_spans(settings: Settings, project: str = "project-a") -> list[bytes]:
    """The ids of all spans of a project in the log."""
    records = await read_raw_topic(settings.kafka)
    return [
        span.span_id
        for record in records
        if record.headers.project_id == project
        for resource in ExportTraceServiceRequest.FromString(record.body).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def bodies(numbers: Iterable[int]) -> list[bytes]:
    return [encode_request("otlp-protobuf", make_span(spanId=f"{number:016x}")) for number in numbers]


async def test_what_an_exporter_was_told_ok_for_is_in_the_log(settings: Settings) -> None:
    async with ready_edge(settings) as (_, client):
        application = Application(settings)
        await application.work(1500)
        replies = [await client.call(body) for body in bodies(range(1, 21))]
        stored = await stored_spans(settings)
        await application.close()

    assert replies == [Reply("OK")] * 20
    assert len(stored) == 1520
    assert application.ended < set(stored)


async def test_two_projects_on_one_channel_each_have_their_own(settings: Settings) -> None:
    async with ready_edge(settings) as (_, client):
        await add_key(settings, "b")
        for number, body in enumerate(bodies(range(1, 11))):
            assert (await client.call(body, key=full_key("ab"[number % 2], SECRET))).code == "OK"
        stored = {name: await stored_spans(settings, f"project-{name}") for name in "ab"}

    assert sorted(stored["a"]) == [number.to_bytes(8) for number in (1, 3, 5, 7, 9)]
    assert sorted(stored["b"]) == [number.to_bytes(8) for number in (2, 4, 6, 8, 10)]


async def test_a_key_that_is_revoked_or_suspended_is_refused_soon_after(settings: Settings) -> None:
    (body,) = bodies([1])
    async with ready_edge(settings) as (_, client):
        assert (await client.call(body)).code == "OK"
        assert (await client.call(body, key=full_key(secret="wrong"))).code == "UNAUTHENTICATED"

        await execute(dsn_of(settings), "update projects set suspended_at = now()")
        await until_code(client, body, "PERMISSION_DENIED")
        await execute(dsn_of(settings), "update projects set suspended_at = null")
        await until_code(client, body, "OK")
        await execute(dsn_of(settings), "update api_keys set revoked_at = now()")
        await until_code(client, body, "UNAUTHENTICATED")


async def until_code(client: GrpcClient, body: bytes, code: str) -> None:
    async with asyncio.timeout(10):
        while (await client.call(body)).code != code:  # noqa: ASYNC110
            await asyncio.sleep(0.1)


async def test_what_goes_over_a_quota_is_delivered_later_by_the_exporter(settings: Settings) -> None:
    limited = structs.replace(settings, edge=structs.replace(settings.edge, events_per_second=100))
    async with ready_edge(limited) as (_, client):
        replies = [await client.call(body) for body in bodies(range(1, 3))]
        over = encode_request("otlp-protobuf", *[make_span(spanId=f"{n:016x}") for n in range(3, 1203)])
        assert (await client.call(over)).code == "OK"
        refused = await client.call(over)
        application = Application(limited)
        await application.work(50)
        stored = await stored_spans(limited)
        await application.close()

    assert replies == [Reply("OK", limits=reply.limits) for reply in replies]
    assert refused.code == "RESOURCE_EXHAUSTED"
    assert refused.retry_seconds in (1, 2, 3)
    assert application.ended < set(stored)


async def test_while_the_broker_is_away_the_exporter_keeps_its_spans_and_delivers_them_later(
    broker: Broker, postgres_dsn: str
) -> None:
    settings = settings_of(broker.settings, postgres_dsn)
    (body,) = bodies([1])
    async with ready_edge(settings) as (edge, client):
        application = Application(settings, timeout=60)
        broker.send(signal.SIGSTOP)
        working = asyncio.create_task(application.work(50))
        away = await client.call(body)
        assert not edge.health.ready

        broker.send(signal.SIGCONT)
        await working
        stored = await stored_spans(settings)
        await application.close()

    assert (away.code, away.retry_seconds) == ("UNAVAILABLE", 2)
    assert application.ended <= set(stored)


async def test_a_stop_under_load_loses_nothing_that_was_acknowledged(settings: Settings) -> None:
    await create_topics(settings)
    await add_key(settings)
    assert settings.edge.grpc_port
    stop, health = asyncio.Event(), Health("edge", stall_seconds=60)
    task = asyncio.create_task(serve(settings, health, stop))
    await until(lambda: health.ready)
    clients = [GrpcClient(settings.edge.grpc_port, full_key(secret=SECRET)) for _ in range(3)]
    acknowledged: set[bytes] = set()
    others: list[Reply] = []

    async def send(sender: int) -> None:
        for number in range(1 + 10_000 * sender, 10_000 * (sender + 1)):
            reply = await clients[sender % 3].call(bodies([number])[0], compression=GZIP)
            if reply.code != "OK":
                others.append(reply)
                return
            acknowledged.add(number.to_bytes(8))

    senders = [asyncio.create_task(send(sender)) for sender in range(30)]
    await until(lambda: len(acknowledged) > 300)
    stop.set()
    await task
    await asyncio.gather(*senders)
    for client in clients:
        await client.channel.close()
    stored = await stored_spans(settings)

    assert len(others) == 30
    assert {reply.code for reply in others} == {"UNAVAILABLE"}
    assert acknowledged <= set(stored)


async def test_both_ways_in_are_one_edge(settings: Settings) -> None:
    first, second = bodies([1, 2])
    async with ready_edge(settings) as (edge, client):
        by_grpc = await client.call(first)
        by_http = await edge.client.post(OTLP, content=second, headers={"Content-Type": "application/x-protobuf"})
        stored = await stored_spans(settings)

    assert (by_grpc.code, by_http.status_code) == ("OK", 200)
    assert len(stored) == 2


def test_who_does_not_want_it_pays_nothing_for_it() -> None:
    code = "import sys, tailrace.edge.main, tailrace.local.origin; print([n for n in ('h2', 'hpack', 'grpc') if n in sys.modules])"

    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert shown == "[]\n"


async def test_a_port_that_is_taken_is_said(settings: Settings) -> None:
    async with ready_edge(settings):
        other = structs.replace(settings, process=structs.replace(settings.process, http_port=free_port()))
        with pytest.raises(SettingsError, match="TAILRACE_EDGE_GRPC_PORT: cannot listen on port"):
            await serve(other, Health("edge", stall_seconds=60), asyncio.Event())
