"""`python -m tests.load overload`: more spans than the stack can store, for long, while the memory of every process is watched.

What must hold: the memory of each process levels off, the edge says 429 or 503 where it must, and all that was acknowledged is stored in the end.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

import asyncpg

from tests.load.usage import children_of

SAMPLE_SECONDS: Final = 2.0
WIDTH, HEIGHT, MARGIN = 900, 420, 60
_colours = ("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#17becf")


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
    top = max((mib for sample in samples for mib in sample.rss.values()), default=1.0) * 1.05
    end = samples[-1].seconds or 1.0
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{MARGIN}" y="24" font-size="15">{title}</text>',
        *_axes(end, top),
    ]
    for number, name in enumerate(names):
        colour = _colours[number % len(_colours)]
        points = " ".join(
            f"{_x(sample.seconds, end):.1f},{_y(sample.rss[name], top):.1f}" for sample in samples if name in sample.rss
        )
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        parts.append(f'<text x="{WIDTH - 130}" y="{MARGIN + 16 * number}" fill="{colour}">{name}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


class OverloadedStack(Protocol):
    """A stack to measure on."""

    def processes(self) -> dict[str, dict[str, Any]]:
        """What `tailrace status` says, by name."""
        ...

    async def connect(self) -> asyncpg.Connection:
        """A connection to its database."""
        ...


async def watch_overload(
    stack: OverloadedStack, sending: asyncio.Task[Any], drain: Callable[[], Awaitable[float]]
) -> dict[str, Any]:
    """The memory of every process while `sending` is under way and until `drain` returns: samples, peaks, and whether they level off."""
    pids = {name: row["pid"] for name, row in stack.processes().items() if row.get("pid")}
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


async def _collect(samples: list[Sample], pids: Mapping[str, int], stack: OverloadedStack) -> None:
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


def _x(seconds: float, end: float) -> float:
    return MARGIN + (WIDTH - 200 - MARGIN) * seconds / end


def _y(mib: float, top: float) -> float:
    return HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * mib / top


def _axes(end: float, top: float) -> list[str]:
    lines: list[str] = []
    for step in range(6):
        mib, minutes = top * step / 5, end * step / 5 / 60
        lines += [
            f'<line x1="{MARGIN}" x2="{_x(end, end):.0f}" y1="{_y(mib, top):.0f}" y2="{_y(mib, top):.0f}" stroke="#ddd"/>',
            f'<text x="{MARGIN - 8}" y="{_y(mib, top) + 4:.0f}" text-anchor="end">{mib:.0f} MiB</text>',
            f'<text x="{_x(end * step / 5, end):.0f}" y="{HEIGHT - MARGIN + 20}" text-anchor="middle">{minutes:.1f} min</text>',
        ]
    return lines
