"""The servers that other tests stand on."""

from urllib.parse import urlsplit

import asyncpg
import pytest
from aiokafka import TopicPartition
from aiokafka.admin import NewTopic

from tailrace.runtime.kafka import MAX_REQUEST_BYTES, make_admin, make_consumer, make_producer
from tailrace.runtime.settings import Kafka

pytestmark = pytest.mark.integration


async def test_a_record_of_20_mib_goes_through_kafka_and_comes_back(kafka_bootstrap: str, topic_prefix: str) -> None:
    settings = Kafka(bootstrap_servers=kafka_bootstrap)
    topic = f"{topic_prefix}large"
    admin = make_admin(settings)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 1, 1, topic_configs={"max.message.bytes": str(MAX_REQUEST_BYTES)})])
    await admin.close()
    body = bytes(MAX_REQUEST_BYTES - 1024)

    async with make_producer(settings, client_id="test") as producer:
        await producer.send_and_wait(topic, body)
    async with make_consumer(settings, group_id=None, client_id="test") as consumer:
        consumer.assign([TopicPartition(topic, 0)])
        record = await consumer.getone()

    assert record.value == body


async def test_every_test_gets_a_migrated_database_of_its_own(postgres_dsn: str, module_postgres_dsn: str) -> None:
    connection = await asyncpg.connect(postgres_dsn)
    await connection.execute("insert into organizations (id, name) values ('only-here', 'x')")
    await connection.close()

    other = await asyncpg.connect(module_postgres_dsn)
    found = await other.fetchval("select count(*) from organizations")
    await other.close()

    assert postgres_dsn != module_postgres_dsn
    assert found == 0


async def test_the_database_asks_for_its_password(postgres_server_dsn: str) -> None:
    password = urlsplit(postgres_server_dsn).password or ""

    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(postgres_server_dsn.replace(password, "wrong"))
