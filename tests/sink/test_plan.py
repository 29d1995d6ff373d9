"""The plan of a batch: what is applied, what is skipped, where to read on."""

from itertools import pairwise
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.sink.plan import Delivered, Plan, Stored, plan_batch
from tailrace.wire.records import AssembledRecord
from tests.sink.records import RIVAL, deliver, make_record, make_stored


def applied_in(plan: Plan) -> list[int]:
    return [whole.origin for whole in plan.apply]


def test_records_that_follow_what_is_applied_are_applied_in_order() -> None:
    plan = plan_batch(make_stored(4), deliver(make_record(5), make_record(6), make_record(7), first=20))

    assert applied_in(plan) == [5, 6, 7]
    assert (plan.last and plan.last.origin, plan.position, plan.gap, plan.carry, plan.skipped) == (7, 23, False, [], [])


@pytest.mark.parametrize(
    "record",
    [
        make_record(5, epoch=6),
        make_record(5, epoch=8),
        make_record(5, owner=RIVAL),
        make_record(9, epoch=6),
    ],
    ids=["older", "newer", "same number of another owner", "older behind a gap"],
)
def test_a_record_of_another_epoch_or_owner_is_skipped_and_is_no_gap(record: AssembledRecord) -> None:
    plan = plan_batch(make_stored(4), deliver(record, make_record(5)))

    assert applied_in(plan) == [5]
    assert (plan.skipped, plan.gap, plan.position) == (["old_owner"], False, 2)


def test_nothing_is_applied_while_the_partition_has_no_owner() -> None:
    plan = plan_batch(make_stored(4, owner=None), deliver(make_record(5)))

    assert (applied_in(plan), plan.skipped, plan.position) == ([], ["old_owner"], 1)


def test_a_record_that_is_applied_already_is_skipped() -> None:
    plan = plan_batch(make_stored(5), deliver(make_record(4), make_record(5), make_record(6)))

    assert applied_in(plan) == [6]
    assert plan.skipped == ["already_applied", "already_applied"]


def test_a_record_that_comes_twice_is_applied_once() -> None:
    plan = plan_batch(make_stored(4), deliver(make_record(5), make_record(5), make_record(6)))

    assert (applied_in(plan), plan.skipped, plan.gap) == ([5, 6], ["already_applied"], False)


def test_behind_a_gap_nothing_is_applied_and_the_owner_must_start_over() -> None:
    plan = plan_batch(make_stored(4), deliver(make_record(5), make_record(7), make_record(8), make_record(6)))

    assert applied_in(plan) == [5]
    assert (plan.gap, plan.skipped, plan.position) == (True, ["gap", "gap", "gap"], 4)


def test_an_origin_that_follows_another_than_the_applied_one_is_a_gap() -> None:
    """Offsets of the raw log need not be without holes: `previous` counts, not the number before."""
    assert applied_in(plan_batch(make_stored(4), deliver(make_record(9, previous=4)))) == [9]
    assert plan_batch(make_stored(4), deliver(make_record(5, previous=3))).gap


def test_what_cannot_be_read_is_a_gap() -> None:
    plan = plan_batch(make_stored(4), deliver(make_record(5), None, make_record(6)))

    assert (applied_in(plan), plan.gap, plan.skipped, plan.position) == ([5], True, ["unreadable", "gap"], 3)


def test_chunks_are_applied_together_once_the_last_one_is_there() -> None:
    chunks = [make_record(5, chunk=number, chunks=3) for number in range(3)]
    plan = plan_batch(make_stored(4), deliver(*chunks, make_record(6), first=10))

    assert [len(whole.chunks) for whole in plan.apply] == [3, 1]
    assert [whole.end for whole in plan.apply] == [13, 14]


def test_chunks_without_their_rest_are_carried_and_the_position_stays_before_them() -> None:
    first = deliver(make_record(5), make_record(6, chunk=0, chunks=3), make_record(6, chunk=1, chunks=3), first=10)
    plan = plan_batch(make_stored(4), first)
    assert applied_in(plan) == [5]
    assert (plan.position, plan.carry) == (11, first[1:])

    then = plan_batch(make_stored(5, position=11), [*plan.carry, *deliver(make_record(6, chunk=2, chunks=3), first=13)])
    assert (applied_in(then), then.position, then.carry) == ([6], 14, [])


