"""The floor of each stage: what its irreducible work costs when nothing else is done, beside what the stage costs in the running stack.

The work is done on the very bytes that the stack has handled, by the same libraries and settings, in large batches, in one process: decoding, hashing, sending,
fetching, COPY. What is between a stage and its floor is what the stage knows and promises: merging, pricing, positions, windows.
"""

import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Self

import asyncpg
import msgspec
from aiokafka import TopicPartition
from aiokafka.admin import NewTopic
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tailrace.runtime.kafka import MAX_RECORD_BYTES, make_admin, make_consumer, make_producer
from tailrace.runtime.settings import Kafka
from tailrace.sink.tables import TABLES, rows_of
from tailrace.wire.records import AssembledRecord, decode_record
from tailrace.wire.topics import partition_of, topics_of
from tests.load.stack import Stack
from tests.load.throughput import TRACES_PER_REQUEST, measure_throughput
from tests.load.usage import usage_of

_batch_records: Final = 100


class Cost(NamedTuple):
    """CPU in µs a span: of the process that does the work, and of the server that it asks."""

    own: float
    server: float = 0.0


async def measure_floors(stack: Stack, spans: int) -> dict[str, Any]:
    """For each stage its CPU in µs a span in the running stack, the parts of its floor, and the ratio."""
    maximum = await measure_throughput(stack, spans, "batches", TRACES_PER_REQUEST)
    costs = await _measure_work(stack)
    measured: dict[str, float] = maximum["cpu_microseconds_per_span"]
    parts = {
        "serve": {name: costs[name].own for name in ("parse protobuf", "hash", "send raw")},
        "assembler": {
            name: costs[name].own for name in ("fetch raw", "parse protobuf", "encode assembled", "send assembled")
        },
        "sink": {name: costs[name].own for name in ("fetch assembled", "decode assembled", "COPY")},
        "postgres": {"COPY": costs["COPY"].server},
        "kafka": {name: costs[name].server for name in ("send raw", "fetch raw", "send assembled", "fetch assembled")},
    }
    return {
        "stored_spans_per_second": maximum["stored_spans_per_second"],
        "stages": [
            {
                "stage": stage,
                "measured": measured[stage],
                "floor": round(sum(work.values()), 1),
                "parts": {name: round(cost, 1) for name, cost in work.items()},
                "ratio": round(measured[stage] / max(0.1, sum(work.values())), 1),
            }
            for stage, work in parts.items()
        ],
    }


async def _measure_work(stack: Stack) -> dict[str, Cost]:
    settings = stack.settings()
    topics = topics_of(settings.kafka.topic_prefix)
    raw = await _read_topic(settings.kafka, topics.raw)
    assembled = await _read_topic(settings.kafka, topics.assembled)
    records = [decode_record(value, AssembledRecord) for value in assembled]
    meter = _Meter(stack.pids(), sum(len(record.observations) for record in records))
    costs = {
        "parse protobuf": meter.run(lambda: [ExportTraceServiceRequest.FromString(value) for value in raw]),
        "encode assembled": meter.run(lambda: [msgspec.json.encode(record) for record in records]),
        "decode assembled": meter.run(lambda: [decode_record(value, AssembledRecord) for value in assembled]),
    }
    ids = [trace_id for value in raw for trace_id in _trace_ids(value)]
    costs["hash"] = meter.run(lambda: [partition_of("project", one, settings.kafka.partitions) for one in ids])
    for name, values in (("raw", raw), ("assembled", assembled)):
        async with _Scratch(settings.kafka) as scratch:
            costs[f"send {name}"] = await meter.wait(scratch.send(values), "kafka")
            costs[f"fetch {name}"] = await meter.wait(scratch.fetch(), "kafka")
    connection = await stack.connect()
    rows = await _prepare_copies(connection, records)
    costs["COPY"] = await meter.wait(_copy(connection, rows), "postgres")
    await connection.close()
    return costs


