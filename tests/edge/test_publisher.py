"""Publishers: the one in memory and the one to Kafka keep one promise; Kafka's also outlives its broker."""

import asyncio
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import NewTopic

from tailrace.core.model import ProjectId
from tailrace.edge.publisher import KafkaPublisher, Publisher, PublishError, RawRecord
from tailrace.local.jars import provide_jars
from tailrace.local.kafka import LocalKafka
from tailrace.local.ports import free_port
from tailrace.local.stack import kafka_program
from tailrace.runtime.kafka import MAX_REQUEST_BYTES, make_admin, make_consumer
from tailrace.runtime.probes import Health
from tailrace.runtime.settings import Kafka, SettingsError
from tailrace.wire.topics import RawHeaders, decode_raw_headers, topics_of
from tests.edge.fakes import MemoryPublisher
from tests.stack import cache_dir, running

PARTITIONS = 3
SEND_TIMEOUT_SECONDS = 2


def make_record(body: bytes = b"body", *, partition: int = 0, events: int = 1) -> RawRecord:
    headers = RawHeaders("ingestion", ProjectId("project-a"), 1_750_000_000_000_000, events, "python", "5.0.4")
    return RawRecord(partition, headers, body)


def make_health() -> Health:
    health = Health("edge", stall_seconds=60)
    health.started()
    return health


class Log(NamedTuple):
    """A publisher, and the way to what it left in the log."""

    publisher: Publisher
    read: Callable[[], Awaitable[list[RawRecord]]]


async def create_raw_topic(settings: Kafka, partitions: int = PARTITIONS) -> None:
    admin = make_admin(settings)
    await admin.start()
    try:
        limit = {"max.message.bytes": str(MAX_REQUEST_BYTES)}
        await admin.create_topics([NewTopic(topics_of(settings.topic_prefix).raw, partitions, 1, topic_configs=limit)])
    finally:
        await admin.close()


async def read_raw_topic(settings: Kafka) -> list[RawRecord]:
    """Everything that the topic holds, partition by partition."""
    consumer = make_consumer(settings, group_id=None, client_id="test")
    await consumer.start()
    try:
        parts = [TopicPartition(topics_of(settings.topic_prefix).raw, number) for number in range(PARTITIONS)]
        consumer.assign(parts)
        await consumer.seek_to_beginning(*parts)
        left: int = sum((await consumer.end_offsets(parts)).values())
        records: list[RawRecord] = []
        while len(records) < left:
            found: dict[Any, list[Any]] = await consumer.getmany(timeout_ms=200)
            records += [_raw_record(message) for messages in found.values() for message in messages]
        return sorted(records, key=lambda record: record.partition)
    finally:
        await consumer.stop()


def _raw_record(message: Any) -> RawRecord:
    headers = decode_raw_headers(dict(message.headers))
    assert message.key == headers.project_id.encode()
    return RawRecord(message.partition, headers, message.value)


@asynccontextmanager
async def publishing(settings: Kafka, health: Health) -> AsyncGenerator[KafkaPublisher]:
    publisher = KafkaPublisher(settings, partitions=PARTITIONS, health=health)
    await publisher.start()
    try:
        yield publisher
    finally:
        await publisher.close()


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.integration)])
async def log(request: pytest.FixtureRequest, topic_prefix: str) -> AsyncGenerator[Log]:
    if request.param == "memory":
        memory = MemoryPublisher(PARTITIONS)

        async def read_memory() -> list[RawRecord]:
            return sorted(memory.records, key=lambda record: record.partition)

        yield Log(memory, read_memory)
        return
    bootstrap: str = request.getfixturevalue("kafka_bootstrap")
    settings = Kafka(bootstrap_servers=bootstrap, topic_prefix=topic_prefix, send_timeout_seconds=60)
    await create_raw_topic(settings)
    async with publishing(settings, make_health()) as publisher:
        yield Log(publisher, lambda: read_raw_topic(settings))


async def test_what_was_published_is_in_the_log_when_publish_returns(log: Log) -> None:
    records = [make_record(b"a", partition=2, events=3), make_record(b"b", partition=0), make_record(b"", partition=1)]

    await log.publisher.publish(records)

    assert await log.read() == sorted(records, key=lambda record: record.partition)
    assert log.publisher.partitions == PARTITIONS


async def test_records_of_one_partition_keep_their_order(log: Log) -> None:
    records = [make_record(b"%d" % number, partition=1) for number in range(50)]

    for record in records:
        await log.publisher.publish([record])

    assert await log.read() == records


async def test_many_publish_at_once_and_nothing_is_lost(log: Log) -> None:
    records = [make_record(b"%d" % number, partition=number % PARTITIONS) for number in range(300)]

    await asyncio.gather(*[log.publisher.publish([record]) for record in records])

    assert {record.body for record in await log.read()} == {record.body for record in records}


