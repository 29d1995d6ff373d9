"""Faust, the way tailrace runs it: no tables, no web server, no leader topic, no commits of its own. Faust is untyped; its types end here."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, NamedTuple

import faust
from aiokafka import TopicPartition
from aiokafka.errors import IllegalStateError
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer
from faust.types import TP

from tailrace.runtime.kafka import (
    FETCH_BYTES,
    FETCH_REQUEST_BYTES,
    IDLE_SECONDS,
    METADATA_SECONDS,
    heartbeat_seconds,
    require_bootstrap_servers,
)
from tailrace.runtime.settings import Kafka

BUFFERED_MESSAGES = 64

FETCH_WAIT_MS = 100
"""How long a broker may hold a fetch that finds nothing. All else that is asked on that connection waits behind it, and Faust's own
1.5 s make an owner of many partitions start late."""

ANSWER_SECONDS = 15
"""How long anything may take that is asked of Kafka. Without a broker aiokafka would try for ever, and nobody would hear why."""

STOP_SECONDS = 5
"""Faust stops in less than one. Without a broker its consumer's thread can die silently, and it would wait for that for a minute."""


def make_faust_app(app_id: str, settings: Kafka, *, datadir: str) -> Any:
    """A Faust app. `app_id` names the consumer group."""
    seconds = settings.session_timeout_seconds
    servers = require_bootstrap_servers(settings).split(",")
    app: Any = faust.App(
        app_id,
        broker=[f"aiokafka://{server.strip()}" for server in servers],
        store="memory://",
        datadir=datadir,
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        value_serializer="raw",
        key_serializer="raw",
        stream_wait_empty=False,
        stream_buffer_maxsize=BUFFERED_MESSAGES,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=FETCH_BYTES,
        consumer_metadata_max_age_ms=METADATA_SECONDS * 1000,
        broker_max_poll_interval=IDLE_SECONDS,
        broker_session_timeout=seconds,
        broker_heartbeat_interval=heartbeat_seconds(settings),
        broker_request_timeout=seconds * 2,
    )
    app.transport.Consumer = _PromptConsumer
    return app


@asynccontextmanager
async def running(app: Any) -> AsyncGenerator[asyncio.Future[None]]:
    """Run the app while the block runs; the future ends with the error if the app crashes."""
    crashed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    await app.start()
    watching = asyncio.create_task(_watch(app, crashed))
    try:
        yield crashed
    finally:
        watching.cancel()
        with suppress(TimeoutError):  # nothing is lost: what is not applied is read again
            await asyncio.wait_for(app.stop(), STOP_SECONDS)


async def _watch(app: Any, crashed: "asyncio.Future[None]") -> None:
    await app.wait_until_stopped()
    if not crashed.done():
        crashed.set_exception(RuntimeError(f"the stream processor stopped: {app.crash_reason!r}"))


class FaustTopic:
    """One topic as a running Faust app consumes it: positions, bounds, pausing and our own commits. May raise KAFKA_ERRORS."""

    def __init__(self, app: Any, topic: str) -> None:
        self._app = app
        self.name = topic

    async def seek(self, partition: int, offset: int) -> None:
        async with asyncio.timeout(ANSWER_SECONDS):
            await self._app.consumer.seek(self._tp(partition), offset)

    async def bounds(self, partition: int) -> tuple[int, int]:
        """The first offset that is still there, and the one after the last."""
        tp = self._tp(partition)
        async with asyncio.timeout(ANSWER_SECONDS):
            first = await self._app.consumer.earliest_offsets(tp)
            end = await self._app.consumer.highwaters(tp)
        return first[tp], end[tp]

    async def reading_at(self, partition: int) -> int | None:
        """The offset that the client hands to Faust next; None of a partition that was revoked just now."""
        with suppress(IllegalStateError):
            async with asyncio.timeout(ANSWER_SECONDS):
                return await self._app.consumer.position(self._tp(partition))
        return None

    async def commit(self, partition: int, offset: int) -> None:
        """Commit for the group. Faust would commit what was acknowledged to it; we tell it what Postgres has applied."""
        async with asyncio.timeout(ANSWER_SECONDS):
            await self._app.consumer._commit({self._tp(partition): offset})  # noqa: SLF001

    async def committed(self, partition: int) -> int | None:
        """Where the group reads on; None if it has committed nothing."""
        thread = self._app.consumer._thread  # noqa: SLF001 - Faust asks for no commit but its own
        async with asyncio.timeout(ANSWER_SECONDS):
            return await thread.call_thread(thread._ensure_consumer().committed, self._tp(partition))  # noqa: SLF001

    def end(self, partition: int) -> int | None:
        """The offset after the last, as far as known without asking; None for a partition that was revoked just now."""
        with suppress(AssertionError, AttributeError):
            return self._app.consumer.highwater(self._tp(partition))
        return None

    def is_assigned(self, partition: int) -> bool:
        return self._tp(partition) in self._app.consumer.assignment()

    def pause(self, partition: int) -> None:
        self._app.consumer.pause_partitions({self._tp(partition)})

    def resume(self, partition: int) -> None:
        if self.is_assigned(partition):
            self._app.consumer.resume_partitions({self._tp(partition)})

    def _tp(self, partition: int) -> TP:
        return TP(self.name, partition)


class _PromptThread(AIOKafkaConsumerThread):
    logger = logging.getLogger("faust.prompt")  # as quiet as Faust's own

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer: Any = super()._create_worker_consumer(transport)
        # Read when it starts; Faust has no settings for them.
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS  # noqa: SLF001
        consumer._fetch_max_bytes = FETCH_REQUEST_BYTES  # noqa: SLF001
        return consumer

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        # Faust would end the process for a commit that fails, and for one of partitions that have gone: here the caller hears of it.
        held = {TopicPartition(*tp): offset for tp, offset in offsets.items() if tp in self.assignment()}
        if held:
            consumer: Any = self._ensure_consumer()
            await consumer.commit(held)
        return bool(held)


class _Sought(NamedTuple):
    """Where a partition is to be read from. `fetch`: the last fetch that may have begun before the seek."""

    offset: int
    fetch: int


class _PromptConsumer(Consumer):
    """After a seek it hands out nothing of that partition that was fetched before.

    Faust would go on with it, note how far it is, and then drop what the seek brings as known already. One fetch
    may be half a minute of work, so that each further seek would meet the same, for ever.
    """

    logger = logging.getLogger("faust.prompt")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._fetch = 0
        self._sought: dict[TP, _Sought] = {}

    async def seek(self, partition: TP, offset: int) -> None:
        self._sought[partition] = _Sought(offset, self._fetch)
        await super().seek(partition, offset)
        self._sought[partition] = _Sought(offset, self._fetch)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Any]]:
        self._fetch += 1
        fetch = self._fetch
        async for partition, message in super().getmany(timeout):
            sought = self._sought.get(partition)
            if sought is not None:
                if fetch <= sought.fetch and message.offset != sought.offset:
                    continue
                del self._sought[partition]
                # What was on its way into the stream when the seek came has been noted as read since.
                self._read_offset[partition] = message.offset
            yield partition, message

    def _new_consumer_thread(self) -> AIOKafkaConsumerThread:
        this: Any = self
        return _PromptThread(this, loop=this.loop, beacon=this.beacon)

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Nothing: Faust would log an error for each partition that it has not committed, and it commits none. Probes tell what does not move."""

    async def _seek(self, partition: TP, offset: int) -> None:
        # Faust would seek from this thread, and could take a record from under a fetch of the client's own.
        thread: Any = self._thread
        await thread.call_thread(thread.seek, partition, offset)
