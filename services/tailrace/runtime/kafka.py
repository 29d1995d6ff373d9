"""Kafka: producers and admin clients with our manners (acks=all, idempotent). aiokafka is untyped; its types end here."""

import asyncio
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from tailrace.runtime.settings import Kafka, SettingsError

KAFKA_ERRORS: tuple[type[BaseException], ...] = (KafkaError, OSError, asyncio.TimeoutError)
"""What a broker that cannot serve raises."""

MAX_REQUEST_BYTES = 20 * 1024 * 1024
"""Topic limit of a record; one observation of 16 MiB and its envelope fit."""


def require_bootstrap_servers(settings: Kafka) -> str:
    """The brokers. Raises SettingsError when none is set."""
    if settings.bootstrap_servers is None:
        raise SettingsError(["TAILRACE_KAFKA_BOOTSTRAP_SERVERS: expected the addresses of your brokers, got nothing"])
    return settings.bootstrap_servers


def make_producer(settings: Kafka, *, client_id: str, linger_ms: int = 2) -> Any:
    """An idempotent producer that waits for all in-sync replicas; a send fails after `send_timeout_seconds`."""
    return AIOKafkaProducer(
        bootstrap_servers=require_bootstrap_servers(settings),
        client_id=client_id,
        acks="all",
        enable_idempotence=True,
        linger_ms=linger_ms,
        compression_type="snappy",
        max_batch_size=256 * 1024,
        max_request_size=MAX_REQUEST_BYTES,
        request_timeout_ms=settings.send_timeout_seconds * 1000,
    )


def make_consumer(settings: Kafka, *, group_id: str | None, client_id: str) -> Any:
    """A consumer without automatic commits."""
    return AIOKafkaConsumer(
        bootstrap_servers=require_bootstrap_servers(settings),
        client_id=client_id,
        group_id=group_id,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        session_timeout_ms=settings.session_timeout_seconds * 1000,
        heartbeat_interval_ms=settings.session_timeout_seconds * 1000 // 5,
        max_partition_fetch_bytes=4 * 1024 * 1024,
        fetch_max_wait_ms=100,
    )


def make_admin(settings: Kafka) -> Any:
    """An admin client."""
    return AIOKafkaAdminClient(bootstrap_servers=require_bootstrap_servers(settings), client_id="tailrace-admin")
