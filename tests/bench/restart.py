"""How soon the partitions of a killed assembler move again, while as much comes in as can be stored."""

import asyncio
import os
import signal
import time
from typing import Any, Final

from tests.bench.maximum import SETTLE_SECONDS, load_at
from tests.load.stack import Stack

MOST_SECONDS: Final = 60.0
LOOK_SECONDS: Final = 0.05

_progress = "select partition, epoch, applied_origin from stream_progress"


async def measure_restart(stack: Stack, spans_per_second: float) -> dict[str, Any]:
    """Seconds from kill -9 of the assembler until the first and the last partition has something applied that its next owner folded.

    One that has not within a minute is counted in `not_moved`.
    """
    going_on = asyncio.create_task(load_at(stack, spans_per_second, SETTLE_SECONDS + MOST_SECONDS))
    await asyncio.sleep(SETTLE_SECONDS)
    connection = await stack.connect()
    before = {row["partition"]: row["epoch"] for row in await connection.fetch(_progress)}
    os.kill(stack.pids()["assembler"], signal.SIGKILL)
    killed_at = time.monotonic()
    taken_over: dict[int, int] = {}
    moved: dict[int, float] = {}
    while len(moved) < len(before) and time.monotonic() - killed_at < MOST_SECONDS:
        for row in await connection.fetch(_progress):
            partition, applied = row["partition"], row["applied_origin"]
            if row["epoch"] > before[partition] and applied > taken_over.setdefault(partition, applied):
                moved.setdefault(partition, time.monotonic() - killed_at)
        await asyncio.sleep(LOOK_SECONDS)
    await connection.close()
    going_on.cancel()
    await asyncio.wait([going_on])
    return {
        "first_seconds": round(min(moved.values(), default=MOST_SECONDS), 1),
        "last_seconds": round(max(moved.values(), default=MOST_SECONDS), 1),
        "not_moved": len(before) - len(moved),
    }
