"""Publishing: records in, and a return only when the log has every one of them in its in-sync replicas.

The Kafka publisher bounds the bytes that it hands to the client at once, and lets projects hand theirs over in turn. A producer whose send failed or timed out is replaced: with
idempotence, a lost batch leaves a gap in its sequence that the broker never accepts again. A replaced producer's records may
still arrive; their sender was told to send again, and a repetition changes nothing.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import AsyncExitStack
from typing import Any, Final, NamedTuple, Protocol

from tailrace.edge.gate import FairGate
from tailrace.runtime.kafka import KAFKA_ERRORS, MOST_BYTES_AT_ONCE, dispose_producer, make_producer
from tailrace.runtime.log import get_logger
from tailrace.runtime.probes import Health
from tailrace.runtime.settings import Kafka, SettingsError
from tailrace.wire.topics import RawHeaders, topics_of

log = get_logger(__name__)

_RETRY_SECONDS: Final = 1.0
_MOST_BYTES_OF_A_PROJECT: Final = 8 * 1024 * 1024
"""What one project has on its way at once. More would stand in the client's queues before the records of others, and be no faster."""


class RawRecord(NamedTuple):
    """A record for the raw log."""

    partition: int
    headers: RawHeaders
    body: bytes


class PublishError(Exception):
    """The log cannot take the records now. Some of them may be in it: sending all again is right."""


class Publisher(Protocol):
    """The way to the raw log."""

    @property
    def partitions(self) -> int:
        """How many partitions the log has, fixed at its creation."""
        ...

    async def publish(self, records: Sequence[RawRecord]) -> None:
        """Returns when all `records` are durable. Raises PublishError."""
        ...


class KafkaPublisher:
    """The raw topic. `start` it first, `close` it last; `health` follows whether the broker takes records."""

    def __init__(self, settings: Kafka, *, partitions: int, health: Health) -> None:
        self._settings = settings
        self._topic = topics_of(settings.topic_prefix).raw
        self._partitions = partitions
        self._health = health
        self._producer: Any = None
        self._gate = FairGate(MOST_BYTES_AT_ONCE, _MOST_BYTES_OF_A_PROJECT)
        self._background: set[asyncio.Task[None]] = set()

    @property
    def partitions(self) -> int:
        return self._partitions

    async def start(self) -> None:
        """Returns once the broker answers. Raises SettingsError when the topic has another partition count than Postgres says."""
        await self._renew()

    async def publish(self, records: Sequence[RawRecord]) -> None:
        producer = self._producer
        if producer is None:
            raise PublishError("Kafka does not answer")
        sends = [asyncio.create_task(self._send(producer, record)) for record in records]
        try:
            await asyncio.gather(*sends)
        except (*KAFKA_ERRORS, AssertionError) as error:
            self._retire(producer, error)
            raise PublishError(f"Kafka did not take the records: {type(error).__name__}") from None
        finally:
            for send in sends:
                send.cancel()

    async def close(self) -> None:
        """Let what is under way finish, for as long as a send may take."""
        producer, self._producer = self._producer, None
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        if producer is not None:
            await dispose_producer(producer, self._settings.send_timeout_seconds)

    async def _send(self, producer: Any, record: RawRecord) -> None:
        headers = record.headers
        async with AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(self._settings.send_timeout_seconds):
                    await stack.enter_async_context(self._gate.hold(headers.project_id, len(record.body)))
            except TimeoutError:
                # A crowd is not the producer's fault: it is not replaced for that.
                raise PublishError("too many records wait for Kafka") from None
            async with asyncio.timeout(self._settings.send_timeout_seconds):
                acknowledged = await producer.send(
                    self._topic,
                    value=record.body,
                    key=headers.project_id.encode(),
                    partition=record.partition,
                    headers=headers.encode(),
                )
                await acknowledged

    def _retire(self, producer: Any, error: BaseException) -> None:
        if producer is not self._producer:
            return
        self._producer = None
        log.warning("edge.kafka.failed", error=type(error).__name__)
        self._health.block("kafka", f"Kafka did not take a record: {type(error).__name__}")
        self._run(dispose_producer(producer, self._settings.send_timeout_seconds))
        self._run(self._replace())

    async def _replace(self) -> None:
        while self._producer is None:
            try:
                await self._renew()
            except SettingsError as error:
                self._health.block("kafka", str(error))
                await asyncio.sleep(_RETRY_SECONDS)

    async def _renew(self) -> None:
        while self._producer is None:
            try:
                self._producer = await self._open()
            except (*KAFKA_ERRORS, AssertionError) as error:
                log.warning("edge.kafka.away", error=type(error).__name__)
                self._health.block("kafka", f"Kafka does not answer: {type(error).__name__}")
                await asyncio.sleep(_RETRY_SECONDS)
        self._health.clear("kafka")

    async def _open(self) -> Any:
        producer = make_producer(self._settings, client_id="tailrace-edge")
        try:
            async with asyncio.timeout(self._settings.send_timeout_seconds):
                await producer.start()
                found = len(await producer.partitions_for(self._topic))
            self._check_partitions(found)
        except BaseException:
            await producer.stop()
            raise
        return producer

    def _check_partitions(self, found: int) -> None:
        if found != self._partitions:
            expected = f"the topic {self._topic} has {found} partitions, Postgres says {self._partitions}"
            raise SettingsError([f"{expected}: they belong to different installations"])

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
