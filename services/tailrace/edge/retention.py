"""Refusing before the log forgets: when the oldest record that is not applied yet nears the log's retention, nothing more is taken.

An event acknowledged now would still be kept for its whole retention, but the processors are so far behind that the oldest are about to be lost;
senders that hear 503 keep theirs and try again, and the alert says why.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import asyncpg
from aiokafka import TopicPartition

from tailrace.edge.publisher import Publisher, PublishError, RawRecord
from tailrace.runtime.kafka import KAFKA_ERRORS, make_consumer
from tailrace.runtime.log import get_logger
from tailrace.runtime.postgres import OUTAGE_ERRORS
from tailrace.runtime.probes import Health
from tailrace.runtime.settings import Kafka
from tailrace.wire.topics import topics_of

log = get_logger(__name__)

CHECK_SECONDS: Final = 30.0
USABLE_SHARE: Final = 0.9
"""Of the retention; the rest is for whoever comes to mend it."""

_DAY_MS: Final = 24 * 3600 * 1000
_applied_origins = "select partition, applied_origin from stream_progress"


class RetentionGuard:
    """A Publisher that refuses while `endangered` says so."""

    def __init__(self, publisher: Publisher, health: Health) -> None:
        self._publisher = publisher
        self._health = health
        self._danger: str | None = None

    @property
    def partitions(self) -> int:
        return self._publisher.partitions

    async def publish(self, records: Sequence[RawRecord]) -> None:
        if self._danger is not None:
            raise PublishError(self._danger)
        await self._publisher.publish(records)

    async def watch(self, settings: Kafka, pool: asyncpg.Pool, stop: asyncio.Event) -> None:
        """Look at the log's age every half minute until `stop`. While Kafka or Postgres is away, the last finding stands."""
        while not stop.is_set():
            try:
                applied = {row["partition"]: row["applied_origin"] for row in await pool.fetch(_applied_origins)}
                self._note(await _oldest_allowed(settings, list(applied)), applied)
            except (*OUTAGE_ERRORS, *KAFKA_ERRORS) as error:
                log.warning("edge.retention.unknown", error=type(error).__name__)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), CHECK_SECONDS)

    def _note(self, oldest_allowed: Mapping[int, int | None], applied: Mapping[int, int]) -> None:
        late = endangered(oldest_allowed, applied)
        self._danger = (
            f"the processors are too far behind in partition {late[0]}: the log is about to forget" if late else None
        )
        if self._danger is not None:
            log.error("edge.retention.near", partitions=late)
            self._health.block("retention", self._danger)
        else:
            self._health.clear("retention")


def endangered(oldest_allowed: Mapping[int, int | None], applied: Mapping[int, int]) -> list[int]:
    """The partitions whose next record to apply is older than allowed. `oldest_allowed`: the first offset that is young enough."""
    return sorted(
        partition
        for partition, offset in oldest_allowed.items()
        if offset is not None and applied.get(partition, -1) + 1 < offset
    )


async def _oldest_allowed(settings: Kafka, partitions: Sequence[int]) -> dict[int, int | None]:
    """For each partition the first offset that is younger than the usable share of the retention; the end where all are older."""
    since_ms = int(time.time() * 1000 - settings.retention_days * _DAY_MS * USABLE_SHARE)
    topic = topics_of(settings.topic_prefix).raw
    consumer: Any = make_consumer(settings, group_id=None, client_id="tailrace-edge-retention")
    try:
        await consumer.start()
        wanted = [TopicPartition(topic, partition) for partition in partitions]
        # The ends first: a record that comes in between is young, and must not make those before it look forgotten.
        ends = await consumer.end_offsets(wanted)
        found = await consumer.offsets_for_times(dict.fromkeys(wanted, since_ms))
    finally:
        await consumer.stop()
    return {tp.partition: ends[tp] if found[tp] is None else found[tp].offset for tp in wanted}
