"""Starting without an order: a process waits, alive and not ready, until Postgres and Kafka answer and the stream exists."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, TypeVar

import asyncpg

from tailrace.runtime.durability import check_durability, parse_risks
from tailrace.runtime.kafka import KAFKA_ERRORS, make_admin
from tailrace.runtime.log import get_logger
from tailrace.runtime.postgres import OUTAGE_ERRORS, Prepare, observe_pool, open_pool
from tailrace.runtime.probes import Health
from tailrace.runtime.settings import Kafka, Postgres, Settings, SettingsError
from tailrace.wire.topics import topics_of

log = get_logger(__name__)

T = TypeVar("T")

CLOSE_SECONDS: Final = 5.0
WATCH_SECONDS: Final = 2.0
RETRY_SECONDS: Final = 0.5


_worth_waiting: tuple[type[BaseException], ...] = (
    *OUTAGE_ERRORS,
    *KAFKA_ERRORS,
    asyncpg.exceptions.UndefinedTableError,
)


class StoppedError(Exception):
    """The process was asked to stop while it waited."""


@asynccontextmanager
async def pool_when_answered(
    settings: Postgres, health: Health, stop: asyncio.Event, *, application: str, prepare: "Prepare | None" = None
) -> AsyncGenerator[asyncpg.Pool]:
    """A pool while the block runs, once Postgres answers; `prepare` is run on each new connection. Raises StoppedError."""
    pool = await _until_answer(
        "postgres", lambda: open_pool(settings, application=application, prepare=prepare), health, stop
    )
    observe_pool(pool)
    try:
        yield pool
    finally:
        with suppress(TimeoutError):
            await asyncio.wait_for(pool.close(), CLOSE_SECONDS)
        pool.terminate()


async def watch_postgres(pool: asyncpg.Pool, health: Health, stop: asyncio.Event) -> None:
    """Ask Postgres for a sign of life every few seconds until `stop`, and let `health` follow it."""
    while not stop.is_set():
        try:
            await asyncio.wait_for(pool.fetchval("select 1"), CLOSE_SECONDS)
            health.clear("postgres")
        except OUTAGE_ERRORS as error:
            log.warning("service.postgres.away", error=type(error).__name__)
            health.block("postgres", f"Postgres does not answer: {type(error).__name__}")
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), WATCH_SECONDS)


async def until_stopped(stop: asyncio.Event, *tasks: asyncio.Future[None]) -> None:
    """Wait for `stop`, or for a task to end before it. Raises its error: no process works on without a part of itself."""
    stopping = asyncio.create_task(stop.wait())
    try:
        done, _ = await asyncio.wait([stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        stopping.cancel()


@asynccontextmanager
async def in_background(*work: Coroutine[Any, Any, None]) -> AsyncGenerator[list[asyncio.Task[None]]]:
    """Run each of `work` while the block runs; what has not ended by itself is cancelled."""
    tasks = [asyncio.create_task(one) for one in work]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def wait_for_kafka(client: Any, health: Health, stop: asyncio.Event) -> None:
    """Start a producer or consumer, once the brokers answer. Raises StoppedError."""
    await _until_answer("kafka", client.start, health, stop)


async def raw_partitions(pool: asyncpg.Pool, settings: Settings, health: Health, stop: asyncio.Event) -> int:
    """The partition count of the raw topic, once Postgres knows it, the brokers agree, and what durability needs is there or accepted.

    Raises SettingsError when they contradict each other or a risk is not accepted, StoppedError.
    """
    accepted = parse_risks(settings.process.accepted_risks)

    async def stored() -> int:
        count: int | None = await pool.fetchval("select partitions from streams where name = 'raw'")
        if count is None:
            raise ConnectionError("the stream does not exist yet; `tailrace topics` creates it")
        return count

    topic = topics_of(settings.kafka.topic_prefix).raw
    count = await _until_answer("stream", stored, health, stop)
    actual = await _until_answer("kafka", lambda: _partitions_of(settings.kafka, topic), health, stop)
    if actual != count:
        raise SettingsError(
            [f"TAILRACE_PARTITIONS: the topic {topic} has {actual} partitions, but the stream was made with {count}"]
        )
    await _until_answer("durability", lambda: check_durability(settings.kafka, pool, accepted), health, stop)
    return count


async def _partitions_of(settings: Kafka, topic: str) -> int:
    admin = make_admin(settings)
    try:
        await admin.start()
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
                await asyncio.wait_for(stop.wait(), RETRY_SECONDS)
        else:
            health.clear(part)
            return answer
    raise StoppedError(f"stopped while waiting for {part}")
