"""Slowing the loudest while the processors are behind: how far behind and who sends how much in, a bucket for each project to slow out. Pure.

All projects share the partitions of the log, so the backlog of one delays the events of all. While more comes than the processors apply, and they fall
behind for it, a project may send as much as its max-min fair share of what they apply: who wants less than the share is not touched, the others get it. It needs
all of these: the lag is over its bound and rises, and more is taken than was applied of late. So a standstill, and a backlog that is worked off, is
nobody's fault, and a project that is alone is never slowed. Once projects are held, a lag that rises is answered by holding them lower, within a bound.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Final

from tailrace.edge.backlog import Finding
from tailrace.edge.bucket import Bucket
from tailrace.edge.exchange import Exchange
from tailrace.runtime import metrics

LEAST_SHARE: Final = 10.0
"""Work a second that no project is held below, whatever was measured."""

_PART: Final = 0.5
"""The part of what is applied that may come at first, so that the backlog goes, and the others find processors that are not busy."""

_CUT: Final = 0.7
"""So much of the part is left each time that the lag rises although projects are held."""

_LEAST_PART: Final = 0.25
"""It is never cut below this: a lag may have other causes than what comes, and then less of it does not help."""

_CUT_SECONDS: Final = 2.0
"""A cut shows its effect only after a while; there is no other before that."""

_GROWTH: Final = 1.1
"""By so much more must be taken than is applied for the backlog to be known to grow."""

_LOOSEN: Final = 0.01
"""That part grows by this a second, until the lag rises again or nobody wants more."""

_CALM_SECONDS: Final = 20.0
"""And by as much more for each time of this length without a cut: what was measured is too little by now."""

_FADE: Final = 0.25
"""By this part a second an older measurement is trusted less, while the processors have enough to do."""

_USUAL_DRIFT: Final = 0.005
"""By so many seconds a second what is usually behind is believed to have grown, while nobody is slowed. A slow stack is always a little behind, and is not overloaded for that."""

_MOST_USUAL_SECONDS: Final = 1.0
"""The lag may double, but on a slow stack grow by no more than this."""

_BURST_SECONDS: Final = 1.0
_STALE_SECONDS: Final = 5.0
_MOST_PROJECTS: Final = 1000


class Pacer:
    """`lag_seconds`: how far behind the processors may be before anyone is slowed; 0 for ever. Times in seconds since 1970."""

    def __init__(self, exchange: Exchange, lag_seconds: float) -> None:
        self._exchange = exchange
        self._lag_seconds = lag_seconds
        self._usual = math.inf
        self._capacity = 0.0
        self._part = math.inf
        self._cut_at = 0.0
        self._looked_at = 0.0
        self._held: dict[str, Bucket] = {}

    def bucket(self, project: str, now: float) -> Bucket | None:
        """What the project may still send, in work; None while it is not slowed."""
        held = self._held.get(project)
        return held if held is not None and 0 <= now - self._looked_at < _STALE_SECONDS else None

    def take(self, project: str, work: float, now: float) -> None:
        """The project sends so much; a negative amount gives back."""
        held = self._held.get(project)
        if held is not None:
            held.take(work, now)

    def refused(self, project: str) -> None:
        """A request of the project was refused, because nothing was left of its bucket."""
        self._exchange.demand.refused(project)

    def adjust(self, finding: Finding, now: float) -> None:
        """Slow and loosen by what was found. Called a few times a second."""
        elapsed, self._looked_at = min(1.0, max(0.0, now - self._looked_at)), now
        if not self._lag_seconds or not finding.moves:
            self.let_go()
            return
        if self._overloaded(finding, elapsed):
            self._cut(now)
        else:
            self._part += _LOOSEN * elapsed * (1 + max(0.0, now - self._cut_at) / _CALM_SECONDS)
        wanted = self._exchange.totals()
        share = math.inf
        if len(wanted) > 1 and self._part < math.inf:
            share = max_min_share(wanted.values(), self._part * self._capacity)
        if share < math.inf:
            self._hold(wanted, max(LEAST_SHARE, share), now)
        else:
            self.let_go()

    def let_go(self) -> None:
        """Slow nobody."""
        self._part = math.inf
        self._held.clear()
        metrics.edge_paced_projects.set(0)

    def _cut(self, now: float) -> None:
        if self._part == math.inf:
            self._part, self._cut_at = _PART, now
        elif not 0 <= now - self._cut_at < _CUT_SECONDS:
            self._part, self._cut_at = max(_LEAST_PART, self._part * _CUT), now

    def _overloaded(self, finding: Finding, elapsed: float) -> bool:
        """Whether more is taken than was ever applied, and the lag rises for it; once projects are held, whether the lag rises.

        What was measured before fades only while there is a backlog, and while projects are held only if that grows: else no more is applied because
        no more comes.
        """
        taken, applied = self._exchange.total_pace()
        is_held = self._part < math.inf
        if finding.behind_seconds:
            drift = 0.0 if is_held else _USUAL_DRIFT
            self._usual = min(finding.behind_seconds, self._usual + drift * elapsed)
        bound = self._usual + max(self._lag_seconds, min(self._usual, _MOST_USUAL_SECONDS))
        fades = applied and finding.behind_seconds > bound and (not is_held or taken > _GROWTH * applied)
        self._capacity = max(applied, self._capacity * (1 - _FADE * elapsed if fades else 1))
        return finding.rising_seconds > bound and (is_held or taken > self._capacity > 0)

    def _hold(self, wanted: Mapping[str, float], share: float, now: float) -> None:
        over = sorted((project for project in wanted if wanted[project] > share), key=wanted.__getitem__, reverse=True)
        held: dict[str, Bucket] = {}
        for project in over[:_MOST_PROJECTS]:
            rate = share * self._exchange.share(project)
            held[project] = self._held.get(project) or Bucket(rate, now, seconds=_BURST_SECONDS)
            held[project].set_rate(rate, now)
        self._held = held
        metrics.edge_paced_projects.set(len(held))


def max_min_share(wanted: Iterable[float], available: float) -> float:
    """What each may have at most, so that together they get what is available: those who want less leave the rest to the others. Infinite if all fits."""
    left, waiting = available, sorted(wanted)
    for position, each in enumerate(waiting):
        share = left / (len(waiting) - position)
        if each > share:
            return share
        left -= each
    return math.inf
