"""The most that the stack takes and stores, what a span costs each process, the disk and the brokers, and how soon it is readable at parts of that."""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.load.probe import probe
from tests.load.sender import Orders, send_apart
from tests.load.stack import Stack, running_stack
from tests.load.templates import SPANS_PER_TRACE, Workload
from tests.load.throughput import CONNECTIONS, TRACES_PER_REQUEST, measure_throughput

LOADS: Final = (0.25, 0.5, 0.75, 1.0)
PROBES_PER_SECOND: Final = 5.0
SETTLE_SECONDS: Final = 5.0
"""How long the load runs before the probes count."""

_stored_bytes = """
select sum(pg_total_relation_size(oid))::bigint from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace
"""
"""Tables and their indexes."""


def measure_workload(workload: Workload, spans: int, seconds: float) -> dict[str, Any]:
    """One workload on a stack of its own: the maximum, the bytes that it leaves, then freshness at parts of the maximum."""
    with running_stack() as stack:
        return asyncio.run(_measure(stack, workload, spans, seconds))


async def _measure(stack: Stack, workload: Workload, spans: int, seconds: float) -> dict[str, Any]:
    with _growing(stack) as grown:
        maximum = await measure_throughput(stack, spans, workload, TRACES_PER_REQUEST)
    connection = await stack.connect()
    written: int = await connection.fetchval("select count(*) from observations")
    stored: int = await connection.fetchval(_stored_bytes)
    await connection.close()
    result = {
        "workload": workload,
        **maximum,
        "kafka_bytes_per_span": {topic: round(size / written) for topic, size in grown.items()},
        "postgres_bytes_per_span": round(stored / written),
    }
    if workload == "batches":
        result["freshness"] = [
            await measure_freshness(stack, load, maximum["stored_spans_per_second"], seconds) for load in LOADS
        ]
    return result


async def measure_freshness(stack: Stack, load: float, most: float, seconds: float) -> dict[str, Any]:
    """Probes beside a load of a part of the maximum, the probes' own spans included."""
    spans_per_second = load * most
    others = spans_per_second - PROBES_PER_SECOND * SPANS_PER_TRACE
    sending = asyncio.create_task(load_at(stack, others, SETTLE_SECONDS + seconds))
    await asyncio.sleep(SETTLE_SECONDS)
    probed = await probe(stack, stack.authorization, rate=PROBES_PER_SECOND, seconds=seconds)
    sent = await sending
    return {
        "load": load,
        "spans_per_second": round(spans_per_second),
        **probed.summary(),
        "not_sent": sent["statuses"].get("not sent", 0),
    }


async def load_at(stack: Stack, spans_per_second: float, seconds: float) -> dict[str, Any]:
    """Send so many spans a second for so long; returns what the sender says."""
    rate = spans_per_second / (TRACES_PER_REQUEST * SPANS_PER_TRACE)
    return await send_apart(
        Orders(
            stack.url,
            stack.authorization,
            4 * CONNECTIONS,
            int(rate * seconds),
            TRACES_PER_REQUEST,
            rate,
        )
    )


@contextmanager
def _growing(stack: Stack) -> Generator[dict[str, int]]:
    """The bytes that each topic grows by within the block."""
    grown: dict[str, int] = {}
    before = _topic_bytes(stack.data)
    yield grown
    after = _topic_bytes(stack.data)
    grown |= {topic: size - before.get(topic, 0) for topic, size in after.items() if size > before.get(topic, 0)}


def _topic_bytes(data: Path) -> dict[str, int]:
    """The bytes of the log of each topic of ours."""
    sizes: dict[str, int] = {}
    for file in (data / "kafka").rglob("*.log"):
        topic = file.parent.name.rpartition("-")[0]
        if not topic.startswith("__"):
            sizes[topic] = sizes.get(topic, 0) + file.stat().st_size
    return sizes
