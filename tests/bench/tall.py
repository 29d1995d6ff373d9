"""Whether one large trace costs more than many small ones: the same spans, in requests of the same size, as one trace and as many."""

import asyncio
import time
from typing import Any, Final

from tests.load.sender import Orders, send_apart
from tests.load.stack import Stack, running_stack
from tests.load.templates import SPANS_PER_TRACE, Workload
from tests.load.throughput import CONNECTIONS, TRACES_PER_REQUEST, count_events, wait_for_events

SPANS: Final = 10_000


def measure_tall() -> dict[str, Any]:
    """Seconds until 10,000 spans are stored: as 1,000 traces, and as one; the second over the first."""
    with running_stack() as stack:
        return asyncio.run(_measure(stack))


async def _measure(stack: Stack) -> dict[str, Any]:
    await _store(stack, "small")
    many, tall = await _store(stack, "small"), await _store(stack, "tall")
    return {
        "spans": SPANS,
        "many_seconds": round(many, 2),
        "one_seconds": round(tall, 2),
        "ratio": round(tall / many, 2),
    }


async def _store(stack: Stack, workload: Workload) -> float:
    requests = SPANS // (TRACES_PER_REQUEST * SPANS_PER_TRACE)
    stored, started = await count_events(stack), time.monotonic()
    sent = await send_apart(Orders(stack.url, stack.authorization, CONNECTIONS, requests, workload=workload))
    await wait_for_events(stack, stored + sent["events"])
    return time.monotonic() - started
