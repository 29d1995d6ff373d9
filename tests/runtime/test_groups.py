"""Members of a group: they stay in it however long they have nothing to fetch, and learn of a topic that is made after them."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiokafka.admin import NewTopic

from tailrace.runtime.faust_app import FaustTopic, make_faust_app, running
from tailrace.runtime.kafka import make_admin, make_consumer, make_producer
from tailrace.runtime.settings import Kafka
from tests.fakes import eventually

pytestmark = pytest.mark.integration

A_DAY = 24 * 3600
SLOWEST_SECONDS = 60


@pytest.fixture
def settings(kafka_bootstrap: str) -> Kafka:
    return Kafka(bootstrap_servers=kafka_bootstrap)


@pytest.fixture
def topic() -> str:
    return f"group-test-{uuid4().hex}"


@pytest.fixture
async def admin(settings: Kafka) -> AsyncGenerator[Any]:
    admin = make_admin(settings)
    await admin.start()
    yield admin
    await admin.close()


@asynccontextmanager
async def _member(settings: Kafka, topic: str) -> AsyncGenerator[Any]:
    consumer = make_consumer(settings, group_id=topic, client_id="test")
    consumer.subscribe([topic])
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


@asynccontextmanager
async def _faust_member(settings: Kafka, topic: str, folder: Path) -> AsyncGenerator[Any]:
    app = make_faust_app(topic, settings, datadir=str(folder))

    async def take(stream: Any) -> None:
        async for _ in stream:
            pass

    app.agent(app.topic(topic), name=topic)(take)
    async with running(app):
        await eventually(lambda: app.consumer._thread._consumer is not None)
        yield app.consumer._thread._consumer


def _has_partition(consumer: Any) -> Callable[[], bool]:
    return lambda: bool(consumer.assignment())


def _let_a_day_pass(consumer: Any) -> None:
    consumer._subscription._last_fetch_ended -= A_DAY


async def _make(admin: Any, topic: str) -> None:
    await admin.create_topics([NewTopic(topic, 1, 1)])


async def _lose_and_make(admin: Any, topic: str, consumer: Any) -> None:
    """The topic is lost, as with a broker's disk, and made again once the group has formed without it."""
    await admin.delete_topics([topic])
    await eventually(lambda: not consumer.assignment(), seconds=SLOWEST_SECONDS)
    await _make(admin, topic)


async def test_a_spare_that_has_fetched_nothing_for_a_day_takes_over(settings: Kafka, admin: Any, topic: str) -> None:
    await _make(admin, topic)
    async with _member(settings, topic) as one, _member(settings, topic) as other:
        await asyncio.sleep(2)  # until both are in the group
        owner, spare = (one, other) if one.assignment() else (other, one)
        assert owner.assignment()
        assert not spare.assignment()
        _let_a_day_pass(spare)
        await owner.stop()

        await eventually(_has_partition(spare), seconds=SLOWEST_SECONDS)


async def test_a_member_finds_a_topic_that_was_lost_and_made_again(settings: Kafka, admin: Any, topic: str) -> None:
    await _make(admin, topic)
    async with _member(settings, topic) as consumer:
        await eventually(_has_partition(consumer))
        await _lose_and_make(admin, topic, consumer)

        await eventually(_has_partition(consumer), seconds=SLOWEST_SECONDS)


async def test_a_faust_member_does_as_any_other(settings: Kafka, admin: Any, topic: str, tmp_path: Path) -> None:
    await _make(admin, topic)
    async with _faust_member(settings, topic, tmp_path) as consumer:
        await eventually(_has_partition(consumer))
        _let_a_day_pass(consumer)
        await _lose_and_make(admin, topic, consumer)

        await eventually(_has_partition(consumer), seconds=SLOWEST_SECONDS)


async def test_a_seek_reaches_a_faust_member_while_it_works_through_a_long_fetch(
    settings: Kafka, topic: str, admin: Any, tmp_path: Path
) -> None:
    """Faust would drop what the seek brings, since it has gone on with what it had."""
    records, sought = 2_000, 10
    await _make(admin, topic)
    producer = make_producer(settings, client_id="test")
    await producer.start()
    for number in range(records):
        await producer.send(topic, b"%d" % number, partition=0)
    await producer.stop()
    app = make_faust_app(topic, settings, datadir=str(tmp_path))
    raw = FaustTopic(app, topic)
    taken: list[int] = []

    async def take(stream: Any) -> None:
        async for event in stream.noack().events():
            taken.append(event.message.offset)
            await asyncio.sleep(0.002)

    app.agent(app.topic(topic, key_serializer="raw", value_serializer="raw"), name=topic)(take)
    async with running(app):
        await eventually(lambda: len(taken) > 100, seconds=SLOWEST_SECONDS)
        await raw.seek(0, sought)
        known = len(taken)
        await eventually(lambda: sought in taken[known:], seconds=SLOWEST_SECONDS)
        found = taken.index(sought, known)
        await eventually(lambda: len(taken) > found + 200, seconds=SLOWEST_SECONDS)

    assert taken[found : found + 200] == list(range(sought, sought + 200))
