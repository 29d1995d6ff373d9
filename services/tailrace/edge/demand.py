"""What projects offer: accepted events and bytes in, rates by project out, over the last seconds. Bounded.

Work is counted in events; 4 KiB of body weigh as much as one event, since that is about what they cost the processors. What a project was
refused because it is slowed counts as if it had come: who is slowed is no quieter for that.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from tailrace.edge.publisher import RawRecord

WORK_BYTES: Final = 4096
ACTIVE_SECONDS: Final = 60.0
"""A project that sent something in this time wants its share of the processors."""

WINDOW_SECONDS: Final = 5
_STALE_SECONDS: Final = 0.25
_MOST_PROJECTS: Final = 10_000


def work_of(record: RawRecord) -> float:
    """What it costs the processors, in events."""
    return record.headers.events + len(record.body) / WORK_BYTES


class _Second(NamedTuple):
    number: int
    work: dict[str, float]


class Demand:
    """Counts the work of each project by second, for the last few. `clock`: seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._seconds: deque[_Second] = deque(maxlen=WINDOW_SECONDS)
        self._seen: OrderedDict[str, float] = OrderedDict()
        self._usual: dict[str, float] = {}
        self._rates: dict[str, float] = {}
        self._rated_at = float("-inf")

    def add(self, project: str, work: float) -> None:
        """A request of the project was accepted."""
        self._usual[project] = 0.8 * self._usual.get(project, work) + 0.2 * work
        self._count(project, work)

    def refused(self, project: str) -> None:
        """A request of the project was refused unread; it counts as its usual one."""
        self._count(project, self._usual.get(project, 1.0))

    @property
    def rates(self) -> Mapping[str, float]:
        """Work a second of every active project; 0 for one that sent nothing lately."""
        now = self._clock()
        if not 0 <= now - self._rated_at < _STALE_SECONDS:
            self._rates, self._rated_at = self._read(now), now
        return self._rates

    def _count(self, project: str, work: float) -> None:
        now = self._clock()
        number = int(now)
        if not self._seconds or self._seconds[-1].number != number:
            self._seconds.append(_Second(number, {}))
        counted = self._seconds[-1].work
        counted[project] = counted.get(project, 0.0) + work
        self._seen[project] = now
        self._seen.move_to_end(project)
        if len(self._seen) > _MOST_PROJECTS:
            self._forget(next(iter(self._seen)))

    def _read(self, now: float) -> dict[str, float]:
        while self._seen and now - self._seen[project := next(iter(self._seen))] > ACTIVE_SECONDS:
            self._forget(project)
        lately = [second.work for second in self._seconds if now - second.number < WINDOW_SECONDS]
        return {project: sum(work.get(project, 0.0) for work in lately) / WINDOW_SECONDS for project in self._seen}

    def _forget(self, project: str) -> None:
        del self._seen[project]
        self._usual.pop(project, None)
