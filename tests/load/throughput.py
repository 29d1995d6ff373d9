"""How much is stored a second, and what a span costs each process in CPU."""

import asyncio
import time
from typing import Any, Final

from tests.load.probe import cuts
from tests.load.sender import Orders, send_apart
from tests.load.stack import Stack
from tests.load.templates import Workload, make_templates
from tests.load.usage import spent, usage_by_name

CONNECTIONS: Final = 16
TRACES_PER_REQUEST: Final = 5


async def measure_throughput(stack: Stack, spans: int, workload: Workload, traces: int) -> dict[str, Any]:
    """As fast as the edge takes it, after a tenth of it to warm up: spans per second until all are stored, and the CPU that each process takes for one.

    `traces`: how many traces of ten spans are in each request, for "batches".
    """
    templates = make_templates(workload, traces)
    requests = spans * len(templates) // sum(template.spans for template in templates)
    orders = Orders(stack.url, stack.authorization, CONNECTIONS, requests, traces, workload=workload)
    pids = stack.pids()
    stored = await count_events(stack)
    warm = await send_apart(orders._replace(requests=requests // 10))
    await wait_for_events(stack, stored + warm["events"])
    before, started = usage_by_name(pids), time.monotonic()
    sent = await send_apart(orders)
    await wait_for_events(stack, stored + warm["events"] + sent["events"])
    seconds = time.monotonic() - started
    after = usage_by_name(pids)
    cpu = {**spent(before, after), "generator": sent["cpu_seconds"]}
    return {
        "spans": sent["spans"],
        "bytes_per_span": round(sent["bytes"] / sent["spans"]),
        "answers": sent["statuses"],
        "accepted_spans_per_second": round(sent["spans"] / sent["seconds"]),
        "accepted_mb_per_second": round(sent["bytes"] / sent["seconds"] / 1e6, 1),
        "accept_seconds": cuts(sent["latencies"]),
        "stored_spans_per_second": round(sent["spans"] / seconds),
        "cores_used": round(sum(cpu.values()) / seconds, 2),
        "cpu_microseconds_per_span": {name: round(used / sent["spans"] * 1e6, 1) for name, used in cpu.items()},
        "peak_mib": {name: used.peak_mib for name, used in after.items()},
    }


async def wait_for_events(stack: Stack, events: int) -> None:
    """Wait until so many events are applied."""
    while await count_events(stack) < events:  # noqa: ASYNC110 - Postgres tells nobody
        await asyncio.sleep(0.1)


async def count_events(stack: Stack) -> int:
    """How many events are applied."""
    connection = await stack.connect()
    try:
        return await connection.fetchval("select coalesce(sum(applied), 0)::bigint from event_counts")
    finally:
        await connection.close()
