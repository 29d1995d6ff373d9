"""`python -m tests.load overload`: more spans than the stack can store, for long, while the memory of every process is watched.

What must hold: the memory of each process levels off, the edge says 429 or 503 where it must, and all that was acknowledged is stored in the end.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.load.chart import draw
from tests.load.stack import Stack
from tests.load.usage import children_of

SAMPLE_SECONDS: Final = 2.0


class Sample(NamedTuple):
    """Resident memory of each process, in MiB, so many seconds after the start; `stored`: events that are applied by then."""

    seconds: float
    rss: dict[str, float]
    stored: int


def resident_mib(pid: int, others: Collection[int] = ()) -> float:
    """Resident memory of a process and its children (Postgres has one for each connection) except `others`, shared pages counted once.

    0 if it is gone.
    """
    total = 0
    for member in (pid, *(child for child in children_of(pid) if child not in others)):
        try:
            fields = dict(
                line.split(":", 1)
                for line in Path(f"/proc/{member}/smaps_rollup").read_text().splitlines()
                if ":" in line
            )
        except OSError:
            continue
        total += int(fields["Pss"].split()[0])
    return round(total / 1024, 1)


def growth(samples: Sequence[Sample]) -> dict[str, float]:
    """For each process: its largest memory in the last third of the run, over its largest in the middle third. 1 is flat."""
    third = len(samples) // 3
    middle, last = samples[third : 2 * third], samples[2 * third :]
    names = {name for sample in middle for name in sample.rss}
    peaks = {name: (_peak(middle, name), _peak(last, name)) for name in names}
    return {name: round(late / early, 3) for name, (early, late) in sorted(peaks.items()) if early}


def plot(samples: Sequence[Sample], title: str) -> str:
    """An SVG of memory over time, a line for each process."""
    names = sorted({name for sample in samples for name in sample.rss})
    series = {
        name: [(sample.seconds / 60, sample.rss[name]) for sample in samples if name in sample.rss] for name in names
    }
    return draw(title, series, across="minutes", up="MiB")


async def watch_overload(
    stack: Stack, sending: asyncio.Task[Any], drain: Callable[[], Awaitable[float]]
) -> dict[str, Any]:
    """The memory of every process while `sending` is under way and until `drain` returns: samples, peaks, and whether they level off."""
    pids = stack.pids()
    samples: list[Sample] = []
    watching = asyncio.create_task(_collect(samples, pids, stack))
    try:
        await sending
        drained = await drain()
    finally:
        watching.cancel()
        await asyncio.wait([watching])
    return {
        "minutes": round(samples[-1].seconds / 60, 1),
        "drained_after_seconds": drained,
        "peak_mib": {name: max(sample.rss.get(name, 0.0) for sample in samples) for name in pids},
        "last_third_over_middle_third": growth(samples),
        "stored_events": samples[-1].stored,
        "samples": samples,
    }


async def _collect(samples: list[Sample], pids: Mapping[str, int], stack: Stack) -> None:
    started = time.monotonic()
    connection = await stack.connect()
    try:
        while True:
            rss = {name: mib for name, pid in pids.items() if (mib := resident_mib(pid, pids.values()))}
            stored: int = await connection.fetchval("select coalesce(sum(applied), 0)::bigint from event_counts")
            samples.append(Sample(round(time.monotonic() - started, 1), rss, stored))
            await asyncio.sleep(SAMPLE_SECONDS)
    finally:
        await connection.close()


def _peak(samples: Sequence[Sample], name: str) -> float:
    return max((sample.rss.get(name, 0.0) for sample in samples), default=0.0)
