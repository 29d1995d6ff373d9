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


IsStored = Callable[[int, Version], bool]
IsVoid = Callable[[int, Version], bool]
"""Of a raw partition, whether what it said with this version is in Postgres; whether it will never be."""

_window_bytes: Final = 700
_part_bytes: Final = 1_100


class _Window:
    __slots__ = ("parts",)

    def __init__(self) -> None:
        self.parts: dict[int, tuple[Version, CostPart]] = {}

    def take(self, partition: int, version: Version, part: CostPart) -> None:
        known = self.parts.get(partition)
        if known is None or known[0] < version:
            self.parts[partition] = (version, part)

    def sums(self) -> Growth:
        cost = Decimal(0)
        for _, part in self.parts.values():
            cost = MONEY.add(cost, part.cost)
        return Growth(cost, sum(part.total_tokens for _, part in self.parts.values()))


class LiveWindows:
    """The windows that were active lately. `bytes` estimates their memory; `trim` bounds it, the least recently changed go first."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._windows: dict[WindowKey, _Window] = {}
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._windows)

    def missing(self, keys: Iterable[WindowKey]) -> set[WindowKey]:
        """The keys that are not in memory: their parts must be loaded first."""
        return {key for key in keys if key not in self._windows}

    def load(self, key: WindowKey, parts: Iterable[tuple[int, Version, CostPart]]) -> None:
        """Put a window as it is stored, which may be empty."""
        window = _Window()
        for partition, version, part in parts:
            window.take(partition, version, part)
        self._let_go(key)
        self._put(key, window)

    def merge(self, partition: int, version: Version, part: CostPart) -> Growth:
        """Take in a part; what is not newer than what is known changes nothing."""
        key = key_of(part)
        window = self._let_go(key) or _Window()
        known = window.parts.get(partition)
        window.take(partition, version, part)
        self._put(key, window)
        _, newest = window.parts[partition]
        if known is None:
            return Growth(newest.cost, newest.total_tokens)
        return Growth(MONEY.subtract(newest.cost, known[1].cost), newest.total_tokens - known[1].total_tokens)

    def voided(self, is_void: IsVoid) -> list[WindowKey]:
        """The windows with a part that will never be stored: they must be reloaded."""
        return [
            key
            for key, window in self._windows.items()
            if any(is_void(partition, version) for partition, (version, _) in window.parts.items())
        ]

    def reload(self, key: WindowKey, stored: Iterable[tuple[int, Version, CostPart]], is_void: IsVoid) -> Growth:
        """Put what is stored in the place of what is void; what is newer than what is stored stays. Nothing if the window has left."""
        window = self._let_go(key)
        if window is None:
            return NO_GROWTH
        before = window.sums()
        window.parts = {
            partition: (version, part)
            for partition, (version, part) in window.parts.items()
            if not is_void(partition, version)
        }
        for partition, version, part in stored:
            window.take(partition, version, part)
        self._put(key, window)
        after = window.sums()
        return Growth(MONEY.subtract(after.cost, before.cost), after.tokens - before.tokens)

    def cost(self, key: WindowKey) -> Decimal:
        """The cost of a window, 0 if it is not in memory."""
        window = self._windows.get(key)
        return Decimal(0) if window is None else window.sums().cost

    def trim(self, is_stored: IsStored) -> None:
        """Let go of windows beyond the bound. One with a part that is not stored yet stays: it could not be loaded as it is."""
        surplus = self.bytes - self._max_bytes
        if surplus <= 0:
            return
        gone: list[WindowKey] = []
        for key, window in self._windows.items():
            if all(is_stored(partition, version) for partition, (version, _) in window.parts.items()):
                gone.append(key)
                surplus -= _weigh(key, window)
            if surplus <= 0:
                break
        for key in gone:
            self._let_go(key)

    def clear(self) -> None:
        """Forget everything."""
        self._windows.clear()
        self.bytes = 0

    def _put(self, key: WindowKey, window: _Window) -> None:
        self._windows[key] = window
        self.bytes += _weigh(key, window)

    def _let_go(self, key: WindowKey) -> _Window | None:
        window = self._windows.pop(key, None)
        if window is not None:
            self.bytes -= _weigh(key, window)
        return window


def _weigh(key: WindowKey, window: _Window) -> int:
    texts = len(key.project_id) + len(key.user_id or "") + len(key.model or "")
    return _window_bytes + texts + len(window.parts) * (_part_bytes + texts)


def key_of(part: CostPart) -> WindowKey:
    """The window that a part belongs to."""
    return WindowKey(part.project_id, part.user_id, part.model, part.bucket, part.bucket_start)
