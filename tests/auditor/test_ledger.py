"""The identity by hand-made snapshots: what a cycle decides for a partition, and what it finds."""

from collections.abc import Mapping

import pytest

from tailrace.auditor.ledger import (
    Audited,
    Bounds,
    Snapshot,
    Stored,
    accounts_of,
    count_given_up,
    count_lost,
    count_partition,
    plan_partition,
)
from tailrace.runtime.conservation import Account, Count, Loss
from tests.auditor.test_tally import make_tally


def make_snapshot(
    *,
    applied: int = 4,
    counted: int | None = 4,
    command_id: int = 0,
    losses: list[Loss] | None = None,
    counts: Mapping[str, Count] | None = None,
    audited: Mapping[str, int] | None = None,
) -> Snapshot:
    return Snapshot(
        applied={0: applied},
        counts={(project, 0): count for project, count in (counts or {}).items()},
        losses=losses or [],
        stored={} if counted is None else {0: Stored(counted, command_id, None)},
        audited={(project, 0): Audited(events, 0) for project, events in (audited or {}).items()},
    )


@pytest.mark.parametrize(
    ("snapshot", "bounds", "step", "reason"),
    [
        (make_snapshot(counted=None), Bounds(0, 9), "begin", ""),
        (make_snapshot(counted=None), Bounds(3, 9), "take_over", "no longer has its beginning"),
        (make_snapshot(counted=None, losses=[Loss(1, 0, 50, 2)]), Bounds(0, 9), "take_over", ""),
        (make_snapshot(), Bounds(0, 9), "read", ""),
        (make_snapshot(), Bounds(5, 5), "read", ""),
        (make_snapshot(counted=2), Bounds(3, 9), "read", ""),
        (make_snapshot(counted=2), Bounds(4, 9), "take_over", "the log forgot records from 3 on"),
        (make_snapshot(), Bounds(0, 4), "wait", "4 is applied, but the log ends at 4"),
        (make_snapshot(), Bounds(6, 9), "wait", "only 4 is applied, but the log begins at 6"),
        (make_snapshot(counted=6), Bounds(0, 9), "wait", "6 is counted, but only 4 is applied"),
        (make_snapshot(losses=[Loss(1, 0, 2, 4)]), Bounds(0, 9), "read", ""),
        (make_snapshot(losses=[Loss(1, 0, 7, 4)]), Bounds(0, 9), "take_over", "another log"),
        (make_snapshot(losses=[Loss(1, 0, 7, 4)], command_id=1), Bounds(0, 9), "read", ""),
        (make_snapshot(losses=[Loss(1, 1, 7, 4)]), Bounds(0, 9), "read", ""),
    ],
)
def test_what_a_cycle_does_follows_from_log_and_snapshot(
    snapshot: Snapshot, bounds: Bounds, step: str, reason: str
) -> None:
    plan = plan_partition(snapshot, 0, bounds, make_tally())

    assert plan.step == step
    assert reason in plan.reason


def test_a_log_that_is_shorter_than_what_was_read_is_waited_for() -> None:
    tally = make_tally(("a", 1), ("b", 2), ("a", 4), first=5)

    assert plan_partition(make_snapshot(), 0, Bounds(0, 8), tally).step == "read"
    plan = plan_partition(make_snapshot(), 0, Bounds(0, 6), tally)
    assert (plan.step, plan.reason) == ("wait", "partition 0: 8 records were read, but the log ends at 6")
    assert count_lost(4, Bounds(0, 6), tally) == {"b": 2, "a": 4}


def test_what_the_log_forgot_unapplied_is_lost_and_what_was_never_read_counts_once() -> None:
    tally = make_tally(("a", 3), ("b", 2), first=5)

    assert count_lost(4, Bounds(5, 99), tally) == {}
    assert count_lost(4, Bounds(6, 99), tally) == {"a": 3}
    assert count_lost(4, Bounds(10, 99), tally) == {"a": 3, "b": 2, "": 3}
    assert count_lost(9, Bounds(10, 99), tally) == {}


def test_the_log_is_counted_up_to_what_is_applied_and_no_further() -> None:
    tally = make_tally(("a", 1), ("b", 2), ("a", 4), ("c", 8), first=3)

    move = count_partition(make_snapshot(applied=5, counted=2), 0, tally)

    assert (move.before, move.after, move.verified) == (2, 5, True)
    assert (move.accepted, move.given_up) == ({"a": 5, "b": 2}, {})


def test_an_audit_that_has_not_read_that_far_judges_nothing_yet() -> None:
    move = count_partition(make_snapshot(applied=9, counted=2), 0, make_tally(("a", 1), first=3))

    assert (move.after, move.verified) == (3, False)


def test_what_an_operator_went_past_is_given_up() -> None:
    tally = make_tally(("a", 1), ("b", 2), ("a", 4), first=3)
    snapshot = make_snapshot(applied=5, counted=2, losses=[Loss(9, 0, 3, 4)])

    move = count_partition(snapshot, 0, tally)

    assert +move.accepted == {"a": 5}
    assert move.given_up == {"b": 2}


def test_what_was_on_its_way_when_the_log_was_replaced_is_given_up() -> None:
    tally = make_tally(("a", 1), ("b", 2), first=5)

    assert count_given_up(make_snapshot(applied=-1, losses=[Loss(9, 0, 5, -1)]), 0, tally) == {"b": 2}


@pytest.mark.parametrize(
    ("logged", "counted", "broken"),
    [
        (7, Count(7, 6, 1), 0),
        (0, Count(0, 0, 0), 0),
        (7, Count(0, 0, 0), 7),
        (7, Count(7, 14, 0), 7),
        (7, Count(6, 6, 0), 1),
        (7, Count(8, 8, 0), 1),
        (7, Count(7, 6, 0), 1),
        (7, Count(6, 7, 0), 1),
    ],
)
def test_an_identity_is_off_by_the_largest_of_its_differences(logged: int, counted: Count, broken: int) -> None:
    account = Account("shop", 3, logged, whole=True, counted=counted)

    assert account.broken_events() == broken
    assert bool(account.breaches()) == bool(broken)
    assert all(sentence.startswith("project shop, partition 3: ") for sentence in account.breaches())


def test_a_log_without_its_beginning_may_hold_less_and_never_more() -> None:
    assert Account("shop", 0, 3, whole=False, counted=Count(7, 7, 0)).broken_events() == 0
    assert Account("shop", 0, 9, whole=False, counted=Count(7, 7, 0)).broken_events() == 2


def test_every_project_that_either_side_knows_is_judged() -> None:
    snapshot = make_snapshot(
        applied=3, counted=2, counts={"a": Count(5, 5, 0), "b": Count(1, 1, 0)}, audited={"a": 5, "c": 2}
    )

    accounts = accounts_of(snapshot, [count_partition(snapshot, 0, make_tally(("d", 4), first=3))])

    assert {one.project: one.broken_events() for one in accounts} == {"a": 0, "b": 1, "c": 2, "d": 4}
