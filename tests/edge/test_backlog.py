"""How far behind the processors are, and how fast they go, from accepted and applied times."""

from hypothesis import given
from hypothesis import strategies as st

from tailrace.edge.backlog import Backlog

SECOND = 1_000_000


def test_it_is_as_far_behind_as_its_oldest_record_that_is_not_applied() -> None:
    backlog = Backlog()
    backlog.note(0, 10 * SECOND)
    backlog.note(1, 12 * SECOND)

    assert backlog.look({}, 15).behind_seconds == 5
    assert backlog.look({0: 11 * SECOND}, 15).behind_seconds == 3
    assert backlog.look({0: 11 * SECOND, 1: 12 * SECOND}, 15).behind_seconds == 0
    assert backlog.empty


def test_a_backlog_that_grows_half_a_second_a_second_is_applied_at_half_speed() -> None:
    backlog = Backlog()
    for tenth in range(100):
        backlog.note(0, tenth * SECOND // 10)
    speeds = [backlog.look({0: int(now * SECOND / 2)}, now) for now in (6.0, 7.0, 8.0)]

    assert 0.4 < speeds[-1].speed < 0.6
    assert speeds[-1].moves


def test_processors_that_apply_nothing_for_two_seconds_do_not_move() -> None:
    backlog = Backlog()
    for tenth in range(100):
        backlog.note(0, tenth * SECOND // 10)
    findings = [backlog.look({0: SECOND}, now) for now in (5.0, 6.0, 7.0, 8.0)]

    assert [finding.moves for finding in findings] == [True, True, True, False]


def test_nothing_waiting_is_no_standstill() -> None:
    assert Backlog().look({}, 5).moves


@given(times=st.lists(st.integers(0, 10**9), max_size=200))
def test_whatever_the_order_of_times_all_is_applied_in_the_end(times: list[int]) -> None:
    backlog = Backlog()
    for at in times:
        backlog.note(at % 3, at)
    backlog.look(dict.fromkeys(range(3), 10**9), 2000)

    assert backlog.empty


def test_a_long_outage_costs_bounded_memory_and_is_not_forgotten() -> None:
    backlog = Backlog()
    for at in range(0, 3600 * SECOND, 100_000):
        backlog.note(0, at)

    assert backlog.look({}, 3600).behind_seconds == 3600
