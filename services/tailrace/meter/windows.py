"""Live windows: cost parts in, sums by (project, user, model, bucket) out. Pure, and never the record of what was spent.

Of each raw partition's part only the newest by (epoch, origin) counts, so any order and any repetition gives the same sums.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal
from typing import Final, NamedTuple

from tailrace.core.money import MONEY
from tailrace.wire.records import CostPart


class WindowKey(NamedTuple):
    """A window: whose cost, of which model, in which bucket."""

    project_id: str
    user_id: str | None
    model: str | None
    bucket: str
    bucket_start: datetime


class Version(NamedTuple):
    """How new a part is."""

    epoch: int
    origin: int


class Growth(NamedTuple):
    """By how much a window has changed; negative figures are corrections."""

    cost: Decimal
    tokens: int


NO_GROWTH: Final = Growth(Decimal(0), 0)


class _Window:
    __slots__ = ("parts",)

    def __init__(self) -> None:
        self.parts: dict[int, tuple[Version, CostPart]] = {}


class LiveWindows:
    """The windows that were active lately; `trim` keeps about `limit` of them, the least recently changed go first."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._windows: dict[WindowKey, _Window] = {}

    def __len__(self) -> int:
        return len(self._windows)

    def missing(self, keys: Iterable[WindowKey]) -> set[WindowKey]:
        """The keys that are not in memory: their parts must be loaded first."""
        return {key for key in keys if key not in self._windows}

    def load(self, key: WindowKey, parts: Iterable[tuple[int, Version, CostPart]]) -> None:
        """Put a window as it is stored, which may be empty."""
        window = _Window()
        window.parts = {partition: (version, part) for partition, version, part in parts}
        self._windows[key] = window

    def merge(self, partition: int, version: Version, part: CostPart) -> Growth:
        """Take in a part; what is not newer than what is known changes nothing."""
        key = key_of(part)
        window = self._windows.pop(key, None) or _Window()
        self._windows[key] = window
        known = window.parts.get(partition)
        if known is not None and known[0] >= version:
            return NO_GROWTH
        window.parts[partition] = (version, part)
        if known is None:
            return Growth(part.cost, part.total_tokens)
        before = known[1]
        return Growth(MONEY.subtract(part.cost, before.cost), part.total_tokens - before.total_tokens)

    def cost(self, key: WindowKey) -> Decimal:
        """The cost of a window, 0 if it is not in memory."""
        window = self._windows.get(key)
        total = Decimal(0)
        for _, part in window.parts.values() if window is not None else ():
            total = MONEY.add(total, part.cost)
        return total

    def trim(self, is_stored: Callable[[int, Version], bool]) -> None:
        """Let go of windows beyond the limit. One with a part that is not stored yet stays: it could not be loaded as it is."""
        surplus = len(self._windows) - self._limit
        if surplus <= 0:
            return
        gone: list[WindowKey] = []
        for key, window in self._windows.items():
            if all(is_stored(partition, version) for partition, (version, _) in window.parts.items()):
                gone.append(key)
            if len(gone) == surplus:
                break
        for key in gone:
            del self._windows[key]

    def clear(self) -> None:
        """Forget everything."""
        self._windows.clear()


def key_of(part: CostPart) -> WindowKey:
    """The window that a part belongs to."""
    return WindowKey(part.project_id, part.user_id, part.model, part.bucket, part.bucket_start)
