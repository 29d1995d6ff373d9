"""How far the processors are behind what this edge accepted: acknowledged records and applied times in, seconds out. Pure and bounded."""

from collections import deque
from collections.abc import Mapping
from typing import Final, NamedTuple

_SLOT_US: Final = 50_000
_MOST_SLOTS: Final = 10_000
_WINDOW_SECONDS: Final = 2.0


class Finding(NamedTuple):
    """How far behind, in seconds; how much of a second of the log is applied in a second; whether anything is applied at all."""

    behind_seconds: float
    speed: float
    moves: bool


class Backlog:
    """Remembers when records were accepted that are not applied yet, by partition, in slots of 50 ms."""

    def __init__(self) -> None:
        self._waiting: dict[int, deque[int]] = {}
        self._history: deque[tuple[float, float, bool]] = deque(maxlen=100)

    @property
    def empty(self) -> bool:
        return not self._waiting

    def note(self, partition: int, received_at_us: int) -> None:
        """A record of this time is in the log."""
        slots = self._waiting.setdefault(partition, deque())
        # Of a backlog longer than all slots the beginning tells its age.
        if not slots or (received_at_us >= slots[-1] + _SLOT_US and len(slots) < _MOST_SLOTS):
            slots.append(received_at_us)

    def look(self, applied_us: Mapping[int, int], now: float) -> Finding:
        """What stands, `applied_us` being the time of the newest record that is applied, by partition."""
        moved = sum(self._apply(partition, at) for partition, at in applied_us.items()) > 0
        oldest = min((slots[0] for slots in self._waiting.values()), default=None)
        behind = 0.0 if oldest is None else max(0.0, now - oldest / 1_000_000)
        while self._history and now - self._history[0][0] > _WINDOW_SECONDS:
            self._history.popleft()
        self._history.append((now, behind, moved))
        first_at, first_behind, _ = self._history[0]
        grown = (behind - first_behind) / (now - first_at) if now > first_at else 0.0
        return Finding(behind, max(0.0, 1 - grown), behind == 0 or any(moved for _, _, moved in self._history))

    def _apply(self, partition: int, at_us: int) -> bool:
        slots = self._waiting.get(partition)
        if slots is None or slots[0] > at_us:
            return False
        while slots and slots[0] <= at_us:
            slots.popleft()
        if not slots:
            del self._waiting[partition]
        return True
