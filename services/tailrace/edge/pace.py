"""Slowing the loudest while the processors are behind: how far behind and who sends how much in, a bucket for each project to slow out. Pure.

All projects share the partitions of the log, so the backlog of one delays the events of all. While the processors are further behind than they
may be and do not catch up, each project that sends more than its fair share is held to what is applied of it, a little less to let the backlog go; once they
have caught up the hold is loosened step by step. A project that is alone, or sends no more than its share, is never slowed. While
nothing at all is applied, nobody is: that is an outage, and the log is there to take what comes.
"""

from typing import Final

from tailrace.edge.backlog import Finding
from tailrace.edge.bucket import Bucket
from tailrace.edge.exchange import Exchange
from tailrace.runtime import metrics

_OVER_FAIR: Final = 1.5
"""Times its fair share. Among equals somebody is always a little above the others."""

_CATCHES_UP: Final = 1.2
"""Seconds of the log applied in a second, while a backlog is worked off."""

_CUT: Final = 0.7
_MOST_CUT_SECONDS: Final = 3.0
_SLOWEST: Final = 0.05
_LOOSEN: Final = 1.03
_BURST_SECONDS: Final = 1.0
_LET_GO_SECONDS: Final = 30.0
_MOST_PROJECTS: Final = 1000


class _Hold:
    def __init__(self, rate: float, now: float) -> None:
        self.bucket = Bucket(rate, now, seconds=_BURST_SECONDS)
        self.cut_at = now
        self.needed_at = now


class Pacer:
    """`lag_seconds`: how far behind the processors may be before anyone is slowed; 0 for ever."""

    def __init__(self, exchange: Exchange, lag_seconds: float) -> None:
        self._exchange = exchange
        self._lag_seconds = lag_seconds
        self._holds: dict[str, _Hold] = {}

    def bucket(self, project: str) -> Bucket | None:
        """What the project may still send, in work; None while it is not slowed."""
        hold = self._holds.get(project)
        return None if hold is None else hold.bucket

    def take(self, project: str, work: float, now: float) -> None:
        """The project sent so much."""
        hold = self._holds.get(project)
        if hold is not None:
            hold.bucket.take(work, now)

    def refused(self, project: str, now: float) -> None:
        """A request of the project was refused, because nothing was left of its bucket."""
        self._exchange.demand.refused(project)
        hold = self._holds.get(project)
        if hold is not None:
            hold.needed_at = now

    def adjust(self, finding: Finding, now: float) -> None:
        """Slow and loosen by what was found. Called a few times a second."""
        if not self._lag_seconds or not finding.moves:
            self.let_go()
            return
        fair = self._exchange.fair_share()
        if finding.behind_seconds > self._lag_seconds and finding.speed < _CATCHES_UP and fair is not None:
            for project in self._exchange.demand.rates:
                # Only what grows is held against one who is not held yet; one who is must leave room to catch up.
                if (finding.speed <= 1 or project in self._holds) and self._exchange.total(project) > _OVER_FAIR * fair:
                    self._slow(project, finding, now)
        elif finding.behind_seconds < self._lag_seconds / 2:
            for hold in self._holds.values():
                hold.bucket.set_rate(hold.bucket.rate * _LOOSEN, now)
        unneeded = [project for project, hold in self._holds.items() if now - hold.needed_at > _LET_GO_SECONDS]
        for project in unneeded:
            del self._holds[project]
        metrics.edge_paced_projects.set(len(self._holds))

    def let_go(self) -> None:
        """Slow nobody."""
        self._holds.clear()
        metrics.edge_paced_projects.set(0)

    def _slow(self, project: str, finding: Finding, now: float) -> None:
        hold, rate = self._holds.get(project), self._exchange.demand.peak(project)
        if hold is None:
            if rate > 0 and len(self._holds) < _MOST_PROJECTS:
                self._holds[project] = _Hold(max(1.0, rate * max(_SLOWEST, finding.speed) * _CUT), now)
        elif now - hold.cut_at > min(max(1.0, finding.behind_seconds), _MOST_CUT_SECONDS):
            # What was cut shows only once the backlog of before is applied; of a long one, no one waits for that.
            hold.bucket.set_rate(max(1.0, min(hold.bucket.rate, rate) * _CUT), now)
            hold.cut_at = hold.needed_at = now