def test_chunks_of_an_owner_that_died_between_them_are_skipped_and_its_heirs_are_applied() -> None:
    half = make_record(5, chunk=0, chunks=2)
    heirs = [make_record(5, chunk=number, chunks=2, epoch=8, owner=RIVAL) for number in range(2)]
    plan = plan_batch(make_stored(4, epoch=8, owner=RIVAL), deliver(half, *heirs))

    assert (applied_in(plan), plan.skipped, plan.gap) == ([5], ["old_owner"], False)
    assert {chunk.epoch for chunk in plan.apply[0].chunks} == {8}


def test_a_zombies_record_between_the_chunks_of_the_owner_divides_nothing() -> None:
    plan = plan_batch(
        make_stored(4),
        deliver(make_record(5, chunk=0, chunks=2), make_record(5, epoch=6), make_record(5, chunk=1, chunks=2)),
    )

    assert (applied_in(plan), plan.gap) == ([5], False)


def test_a_first_chunk_that_comes_twice_starts_anew() -> None:
    chunks = [make_record(5, chunk=number, chunks=2) for number in (0, 0, 1)]
    plan = plan_batch(make_stored(4), deliver(*chunks))

    assert (applied_in(plan), [len(whole.chunks) for whole in plan.apply], plan.gap) == ([5], [2], False)


@pytest.mark.parametrize("missing", range(3))
def test_a_record_with_a_lost_chunk_is_a_gap(missing: int) -> None:
    chunks = [make_record(5, chunk=number, chunks=3) for number in range(3) if number != missing]
    plan = plan_batch(make_stored(4), deliver(*chunks, make_record(6)))

    assert (applied_in(plan), plan.gap, plan.carry, plan.position) == ([], True, [], 3)


class Log(NamedTuple):
    """What two owners after each other left on the assembled topic, with losses and repetitions."""

    records: list[AssembledRecord | None]


@st.composite
def logs(draw: st.DrawFn) -> Log:
    """Chunks of records of two epochs, each epoch in order from some origin on, lost and repeated here and there, mixed."""
    one, other = (draw(_records_of(epoch)) for epoch in (7, 8))
    mixed: list[AssembledRecord | None] = []
    while one or other:
        source = one if one and (not other or draw(st.booleans())) else other
        record = source.pop(0)
        fate = draw(st.sampled_from(["arrives"] * 8 + ["is lost", "comes twice", "is unreadable"]))
        mixed += {"arrives": [record], "is lost": [], "comes twice": [record, record], "is unreadable": [None]}[fate]
    return Log(mixed)


@st.composite
def _records_of(draw: st.DrawFn, epoch: int) -> list[AssembledRecord]:
    records: list[AssembledRecord] = []
    for origin in range(draw(st.integers(0, 2)), draw(st.integers(2, 6))):
        chunks = draw(st.sampled_from([1, 1, 2, 3]))
        records += [make_record(origin, chunk=number, chunks=chunks, epoch=epoch) for number in range(chunks)]
    return records


def _run(log: Log, batch_sizes: list[int]) -> tuple[list[int], list[int], Stored]:
    """Feed the log batch by batch, as the sink does; returns what is applied, the positions on the way and the last row."""
    stored, carry = make_stored(-1), list[Delivered]()
    applied: list[int] = []
    positions: list[int] = []
    at = 0
    sizes = iter(batch_sizes)
    while at < len(log.records):
        size = next(sizes, len(log.records))
        batch = [*carry, *deliver(*log.records[at : at + size], first=at)]
        at += size
        plan = plan_batch(stored, batch)
        applied += applied_in(plan)
        positions.append(plan.position)
        carry = plan.carry
        stored = Stored(
            stored.epoch + plan.gap,
            stored.owner,
            stored.applied_origin if plan.last is None else plan.last.origin,
            plan.position,
        )
    return applied, positions, stored


@given(logs(), st.lists(st.integers(1, 5), max_size=20))
def test_origins_are_applied_in_order_each_once_however_the_topic_is_cut_into_batches(
    log: Log, batch_sizes: list[int]
) -> None:
    applied, positions, stored = _run(log, batch_sizes)

    assert applied == list(range(len(applied)))
    assert all(before <= after for before, after in pairwise(positions))
    assert stored.applied_origin == len(applied) - 1
    whole = plan_batch(make_stored(-1), deliver(*log.records)) if log.records else None
    # After a gap the sink fences the owner at the end of its batch, so where the batch ends decides what is still skipped, and sent again.
    if whole is not None and not whole.gap:
        assert applied_in(whole) == applied
