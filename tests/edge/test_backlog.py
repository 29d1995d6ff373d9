"""How far behind the processors are, and how fast they go, from accepted and applied times."""

from hypothesis import given
from hypothesis import strategies as st

from tailrace.edge.backlog import Backlog

SECOND = 1_000_000


def filled(partitions: int = 1, seconds: int = 60) -> Backlog:
    """A record in each tenth of so many seconds, in each partition."""
    backlog = Backlog()
    for tenth in range(seconds * 10):
        for partition in range(partitions):
            backlog.note(partition, tenth * SECOND // 10)
    return backlog


def test_it_is_as_far_behind_as_its_oldest_record_that_is_not_applied() -> None:
    backlog = Backlog()
    for partition, second in ((0, 10), (0, 11), (1, 12)):
        backlog.note(partition, second * SECOND)

    assert backlog.look({0: 10 * SECOND}, 15).behind_seconds == 4
    assert backlog.look({0: 10 * SECOND}, 15).oldest_seconds == 4
    assert backlog.look({0: 11 * SECOND, 1: 12 * SECOND}, 15).behind_seconds == 0
    assert backlog.empty


def test_a_backlog_that_grows_half_a_second_a_second_is_applied_at_half_speed() -> None:
    backlog = filled()
    findings = [backlog.look({0: int(now * SECOND / 2)}, now) for now in (6.0, 7.0, 8.0)]

    assert 0.4 < findings[-1].speed < 0.6
    assert findings[-1].behind_seconds > 3


def test_a_backlog_that_is_worked_off_is_applied_faster_than_it_came() -> None:
    backlog = filled()
    findings = [backlog.look({0: int((now * 2 - 70) * SECOND)}, now) for now in (60.0, 61.0, 62.0)]

    assert findings[-1].speed > 1


def test_an_outage_says_nothing_of_the_speed_and_is_a_standstill_after_a_while() -> None:
    backlog = filled()
    before = [backlog.look({0: int((now - 0.3) * SECOND)}, now) for now in (5.0, 6.0)]
    during = [backlog.look({0: int(5.7 * SECOND)}, now) for now in (7.0, 9.0, 12.0)]

    assert max(finding.behind_seconds for finding in (*before, *during)) < 1
    assert [finding.moves for finding in during] == [True, True, False]
    assert during[-1].oldest_seconds > 6


def test_the_first_moments_after_an_outage_are_not_held_against_anybody() -> None:
    backlog = filled()
    backlog.look({0: 2 * SECOND}, 2.3)
    after = [backlog.look({0: int(applied * SECOND)}, now) for now, applied in ((20.0, 3), (20.3, 6), (20.6, 9))]

    assert all(finding.speed > 1 for finding in after)


def test_a_partition_that_stands_still_is_left_out_while_others_move() -> None:
    backlog = filled(partitions=2)
    findings = [backlog.look({0: 0, 1: int((now - 0.2) * SECOND)}, now) for now in (10.0, 20.0, 30.0, 40.0)]

    assert findings[-1].moves
    assert findings[-1].behind_seconds < 1
    assert findings[-1].oldest_seconds > 30


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

    assert backlog.look({}, 3600).oldest_seconds == 3600
