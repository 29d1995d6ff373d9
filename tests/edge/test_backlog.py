"""How far behind the processors are, whether that grows, and how much they apply, from accepted and applied times."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.edge.backlog import Applied, Backlog, Finding

SECOND = 1_000_000


def filled(partitions: int = 1, seconds: int = 60) -> Backlog:
    """A record of one event in each tenth of so many seconds, in each partition."""
    backlog = Backlog()
    for tenth in range(seconds * 10):
        for partition in range(partitions):
            backlog.note(partition, tenth * SECOND // 10, 1)
    return backlog


def look(backlog: Backlog, *applied: tuple[float, float]) -> list[Finding]:
    """What is found in partition 0 at these times, up to these seconds being applied."""
    return [backlog.look({0: Applied(int(until * SECOND))}, now) for now, until in applied]


def test_it_is_as_far_behind_as_what_was_applied_last_is_old() -> None:
    backlog = Backlog()
    for partition, second in ((0, 10), (0, 11), (1, 12)):
        backlog.note(partition, second * SECOND, 1)

    assert backlog.look({0: Applied(10 * SECOND)}, 15)[:2] == (5, 0)
    assert backlog.look({0: Applied(10 * SECOND)}, 15).oldest_seconds == 4
    assert backlog.look({0: Applied(11 * SECOND), 1: Applied(12 * SECOND)}, 15).oldest_seconds == 0
    assert backlog.empty


def test_how_long_ago_it_was_applied_is_not_counted_as_behind() -> None:
    backlog = filled()

    assert backlog.look({0: Applied(5 * SECOND, 0.2)}, 5.5).behind_seconds == pytest.approx(0.3)


def test_a_backlog_that_grows_at_each_moment_rises() -> None:
    findings = look(filled(), (6, 3), (7, 3.5), (8, 4))

    assert [finding.rising_seconds for finding in findings] == [0, 0, 4]


def test_a_backlog_that_is_worked_off_does_not_rise() -> None:
    findings = look(filled(), (60, 50), (61, 52), (62, 54))

    assert findings[-1].behind_seconds == 8
    assert findings[-1].rising_seconds == 0


def test_an_outage_is_a_standstill_after_a_while() -> None:
    backlog = filled()
    look(backlog, (5, 4.7), (6, 5.7))
    during = look(backlog, (7, 5.7), (20, 5.7), (22, 5.7))

    assert max(finding.behind_seconds for finding in during) < 1
    assert [finding.moves for finding in during] == [True, True, False]
    assert during[-1].oldest_seconds > 6


@pytest.mark.parametrize("standstill", [3, 10, 30])
def test_after_a_standstill_nothing_rises(standstill: float) -> None:
    backlog = filled()
    look(backlog, (4.7, 4.6), (5, 4.9))
    after = look(backlog, *((5 + standstill + step / 4, min(5 + standstill, 5 + step)) for step in range(1, 20)))

    assert [finding.rising_seconds for finding in after[2:]] == [0] * 17


def test_a_partition_that_nothing_comes_to_any_more_is_not_behind() -> None:
    backlog = filled()
    findings = look(backlog, (6, 5), (7, 5.9), (8, 6.5), (9.9, 6.5), (10, 6.5))

    assert [finding.behind_seconds for finding in findings] == pytest.approx([1, 1.1, 1.5, 1.5, 0])
    assert findings[-1].rising_seconds == 0
    assert findings[-1].moves


def test_a_partition_that_stands_still_is_left_out_while_others_move() -> None:
    backlog = filled(partitions=2)
    findings = [
        backlog.look({0: Applied(0), 1: Applied(int((now - 0.2) * SECOND))}, now) for now in (10.0, 20.0, 30.0, 40.0)
    ]

    assert findings[-1].moves
    assert findings[-1].behind_seconds < 1
    assert findings[-1].oldest_seconds > 30


def test_what_was_taken_and_applied_is_counted_in_work_a_second() -> None:
    backlog = Backlog()
    for tenth in range(100):
        now = tenth / 10
        backlog.note(tenth % 3, int(now * SECOND), 20)
        backlog.look(dict.fromkeys(range(3), Applied(int(now * SECOND / 2))), now)
    finding = backlog.look({}, 9.9)

    assert finding.taken == pytest.approx(200, rel=0.1)
    assert finding.applied == pytest.approx(100, rel=0.2)


def test_nothing_waiting_is_no_standstill() -> None:
    assert Backlog().look({}, 5).moves


@given(times=st.lists(st.integers(0, 10**9), max_size=200), nows=st.lists(st.floats(0, 1e9), max_size=10))
def test_whatever_the_order_of_times_and_however_the_clock_jumps_all_is_applied_in_the_end(
    times: list[int], nows: list[float]
) -> None:
    backlog = Backlog()
    for at in times:
        backlog.note(at % 3, at, 1)
    for now in nows:
        assert backlog.look({}, now).behind_seconds == 0
    finding = backlog.look(dict.fromkeys(range(3), Applied(10**9)), 2000)

    assert backlog.empty
    assert finding.applied * 2 == pytest.approx(len(times))


def test_a_long_outage_costs_bounded_memory_and_is_not_forgotten() -> None:
    backlog = Backlog()
    for at in range(0, 3600 * SECOND, 100_000):
        backlog.note(0, at, 1)

    assert backlog.look({}, 3600).oldest_seconds == 3600
    assert backlog.look({0: Applied(3600 * SECOND)}, 3600).applied == 36_000 / 2
