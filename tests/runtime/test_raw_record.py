"""Reading one raw record again, from a real broker: it is there, or it is told at once that it is not."""

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import NewTopic, RecordsToDelete

from tailrace.core.model import ProjectId
from tailrace.runtime.kafka import make_admin, make_producer
from tailrace.runtime.raw_record import RawGoneError, raw_reader
from tailrace.runtime.settings import Kafka
from tailrace.wire.topics import RawHeaders, topics_of

pytestmark = pytest.mark.integration


async def test_a_raw_record_is_read_again_or_told_to_be_gone(kafka_bootstrap: str, topic_prefix: str) -> None:
    settings = Kafka(bootstrap_servers=kafka_bootstrap, topic_prefix=topic_prefix)
    headers = RawHeaders("ingestion", ProjectId("p"), 1_772_366_400_000_000, 1)
    await _fill(settings, headers)
    fetch = raw_reader(settings, client_id="test")

    raw = await fetch(0, 2)
    assert (raw.headers, raw.value) == (headers, b"2")
    for offset in (1, 3):
        with pytest.raises(RawGoneError, match=f"the raw log of partition 0 holds 2 to 2, not {offset}"):
            await fetch(0, offset)


async def _fill(settings: Kafka, headers: RawHeaders) -> None:
    """Three records in the raw topic, of which the first two have expired."""
    topic = topics_of(settings.topic_prefix).raw
    admin, producer = make_admin(settings), make_producer(settings, client_id="test")
    await admin.start()
    await admin.create_topics([NewTopic(topic, 1, 1)])
    await producer.start()
    for number in range(3):
        await producer.send_and_wait(topic, str(number).encode(), partition=0, headers=headers.encode())
    await producer.stop()
    await admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(before_offset=2)})
    await admin.close()
