"""How far the processors are behind what this edge accepted: acknowledged records and applied times in, seconds out. Pure and bounded.

A partition is judged at the moments at which something of it was applied. One that stands still (no owner, halted, an outage) says
nothing of how fast the processors are, and is left out until it moves again.
"""

from collections import deque
from collections.abc import Mapping
from typing import Final, NamedTuple

_SLOT_US: Final = 50_000
_MOST_SLOTS: Final = 10_000
_WINDOW_SECONDS: Final = 5.0


class Finding(NamedTuple):
    """The moving partition that is behind the most: by how many seconds, and how many seconds of its log are applied in a second.

    `moves`: whether any partition does. `oldest_seconds`: the age of the oldest record that waits, in whatever partition.
    """

    behind_seconds: float
    speed: float
    moves: bool
    oldest_seconds: float = 0.0


class _Moment(NamedTuple):
    """A moment at which something of a partition was applied, and the age of what was then the oldest that waits."""

    at: float
    behind: float


class Backlog:
    """Remembers when records were accepted that are not applied yet, by partition, in slots of 50 ms."""

    def __init__(self) -> None:
        self._waiting: dict[int, deque[int]] = {}
        self._moments: dict[int, deque[_Moment]] = {}

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
        for partition, at in applied_us.items():
            if self._apply(partition, at):
                moments = self._moments.setdefault(partition, deque(maxlen=100))
                moments.append(_Moment(now, self._age(partition, now)))
        self._forget_before(now - _WINDOW_SECONDS)
        judged = [_judge(moments) for moments in self._moments.values()]
        behind, speed = max(judged, key=_urgency, default=(0.0, 1.0))
        oldest = max((self._age(partition, now) for partition in self._waiting), default=0.0)
        return Finding(behind, speed, bool(judged) or self.empty, oldest)

    def _apply(self, partition: int, at_us: int) -> bool:
        slots = self._waiting.get(partition)
        if slots is None or slots[0] > at_us:
            return False
        while slots and slots[0] <= at_us:
            slots.popleft()
        if not slots:
            del self._waiting[partition]
        return True

    def _age(self, partition: int, now: float) -> float:
        slots = self._waiting.get(partition)
        return max(0.0, now - slots[0] / 1_000_000) if slots else 0.0

    def _forget_before(self, since: float) -> None:
        for partition, moments in list(self._moments.items()):
            while moments and moments[0].at < since:
                moments.popleft()
            if not moments:
                del self._moments[partition]


def _judge(moments: deque[_Moment]) -> tuple[float, float]:
    first, last = moments[0], moments[-1]
    # From one moment no speed can be told; then nothing is held against anybody.
    grown = (last.behind - first.behind) / (last.at - first.at) if last.at > first.at else -1.0
    return last.behind, max(0.0, 1 - grown)


def _urgency(judged: tuple[float, float]) -> tuple[bool, float]:
    behind, speed = judged
    return speed <= 1, behind
