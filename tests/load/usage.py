"""CPU and memory of running processes, as the kernel counts them. Linux only."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

_TICKS: Final = os.sysconf("SC_CLK_TCK")


class Usage(NamedTuple):
    """CPU seconds so far, and the largest resident memory in MiB so far, of a process and its children."""

    cpu_seconds: float
    peak_mib: float


def usage_of(pid: int, others: frozenset[int] = frozenset()) -> Usage:
    """What a process and its children used, those that have ended included; `others` are children that are counted by themselves.

    The memory is the sum of each one's largest, without what is shared: a bound from above for Postgres.
    """
    cpu, peak = _own(pid)
    for child in children_of(pid):
        if child not in others:
            more, size = usage_of(child, others)
            cpu, peak = cpu + more, peak + size
    return Usage(round(cpu, 2), round(peak, 1))


def usage_by_name(pids: Mapping[str, int]) -> dict[str, Usage]:
    """The same for several, by name."""
    others = frozenset(pids.values())
    return {name: usage_of(pid, others) for name, pid in pids.items()}


def spent(before: Mapping[str, Usage], after: Mapping[str, Usage]) -> dict[str, float]:
    """CPU seconds between two looks, by name."""
    return {name: round(after[name].cpu_seconds - before[name].cpu_seconds, 2) for name in after if name in before}


def _own(pid: int) -> tuple[float, float]:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        status = dict(
            line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line
        )
    except OSError:
        return 0.0, 0.0
    ticks = sum(int(fields[at]) for at in (11, 12, 13, 14))
    peak = int(status.get("VmHWM", "0").split()[0]) - int(status.get("RssShmem", "0").split()[0])
    return ticks / _TICKS, max(0, peak) / 1024


def children_of(pid: int) -> list[int]:
    """The processes that a process has started and that still run; none if it is gone."""
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