class _Meter:
    """The CPU that work takes, for each of so many spans."""

    def __init__(self, pids: Mapping[str, int], spans: int) -> None:
        self._pids = pids
        self._spans = spans

    def run(self, work: Callable[[], object]) -> Cost:
        """Of this process alone."""
        before = time.process_time()
        work()
        return Cost((time.process_time() - before) / self._spans * 1e6)

    async def wait(self, work: Awaitable[object], server: str) -> Cost:
        """Of this process, and of the server that it asks."""
        before, started = usage_of(self._pids[server]).cpu_seconds, time.process_time()
        await work
        own = time.process_time() - started
        asked = usage_of(self._pids[server]).cpu_seconds - before
        return Cost(own / self._spans * 1e6, asked / self._spans * 1e6)


class _Scratch:
    """A topic of its own, sent to and fetched from by a producer and a consumer that do nothing else."""

    def __init__(self, settings: Kafka) -> None:
        self._settings = settings
        self._producer = make_producer(settings, client_id="floor", max_record_bytes=MAX_RECORD_BYTES)
        self._consumer = make_consumer(settings, group_id=None, client_id="floor")
        self._topic = f"floor-{uuid.uuid4().hex}"
        self._places = [TopicPartition(self._topic, number) for number in range(settings.partitions)]
        self._sent = 0

    async def __aenter__(self) -> Self:
        admin = make_admin(self._settings)
        await admin.start()
        limit = {"max.message.bytes": str(MAX_RECORD_BYTES)}
        await admin.create_topics([NewTopic(self._topic, self._settings.partitions, 1, topic_configs=limit)])
        await admin.close()
        await self._producer.start()
        await self._consumer.start()
        self._consumer.assign(self._places)
        await self._consumer.seek_to_beginning(*self._places)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._producer.stop()
        await self._consumer.stop()
        admin = make_admin(self._settings)
        await admin.start()
        await admin.delete_topics([self._topic])
        await admin.close()

    async def send(self, values: Sequence[bytes]) -> None:
        """In large batches, each acknowledged before the next."""
        for start in range(0, len(values), _batch_records):
            some = values[start : start + _batch_records]
            sends = [
                await self._producer.send(
                    self._topic, value, partition=self._places[number % len(self._places)].partition
                )
                for number, value in enumerate(some)
            ]
            for send in sends:
                await send
        self._sent += len(values)

    async def fetch(self) -> None:
        """All that was sent."""
        while self._sent:
            fetched = await self._consumer.getmany(timeout_ms=200)
            self._sent -= sum(map(len, fetched.values()))


async def _read_topic(settings: Kafka, topic: str) -> list[bytes]:
    consumer = make_consumer(settings, group_id=None, client_id="floor")
    await consumer.start()
    try:
        places = [TopicPartition(topic, number) for number in range(settings.partitions)]
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        left = sum((await consumer.end_offsets(places)).values()) - sum(
            (await consumer.beginning_offsets(places)).values()
        )
        values: list[bytes] = []
        while len(values) < left:
            fetched = await consumer.getmany(timeout_ms=500)
            values += [message.value for messages in fetched.values() for message in messages]
        return values
    finally:
        await consumer.stop()


def _trace_ids(value: bytes) -> list[str]:
    request = ExportTraceServiceRequest.FromString(value)
    scopes = (scope for resource in request.resource_spans for scope in resource.scope_spans)
    return sorted({span.trace_id.hex() for scope in scopes for span in scope.spans})


class _Copies(NamedTuple):
    """What is copied into a table like the product's own, by batch."""

    table: str
    columns: Sequence[str]
    batches: list[list[tuple[Any, ...]]]


async def _prepare_copies(connection: asyncpg.Connection, records: Sequence[AssembledRecord]) -> list[_Copies]:
    copies: list[_Copies] = []
    for table in TABLES:
        await connection.execute(f"create table floor_{table.name} (like {table.name} including all)")
        born = rows_of(table, records).born
        batches = [born[start : start + 1000] for start in range(0, len(born), 1000)]
        copies.append(_Copies(f"floor_{table.name}", table.columns, batches))
    return copies


async def _copy(connection: asyncpg.Connection, copies: Sequence[_Copies]) -> None:
    for table, columns, batches in copies:
        for batch in batches:
            await connection.copy_records_to_table(table, records=batch, columns=columns)
