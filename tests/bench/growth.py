"""What history costs: the same measurements with more and more observations stored."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Final

from tests.bench.maximum import load_at, measure_freshness
from tests.bench.reads import measure_reads
from tests.bench.restart import measure_restart
from tests.bench.seed import seed
from tests.load.stack import Stack, running_stack
from tests.load.throughput import TRACES_PER_REQUEST, measure_throughput

LEVELS: Final = (0, 100_000, 1_000_000, 5_000_000, 10_000_000)
HALF: Final = 0.5
READS: Final = 200
READ_SECONDS: Final = 600.0
"""The load beside the reads ends with them; this long at most."""


def measure_growth(levels: Sequence[int], spans: int, seconds: float) -> list[dict[str, Any]]:
    """Throughput, freshness, reads and the restart of an assembler with each number of observations stored, on one stack."""
    with running_stack() as stack:
        return asyncio.run(_measure(stack, levels, spans, seconds))


async def _measure(stack: Stack, levels: Sequence[int], spans: int, seconds: float) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for level in levels:
        started = time.monotonic()
        stored = await seed(stack, level) if level else 0
        seeded = time.monotonic() - started
        maximum = await measure_throughput(stack, spans, "batches", TRACES_PER_REQUEST)
        found.append(
            {
                "observations": stored,
                "seeded_in_seconds": round(seeded, 1),
                "maximum": maximum,
                "reads": await measure_reads(stack, READS) if level else None,
                "beside_half": await _beside_half(stack, maximum["stored_spans_per_second"], seconds, reads=level > 0),
                "restart": await measure_restart(stack, maximum["stored_spans_per_second"]),
            }
        )
    return found


async def _beside_half(stack: Stack, most: float, seconds: float, *, reads: bool) -> dict[str, Any]:
    """Freshness, and then reads, while half of the maximum comes in."""
    result = await measure_freshness(stack, HALF, most, seconds)
    if reads:
        going_on = asyncio.create_task(load_at(stack, HALF * most, READ_SECONDS))
        result["reads"] = await measure_reads(stack, READS)
        going_on.cancel()
        await asyncio.wait([going_on])
    return result
