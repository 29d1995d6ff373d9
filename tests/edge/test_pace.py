"""The loudest are slowed while the processors are behind, until what comes is what can be applied; nobody else is."""

import pytest

from tailrace.edge.backlog import Finding
from tailrace.edge.demand import Demand
from tailrace.edge.exchange import Exchange
from tailrace.edge.pace import Pacer

BEHIND = Finding(behind_seconds=2.0, speed=0.5, moves=True)


def make_pacer(lag_seconds: float = 1, **work: float) -> Pacer:
    demand = Demand(lambda: 0.0)
    for project, amount in work.items():
        demand.add(project, amount)
    return Pacer(Exchange(demand), lag_seconds)


def test_who_sends_a_hundred_times_as_much_is_slowed_to_what_is_applied_and_the_others_are_not() -> None:
    pacer = make_pacer(loud=1000, quiet=10, small=10)

    pacer.adjust(BEHIND, now=1)

    loud = pacer.bucket("loud")
    assert loud is not None
    assert 100 < loud.rate < 500
    assert pacer.bucket("quiet") is pacer.bucket("small") is None


@pytest.mark.parametrize(
    ("pacer", "finding"),
    [
        (make_pacer(alone=1000), BEHIND),
        (make_pacer(one=100, other=110, third=90), BEHIND),
        (make_pacer(lag_seconds=0, loud=1000, quiet=10), BEHIND),
        (make_pacer(loud=1000, quiet=10), Finding(behind_seconds=0.9, speed=0.5, moves=True)),
        (make_pacer(loud=1000, quiet=10), Finding(behind_seconds=60, speed=3, moves=True)),
        (make_pacer(loud=1000, quiet=10), Finding(behind_seconds=60, speed=0, moves=False)),
    ],
    ids=["alone", "among equals", "switched off", "not behind", "catching up", "an outage"],
)
def test_nobody_is_slowed(pacer: Pacer, finding: Finding) -> None:
    pacer.adjust(finding, now=1)

    assert [pacer.bucket(name) for name in ("alone", "one", "other", "third", "loud", "quiet")] == [None] * 6


def test_an_outage_lets_everybody_go() -> None:
    pacer = make_pacer(loud=1000, quiet=10)
    pacer.adjust(BEHIND, now=1)

    pacer.adjust(Finding(behind_seconds=20, speed=0, moves=False), now=2)

    assert pacer.bucket("loud") is None


class Processors:
    """Processors that apply so much work a second, whoever sent it, in order; steps of a quarter of a second."""

    def __init__(self, capacity: float) -> None:
        self.capacity = capacity
        self.waiting = 0.0
        self._history: list[float] = []

    def step(self, work: float) -> Finding:
        self.waiting = max(0.0, self.waiting + work - self.capacity / 4)
        behind = self.waiting / self.capacity
        self._history.append(behind)
        before = self._history[-9:][0]
        grown = (behind - before) / (0.25 * max(1, len(self._history[-9:]) - 1))
        return Finding(behind, max(0.0, 1 - grown), moves=True)


@pytest.mark.parametrize("capacity", [100, 300, 900])
def test_held_so_the_backlog_stays_near_the_bound_and_the_processors_stay_busy(capacity: float) -> None:
    now = 0.0
    demand = Demand(lambda: now)
    pacer, processors = Pacer(Exchange(demand), 1), Processors(capacity)
    behind: list[float] = []
    taken = 0.0
    for step in range(1200):
        now = step / 4
        work = 2.5
        demand.add("quiet", work)
        for _ in range(10):
            loud = pacer.bucket("loud")
            if loud is None or loud.left(now) > 0:
                demand.add("loud", 25)
                pacer.take("loud", 25, now)
                work += 25
            else:
                pacer.refused("loud", now)
        taken += work
        pacer.adjust(processors.step(work), now)
        assert pacer.bucket("quiet") is None
        behind.append(processors.waiting / capacity)

    settled = behind[240:]
    assert max(settled) < 3
    assert taken > 0.6 * min(capacity, 1010) * 300
