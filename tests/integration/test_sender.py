"""The sender over a real broker: large records, order, and a producer that has failed."""

import asyncio
from collections.abc import AsyncGenerator

import pytest
from aiokafka.admin import NewTopic

from tailrace.assembler.sender import KafkaSender, Message, SendError
from tailrace.runtime.kafka import MAX_RECORD_BYTES, make_admin, make_consumer
from tailrace.runtime.settings import Kafka

pytestmark = pytest.mark.integration


@pytest.fixture
def settings(kafka_bootstrap: str) -> Kafka:
    return Kafka(bootstrap_servers=kafka_bootstrap)


@pytest.fixture
async def topic(settings: Kafka, topic_prefix: str) -> str:
    name = f"{topic_prefix}assembled"
    admin = make_admin(settings)
    await admin.start()
    await admin.create_topics([NewTopic(name, 4, 1, topic_configs={"max.message.bytes": str(MAX_RECORD_BYTES)})])
    await admin.close()
    return name


@pytest.fixture
async def sender(settings: Kafka) -> AsyncGenerator[KafkaSender]:
    sender = KafkaSender(settings, client_id="test")
    yield sender
    await sender.stop()


async def _read(settings: Kafka, topic: str, count: int) -> list[tuple[int, bytes]]:
    consumer = make_consumer(settings, group_id=None, client_id="test")
    consumer.subscribe([topic])
    await consumer.start()
    try:
        async with asyncio.timeout(30):
            return [(one.partition, one.value) for one in [await consumer.getone() for _ in range(count)]]
    finally:
        await consumer.stop()


async def test_the_largest_records_of_several_partitions_at_once_arrive(
    settings: Kafka, topic: str, sender: KafkaSender
) -> None:
    size = MAX_RECORD_BYTES - 2048
    await asyncio.gather(*[sender.send([Message(topic, partition, None, bytes(size))]) for partition in range(3)])

    assert sorted((partition, len(value)) for partition, value in await _read(settings, topic, 3)) == [
        (0, size),
        (1, size),
        (2, size),
    ]


async def test_the_order_within_a_partition_is_kept(settings: Kafka, topic: str, sender: KafkaSender) -> None:
    values = [b"%03d" % number for number in range(200)]
    await sender.send([Message(topic, 0, None, value) for value in values])

    assert [value for _, value in await _read(settings, topic, 200)] == values


async def test_what_no_broker_takes_is_an_error_and_the_next_send_has_another_producer(
    settings: Kafka, topic: str, sender: KafkaSender
) -> None:
    with pytest.raises(SendError, match="MessageSizeTooLarge"):
        await sender.send([Message(topic, 0, None, bytes(MAX_RECORD_BYTES + 1))])
    await sender.send([Message(topic, 0, None, b"next")])

    assert await _read(settings, topic, 1) == [(0, b"next")]
