"""What projects send: accepted events and bytes in, rates by project out. Bounded, and without a clock.

Work is counted in events; 4 KiB of body weigh as much as one event, since that is about what they cost the processors.
"""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

WORK_BYTES: Final = 4096
ACTIVE_SECONDS: Final = 600.0
"""A project that sent something in this time wants its share of the processors."""

_MOST_PROJECTS: Final = 10_000


def work_of(events: int, size: int) -> float:
    """What a request costs the processors, in events."""
    return events + size / WORK_BYTES


class Demand:
    """Counts the work of each project, and tells its rate between two readings."""

    def __init__(self, now: float = 0.0) -> None:
        self._since = now
        self._work: OrderedDict[str, float] = OrderedDict()
        self._seen: dict[str, float] = {}
        self._rates: dict[str, float] = {}

    def add(self, project: str, work: float) -> None:
        self._work[project] = self._work.get(project, 0.0) + work
        if len(self._work) > _MOST_PROJECTS:
            self._work.popitem(last=False)

    def read(self, now: float) -> Mapping[str, float]:
        """Work a second of every active project since the last reading; 0 for one that sent nothing since."""
        seconds = max(now - self._since, 0.001)
        self._seen.update(dict.fromkeys(self._work, now))
        self._seen = {project: at for project, at in self._seen.items() if now - at <= ACTIVE_SECONDS}
        self._rates = {project: self._work.get(project, 0.0) / seconds for project in self._seen}
        self._work.clear()
        self._since = now
        return self._rates

    @property
    def rates(self) -> Mapping[str, float]:
        """Those of the last reading."""
        return self._rates
