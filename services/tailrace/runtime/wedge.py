"""A client that is wedged: the brokers answer everybody else. Such a process would be alive and never ready again; it ends instead."""

import asyncio
from typing import Final

from tailrace.runtime.kafka import KAFKA_ERRORS, make_admin
from tailrace.runtime.log import get_logger
from tailrace.runtime.probes import Health
from tailrace.runtime.settings import Kafka

log = get_logger(__name__)

LOOK_SECONDS = 2.0
ANSWER_SECONDS: Final = 20.0


class WedgedClientError(RuntimeError):
    """The brokers answer a new client, and have not answered the one of this process for longer than the stall time."""


async def watch_kafka(settings: Kafka, health: Health, *, group: str | None) -> None:
    """Compare, while `health` has been blocked by kafka for long, with what a new client hears. Raises WedgedClientError.

    `group`: the consumer group that the new client must reach too.
    """
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        # Asked twice: the client may have come back together with the brokers.
        if health.is_long_blocked("kafka") and await _answers(settings, group) and health.is_long_blocked("kafka"):
            reason = health.reasons["kafka"]
            log.error("service.kafka.wedged", reason=reason)
            raise WedgedClientError(f"Kafka answers a new client, but not this process's: {reason}")


async def _answers(settings: Kafka, group: str | None) -> bool:
    """Whether a new client is answered, by the group's coordinator too."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            admin = make_admin(settings)
            try:
                await admin.start()
                if group is not None:
                    await admin.list_consumer_group_offsets(group)
            finally:
                await admin.close()
    except (*KAFKA_ERRORS, AssertionError):
        return False
    return True
