"""While the processors are behind, the loudest are held to their fair share of what is applied; whoever wants no more than that is never slowed."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.edge.backlog import Finding
from tailrace.edge.demand import ACTIVE_SECONDS, Demand
from tailrace.edge.exchange import Exchange, Told
from tailrace.edge.pace import LEAST_SHARE, Pacer, max_min_share
from tests.edge.pipeline import World

WELL = Finding(behind_seconds=0.1, rising_seconds=0, moves=True, taken=300, applied=300)
BEHIND = Finding(behind_seconds=2.0, rising_seconds=2.0, moves=True, taken=1000, applied=300)
AWAY = Finding(behind_seconds=20, rising_seconds=20, moves=False, taken=1000, applied=300)


@dataclass
class Case:
    """A pacer on a clock that is set by hand."""

    lag_seconds: float = 1
    now: float = 1000.0

    def __post_init__(self) -> None:
        self.exchange = Exchange(Demand(lambda: self.now))
        self.pacer = Pacer(self.exchange, self.lag_seconds)

    def offer(self, **work: float) -> "Case":
        for project, amount in work.items():
            self.exchange.demand.add(project, amount)
        return self

    def look(self, *findings: Finding) -> "Case":
        for finding in findings:
            self.now += 0.25
            self.exchange.pace = finding.taken, finding.applied
            self.pacer.adjust(finding, self.now)
        return self

    def held(self) -> set[str]:
        return {project for project in self.exchange.totals() if self.pacer.bucket(project, self.now)}


def test_who_sends_a_hundred_times_as_much_is_held_below_what_is_applied_and_the_others_are_not() -> None:
    case = Case().offer(loud=5000, quiet=50, small=50).look(WELL, BEHIND)

    loud = case.pacer.bucket("loud", case.now)
    assert loud is not None
    assert 50 <= loud.rate < 280
    assert case.held() == {"loud"}


@pytest.mark.parametrize(
    ("case", "finding"),
    [
        (Case().offer(alone=5000), BEHIND),
        (Case(lag_seconds=0).offer(loud=5000, quiet=50), BEHIND),
        (Case().offer(loud=5000, quiet=50), BEHIND._replace(rising_seconds=0.9, behind_seconds=0.9)),
        (Case().offer(loud=5000, quiet=50), BEHIND._replace(rising_seconds=0, behind_seconds=60)),
        (Case().offer(loud=5000, quiet=50), BEHIND._replace(taken=290)),
        (Case().offer(loud=5000, quiet=50), AWAY),
    ],
    ids=["alone", "switched off", "not behind", "catching up", "no more than was applied before", "an outage"],
)
def test_nobody_is_slowed(case: Case, finding: Finding) -> None:
    assert case.look(WELL, finding, finding).held() == set()


def test_who_was_there_minutes_ago_is_no_neighbour() -> None:
    case = Case().offer(old=50)
    case.now += ACTIVE_SECONDS + 1

    assert case.offer(alone=5000).look(WELL, BEHIND, BEHIND).held() == set()


def test_an_outage_lets_everybody_go() -> None:
    assert Case().offer(loud=5000, quiet=50).look(WELL, BEHIND, AWAY).held() == set()


def test_a_hold_that_nobody_renews_lapses_and_so_it_does_when_the_clock_jumps() -> None:
    case = Case().offer(loud=5000, quiet=50).look(WELL, BEHIND)

    held = [case.pacer.bucket("loud", case.now + later) is not None for later in (0, 4, 6, 3600, -3600)]

    assert held == [True, True, False, False, False]


def test_a_stack_that_is_always_some_seconds_behind_is_not_overloaded_for_that() -> None:
    slow = Finding(behind_seconds=3, rising_seconds=3.2, moves=True, taken=310, applied=300)

    assert Case().offer(loud=5000, quiet=50).look(*[slow] * 100).held() == set()


def test_what_is_allowed_is_that_of_all_edges_divided_by_where_it_comes() -> None:
    case = Case().offer(loud=1000, quiet=50)
    case.exchange.hear([Told(offered={"loud": 200, "other": 10}, taken=300, applied=100)])
    case.look(WELL._replace(applied=100, taken=100), BEHIND._replace(applied=100))

    loud = case.pacer.bucket("loud", case.now)
    assert loud is not None
    assert case.held() == {"loud"}
    assert loud.rate == pytest.approx((0.5 * 200 - 10 - 10) / 2, rel=0.02)


@given(wanted=st.lists(st.floats(0, 1e6), min_size=1, max_size=20), available=st.floats(1, 1e6))
def test_a_max_min_share_uses_all_that_is_available_and_is_no_less_than_an_equal_part(
    wanted: list[float], available: float
) -> None:
    share = max_min_share(wanted, available)

    assert sum(min(each, share) for each in wanted) == pytest.approx(min(sum(wanted), available))
    assert share >= available / len(wanted) * (1 - 1e-9)


findings = st.builds(
    Finding,
    behind_seconds=st.floats(0, 100),
    rising_seconds=st.floats(0, 100),
    moves=st.booleans(),
    taken=st.floats(0, 5000),
    applied=st.floats(0, 5000),
)
arrivals = st.lists(st.tuples(st.sampled_from(["a", "b", "c", "d"]), st.floats(0.1, 5000)), max_size=12)


@given(steps=st.lists(st.tuples(arrivals, findings, st.floats(0.05, 30)), max_size=40))
def test_whatever_comes_and_is_found_nobody_is_held_who_is_alone_or_wants_no_more_than_an_equal_part(
    steps: list[tuple[list[tuple[str, float]], Finding, float]],
) -> None:
    """The equal part: of what is let in, a quarter of what was applied at least, among all who sent lately."""
    case = Case()
    for arrived, finding, seconds in steps:
        case.now += seconds
        for project, work in arrived:
            held = case.pacer.bucket(project, case.now)
            if held is not None and held.left(case.now) <= 0:
                case.pacer.refused(project)
            else:
                case.pacer.take(project, work, case.now)
                case.exchange.demand.add(project, work)
        case.look(finding)
        wanted, held_now = case.exchange.totals(), case.held()
        assert not held_now or len(wanted) > 1
        for project in held_now:
            assert wanted[project] > max(LEAST_SHARE, 0.24 * finding.applied / len(wanted))
            assert wanted[project] >= max(wanted[other] for other in set(wanted) - held_now | {project})


@pytest.mark.parametrize("edges", [1, 2])
@pytest.mark.parametrize("batch_seconds", [0.2, 1.0])
@pytest.mark.parametrize("capacity", [300, 900])
def test_beside_a_loud_project_the_log_is_hardly_behind_and_the_processors_do_not_idle(
    capacity: float, batch_seconds: float, edges: int
) -> None:
    world = World(capacity, batch_seconds=batch_seconds, edges=edges)
    world.run(30, {"quiet": 10})
    world.run(180, {"quiet": 10, "loud": 1000})

    late = world.behind[-480:]
    assert world.refused["quiet"] == 0
    assert sum(late) / len(late) < 0.6
    assert sum(world.taken.values()) * world.request > 0.35 * capacity * 180


OFFERED = {"quiet": 50.0, "loud": 2000.0}


def test_a_lag_that_has_another_cause_than_what_comes_holds_nobody_ever_lower() -> None:
    world = World(1000)
    world.run(30, {"quiet": 50})
    world.run(60, OFFERED)
    world.latency = 0.75
    world.run(60, OFFERED)
    before = world.taken["loud"]
    world.run(120, OFFERED)

    assert world.refused["quiet"] == 0
    assert (world.taken["loud"] - before) * world.request > 0.3 * 1000 * 120


def test_spells_of_slowness_are_made_up_for() -> None:
    world = World(1000)
    world.run(30, {"quiet": 50})
    for _ in range(5):
        world.run(27, OFFERED)
        world.capacity = 300
        world.run(3, OFFERED)
        world.capacity = 1000
    before = world.taken["loud"]
    world.run(120, OFFERED)

    assert world.refused["quiet"] == 0
    assert (world.taken["loud"] - before) * world.request > 0.4 * 1000 * 120


def test_with_requests_of_seconds_of_work_the_backlog_does_not_grow_for_ever() -> None:
    world = World(300, request=500)
    world.run(300, {"quiet": 10, "loud": 1000})

    assert world.refused["loud"] > 200
    assert world.refused["quiet"] == 0


def test_a_stack_that_is_slow_but_not_overloaded_refuses_nobody() -> None:
    world = World(300, latency=2)
    world.run(120, {"quiet": 10, "loud": 200})

    assert not world.refused


@pytest.mark.parametrize("edges", [1, 2])
@pytest.mark.parametrize("offered", [{"shop": 65}, {"shop": 65, "till": 30}, {"shop": 65, "till": 30, "bar": 1}])
@pytest.mark.parametrize(("length", "which"), [(3, range(4)), (8, range(4)), (12, range(2)), (1, range(1, 4))], ids=str)
def test_restarts_of_what_is_behind_the_edge_are_held_against_nobody(
    length: float, which: range, offered: dict[str, float], edges: int
) -> None:
    stalls = [(20 + number * 30, 20 + number * 30 + length, which) for number in range(3)]
    world = World(300, request=1, stalls=stalls, edges=edges)
    world.run(5, {"old": 1})
    world.run(120, offered)

    assert not world.refused
