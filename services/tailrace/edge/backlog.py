"""How far the processors are behind what this edge accepted: acknowledged records and applied times in, seconds and work out. Pure and bounded.

A partition is judged at the moments at which something of it was applied. One that stands still (no owner, halted, an outage) says
nothing of how fast the processors are, and is left out until it moves again.
"""

from collections import deque
from collections.abc import Mapping
from typing import Final, NamedTuple

_SLOT_US: Final = 50_000
_MOST_SLOTS: Final = 10_000
_STANDSTILL_SECONDS: Final = 15.0
_LATELY_SECONDS: Final = 2.0
"""For so long a moment says how far behind a partition is; one that nothing comes to any more is not."""

_TAKEN_SECONDS: Final = 5.0
_APPLIED_SECONDS: Final = 2.0


class Finding(NamedTuple):
    """How many seconds the moving partition is behind that is behind the most, and that of those which fell further behind at each of the last moments.

    `moves`: whether any partition does. `taken`, `applied`: work a second, of late. `oldest_seconds`: the age of the oldest record that waits, in whatever partition.
    """

    behind_seconds: float
    rising_seconds: float
    moves: bool
    taken: float = 0.0
    applied: float = 0.0
    oldest_seconds: float = 0.0


class Applied(NamedTuple):
    """Up to when a partition is applied: the received time of the newest such record, and how long ago it was applied."""

    at_us: int
    seconds_ago: float = 0.0


class _Slot(NamedTuple):
    at_us: int
    work: float


class _Rates(NamedTuple):
    """The work that was taken and applied between two looks, the later of which was at this time."""

    at: float
    taken: float
    applied: float


class _Moment(NamedTuple):
    """A moment at which something of a partition was applied, and the age that the newest of it had then."""

    at: float
    behind: float


class Backlog:
    """Remembers when records were accepted that are not applied yet, by partition, in slots of 50 ms."""

    def __init__(self) -> None:
        self._waiting: dict[int, deque[_Slot]] = {}
        self._moments: dict[int, deque[_Moment]] = {}
        self._rates: deque[_Rates] = deque()
        self._taken = 0.0

    @property
    def empty(self) -> bool:
        return not self._waiting

    def note(self, partition: int, received_at_us: int, work: float) -> None:
        """A record of this time is in the log."""
        self._taken += work
        slots = self._waiting.setdefault(partition, deque())
        # Of a backlog longer than all slots the beginning tells its age.
        if not slots or (received_at_us >= slots[-1].at_us + _SLOT_US and len(slots) < _MOST_SLOTS):
            slots.append(_Slot(received_at_us, work))
        else:
            slots[-1] = _Slot(slots[-1].at_us, slots[-1].work + work)

    def look(self, applied: Mapping[int, Applied], now: float) -> Finding:
        """What stands, by what is applied of each partition."""
        done = 0.0
        for partition, (at, seconds_ago) in applied.items():
            if work := self._apply(partition, at):
                done += work
                moments = self._moments.setdefault(partition, deque(maxlen=3))
                moments.append(_Moment(now, max(0.0, now - seconds_ago - at / 1_000_000)))
        self._rates.append(_Rates(now, self._taken, done))
        self._taken = 0.0
        self._forget(now)
        lately = [moments for moments in self._moments.values() if now - moments[-1].at < _LATELY_SECONDS]
        return Finding(
            behind_seconds=max((moments[-1].behind for moments in lately), default=0.0),
            rising_seconds=max((moments[-1].behind for moments in lately if _rises(moments)), default=0.0),
            moves=bool(self._moments) or self.empty,
            taken=sum(rates.taken for rates in self._rates) / _TAKEN_SECONDS,
            applied=sum(rates.applied for rates in self._rates if now - rates.at < _APPLIED_SECONDS) / _APPLIED_SECONDS,
            oldest_seconds=max((self._age(partition, now) for partition in self._waiting), default=0.0),
        )

    def _apply(self, partition: int, at_us: int) -> float:
        slots, work = self._waiting.get(partition), 0.0
        while slots and slots[0].at_us <= at_us:
            work += slots.popleft().work
        if slots is not None and not slots:
            del self._waiting[partition]
        return work

    def _age(self, partition: int, now: float) -> float:
        slots = self._waiting.get(partition)
        return max(0.0, now - slots[0].at_us / 1_000_000) if slots else 0.0

    def _forget(self, now: float) -> None:
        """What is older than it may be, or was before the clock was set back."""
        self._rates = deque(rates for rates in self._rates if 0 <= now - rates.at < _TAKEN_SECONDS)
        for partition, moments in list(self._moments.items()):
            if not 0 <= now - moments[-1].at < _STANDSTILL_SECONDS:
                del self._moments[partition]


def _rises(moments: deque[_Moment]) -> bool:
    """Whether each of three moments was further behind than the one before: after a standstill the first one is, and then no more."""
    return len(moments) == 3 and moments[0].behind < moments[1].behind < moments[2].behind