async def test_large_records_that_together_are_more_than_a_broker_takes_at_once(log: Log) -> None:
    records = [make_record(os.urandom(16_000_000), partition=number % PARTITIONS) for number in range(8)]

    await log.publisher.publish(records)

    assert len(await log.read()) == 8


async def test_nothing_to_publish_is_published_at_once(log: Log) -> None:
    await log.publisher.publish([])

    assert await log.read() == []


class Broker:
    """A broker of one test, to be frozen, killed and started again. Its data stays."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kafka = LocalKafka(
            folder=folder / "kafka",
            jars=provide_jars(cache_dir(), print),
            port=free_port(),
            controller_port=free_port(),
        )
        self._kafka.prepare(folder / "kafka.log")
        self.settings = Kafka(
            bootstrap_servers=self._kafka.bootstrap_servers, send_timeout_seconds=SEND_TIMEOUT_SECONDS
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._running = running(kafka_program(self._kafka, self._folder / "kafka.log"))
        self._process = self._running.__enter__()

    def send(self, number: signal.Signals) -> None:
        assert self._process
        self._process.send_signal(number)

    def stop(self) -> None:
        self._running.__exit__(None, None, None)


@pytest.fixture
def broker() -> Generator[Broker]:
    with tempfile.TemporaryDirectory(prefix="tailrace-test-", ignore_cleanup_errors=True) as folder:
        broker = Broker(Path(folder))
        broker.start()
        yield broker
        broker.stop()


async def publish_when_possible(publisher: Publisher, record: RawRecord, within_seconds: float = 40) -> None:
    async with asyncio.timeout(within_seconds):
        while True:
            with suppress(PublishError):
                await publisher.publish([record])
                return
            await asyncio.sleep(0.2)


@pytest.mark.integration
async def test_a_frozen_broker_is_an_error_in_time_and_work_goes_on_when_it_wakes(broker: Broker) -> None:
    await create_raw_topic(broker.settings)
    health = make_health()
    async with publishing(broker.settings, health) as publisher:
        await publisher.publish([make_record(b"before")])
        broker.send(signal.SIGSTOP)
        started = time.monotonic()

        with pytest.raises(PublishError):
            await publisher.publish([make_record(b"while away")])

        assert time.monotonic() - started < SEND_TIMEOUT_SECONDS + 1
        assert "kafka" in health.reasons
        with pytest.raises(PublishError):
            await publisher.publish([make_record(b"while away")])
        assert time.monotonic() - started < SEND_TIMEOUT_SECONDS + 1.5, "once known to be away, the answer is at once"

        broker.send(signal.SIGCONT)
        await publish_when_possible(publisher, make_record(b"after"))

        assert health.ready
    bodies = [record.body for record in await read_raw_topic(broker.settings)]
    assert bodies[0] == b"before"
    assert b"after" in bodies
    assert set(bodies) <= {b"before", b"while away", b"after"}


@pytest.mark.integration
async def test_a_killed_broker_is_an_error_and_what_was_acknowledged_is_still_there(broker: Broker) -> None:
    await create_raw_topic(broker.settings)
    health = make_health()
    async with publishing(broker.settings, health) as publisher:
        acknowledged: list[bytes] = []
        for number in range(100):
            await publisher.publish([make_record(b"%d" % number, partition=number % PARTITIONS)])
            acknowledged.append(b"%d" % number)
        broker.send(signal.SIGKILL)
        with pytest.raises(PublishError):
            await publisher.publish([make_record(b"lost")])
        assert not health.ready

        await asyncio.to_thread(broker.stop)
        await asyncio.to_thread(broker.start)
        await publish_when_possible(publisher, make_record(b"after"))

        assert health.ready
    assert {*acknowledged, b"after"} <= {record.body for record in await read_raw_topic(broker.settings)}


@pytest.mark.integration
async def test_a_topic_of_another_partition_count_is_refused(kafka_bootstrap: str, topic_prefix: str) -> None:
    settings = Kafka(bootstrap_servers=kafka_bootstrap, topic_prefix=topic_prefix)
    await create_raw_topic(settings, partitions=PARTITIONS + 1)
    publisher = KafkaPublisher(settings, partitions=PARTITIONS, health=make_health())

    with pytest.raises(SettingsError, match=f"has {PARTITIONS + 1} partitions, Postgres says {PARTITIONS}"):
        await publisher.start()

    await publisher.close()


@pytest.mark.integration
async def test_a_publisher_waits_for_its_topic_and_says_so(kafka_bootstrap: str, topic_prefix: str) -> None:
    settings = Kafka(bootstrap_servers=kafka_bootstrap, topic_prefix=topic_prefix, send_timeout_seconds=1)
    health = make_health()
    publisher = KafkaPublisher(settings, partitions=PARTITIONS, health=health)
    starting = asyncio.create_task(publisher.start())
    await asyncio.sleep(1.5)
    assert "kafka" in health.reasons

    await create_raw_topic(settings)
    await asyncio.wait_for(starting, 20)

    assert health.ready
    await publisher.publish([make_record()])
    await publisher.close()
