"""Starting without an order: a process waits, alive and not ready, until Postgres and Kafka answer and the stream exists."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

import asyncpg

from tailrace.runtime.kafka import KAFKA_ERRORS, make_admin
from tailrace.runtime.log import get_logger
from tailrace.runtime.postgres import OUTAGE_ERRORS, Prepare, open_pool
from tailrace.runtime.probes import Health
from tailrace.runtime.settings import Kafka, Postgres, SettingsError
from tailrace.wire.topics import topics_of

log = get_logger(__name__)

T = TypeVar("T")


_worth_waiting: tuple[type[BaseException], ...] = (
    *OUTAGE_ERRORS,
    *KAFKA_ERRORS,
    asyncpg.exceptions.UndefinedTableError,
)


class StoppedError(Exception):
    """The process was asked to stop while it waited."""


async def wait_for_pool(
    settings: Postgres, health: Health, stop: asyncio.Event, *, application: str, prepare: "Prepare | None" = None
) -> asyncpg.Pool:
    """A pool, once Postgres answers; `prepare` is run on each new connection. Raises StoppedError."""
    return await _until_answer(
        "postgres", lambda: open_pool(settings, application=application, prepare=prepare), health, stop
    )


async def wait_for_kafka(client: Any, health: Health, stop: asyncio.Event) -> None:
    """Start a producer or consumer, once the brokers answer. Raises StoppedError."""
    await _until_answer("kafka", client.start, health, stop)


async def raw_partitions(pool: asyncpg.Pool, settings: Kafka, health: Health, stop: asyncio.Event) -> int:
    """The partition count of the raw topic, once Postgres knows it and the brokers agree.

    Raises SettingsError when they contradict each other, StoppedError.
    """

    async def stored() -> int:
        count: int | None = await pool.fetchval("select partitions from streams where name = 'raw'")
        if count is None:
            raise ConnectionError("the stream does not exist yet; `tailrace topics` creates it")
        return count

    topic = topics_of(settings.topic_prefix).raw
    count = await _until_answer("stream", stored, health, stop)
    actual = await _until_answer("kafka", lambda: _partitions_of(settings, topic), health, stop)
    if actual != count:
        raise SettingsError(
            [f"TAILRACE_PARTITIONS: the topic {topic} has {actual} partitions, but the stream was made with {count}"]
        )
    return count


async def _partitions_of(settings: Kafka, topic: str) -> int:
    admin = make_admin(settings)
    await admin.start()
    try:
        (described,) = await admin.describe_topics([topic])
    finally:
        await admin.close()
    if not described["partitions"]:
        raise ConnectionError(f"the topic {topic} does not exist yet; `tailrace topics` creates it")
    return len(described["partitions"])


async def _until_answer(part: str, ask: Callable[[], Awaitable[T]], health: Health, stop: asyncio.Event) -> T:
    while not stop.is_set():
        try:
            answer = await ask()
        except _worth_waiting as error:
            health.block(part, f"{type(error).__name__}: {error}")
            log.warning("service.waiting", part=part, error=type(error).__name__, detail=str(error))
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), 0.5)
        else:
            health.clear(part)
            return answer
    raise StoppedError(f"stopped while waiting for {part}")
