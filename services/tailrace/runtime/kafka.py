"""Kafka: producers, consumers and admin clients with our manners (acks=all, idempotent). aiokafka is untyped; its types end here."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiokafka.conn
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaConnectionError, KafkaError

from tailrace.runtime.settings import Kafka, SettingsError

KAFKA_ERRORS: tuple[type[BaseException], ...] = (KafkaError, OSError, asyncio.TimeoutError)
"""What a broker that cannot serve raises."""

MAX_REQUEST_BYTES = 20 * 1024 * 1024
"""Topic limit of a raw record; one observation of 16 MiB and its envelope fit."""

MAX_RECORD_BYTES = 40 * 1024 * 1024
"""Topic limit of what processors write: a raw record within a dead letter fits, and an observation of 16 MiB written as JSON."""

MOST_BYTES_AT_ONCE = 64 * 1024 * 1024
"""Under the 100 MiB that a broker accepts as one request, whatever partitions the records are for."""


FETCH_BYTES = 4 * 1024 * 1024
"""What a consumer holds of one partition, as compressed by the producer; one record may be larger. It fetches no more before that is taken."""

FETCH_REQUEST_BYTES = 32 * 1024 * 1024
"""What one broker sends at once, whatever the number of partitions."""

LEAVE_SECONDS = 3.0
"""How long a consumer may take to leave its group."""

METADATA_SECONDS = 10
"""How often a consumer asks what topics and partitions there are. A group that was formed before its topic was made has nothing until then."""

IDLE_SECONDS = 10 * 365 * 24 * 3600
"""For how long a consumer that fetches nothing stays in its group: for ever. A client leaves after five minutes by itself, and comes back only
once it fetches: a spare would never take over, nor anybody go on after a long outage of Postgres. That it moves is watched by `probes`.
"""


def require_bootstrap_servers(settings: Kafka) -> str:
    """The brokers. Raises SettingsError when none is set."""
    if settings.bootstrap_servers is None:
        raise SettingsError(["TAILRACE_KAFKA_BOOTSTRAP_SERVERS: expected the addresses of your brokers, got nothing"])
    return settings.bootstrap_servers


def heartbeat_seconds(settings: Kafka) -> float:
    """How often a consumer tells its group that it lives, and learns of a rebalance."""
    return settings.session_timeout_seconds / 5


def make_producer(
    settings: Kafka, *, client_id: str, linger_ms: int = 2, max_record_bytes: int = MAX_REQUEST_BYTES
) -> Any:
    """An idempotent producer that waits for all in-sync replicas; a send fails after `send_timeout_seconds`."""
    return AIOKafkaProducer(
        bootstrap_servers=require_bootstrap_servers(settings),
        client_id=client_id,
        acks="all",
        enable_idempotence=True,
        linger_ms=linger_ms,
        compression_type="snappy",
        max_batch_size=256 * 1024,
        max_request_size=max_record_bytes,
        request_timeout_ms=settings.send_timeout_seconds * 1000,
    )


async def dispose_consumer(consumer: Any) -> None:
    """Stop a consumer. One that cannot reach its group would wait for it for ever: it is left as it is."""
    stopping = asyncio.ensure_future(consumer.stop())
    await asyncio.wait([stopping], timeout=LEAVE_SECONDS)
    stopping.cancel()
    with suppress(asyncio.CancelledError, Exception):
        await stopping


async def dispose_producer(producer: Any, grace_seconds: float) -> None:
    """Stop a producer. What it cannot deliver in time is failed: an idempotent producer would try for ever."""
    stopping = asyncio.ensure_future(producer.stop())
    await asyncio.wait([stopping], timeout=grace_seconds)
    if not stopping.done():
        producer._message_accumulator.fail_all(KafkaError("the producer is replaced"))  # noqa: SLF001 - it has no public way
        await asyncio.wait([stopping], timeout=grace_seconds)
    stopping.cancel()
    with suppress(asyncio.CancelledError, Exception):
        await stopping
    await producer.client.close()


class ByteGate:
    """Lets at most `capacity` bytes through at once; one who asks for more goes alone."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._used = 0
        self._freed = asyncio.Event()

    async def acquire(self, size: int) -> None:
        """Wait until there is room; `release` gives it back."""
        while self._used and self._used + size > self._capacity:
            self._freed.clear()
            await self._freed.wait()
        self._used += size

    def release(self, size: int) -> None:
        self._used -= size
        self._freed.set()

    @asynccontextmanager
    async def hold(self, size: int) -> AsyncGenerator[None]:
        """Have the room while the block runs."""
        await self.acquire(size)
        try:
            yield
        finally:
            self.release(size)


def make_consumer(settings: Kafka, *, group_id: str | None, client_id: str) -> Any:
    """A consumer without automatic commits."""
    return AIOKafkaConsumer(
        bootstrap_servers=require_bootstrap_servers(settings),
        client_id=client_id,
        group_id=group_id,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        session_timeout_ms=settings.session_timeout_seconds * 1000,
        heartbeat_interval_ms=int(heartbeat_seconds(settings) * 1000),
        max_partition_fetch_bytes=FETCH_BYTES,
        fetch_max_bytes=FETCH_REQUEST_BYTES,
        fetch_max_wait_ms=100,
        request_timeout_ms=settings.session_timeout_seconds * 2000,
        metadata_max_age_ms=METADATA_SECONDS * 1000,
        max_poll_interval_ms=IDLE_SECONDS * 1000,
    )


def make_admin(settings: Kafka) -> Any:
    """An admin client."""
    return AIOKafkaAdminClient(bootstrap_servers=require_bootstrap_servers(settings), client_id="tailrace-admin")


_base: Any = aiokafka.conn.AIOKafkaConnection


class _Connection(_base):
    """A connection whose `send` fails by a KafkaError, and by nothing else, when it is broken.

    uvloop closes a transport two turns of the loop before aiokafka hears of it, and refuses what is written in between by a bare
    RuntimeError. In aiokafka 0.14 that ends the task which keeps the metadata, unseen; the client then never finds its group again.
    """

    def send(self, request: Any, expect_response: bool = True) -> Any:
        plain: Any = super()
        try:
            return plain.send(request, expect_response)
        except KafkaError:
            raise
        except RuntimeError as error:
            self.close(reason=aiokafka.conn.CloseReason.CONNECTION_BROKEN)
            raise KafkaConnectionError(f"the connection to {self.host}:{self.port} is closed: {error}") from error


# Clients make their connections by this name; there is no setting for it.
aiokafka.conn.AIOKafkaConnection = _Connection
