"""What one cycle of the event audit means for a partition: begin, take over, read on or wait; then what is counted and what is broken. Pure.

The log is counted up to exactly the origin that Postgres had applied at the snapshot, where both sides must agree to the last event.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Literal, NamedTuple

from tailrace.auditor.tally import Tally
from tailrace.runtime.conservation import NO_COUNT, Account, Count, Loss, is_given_up, why_not_comparable


class Stored(NamedTuple):
    """How far the audit has counted a partition. `command_id`: later commands of operators must be heeded."""

    counted_origin: int
    command_id: int
    verified_at: datetime | None


class Audited(NamedTuple):
    """What the audit has counted of a project in one partition."""

    accepted: int
    given_up: int


class Snapshot(NamedTuple):
    """What Postgres says at one moment; projects' figures are by project and partition."""

    applied: Mapping[int, int]
    counts: Mapping[tuple[str, int], Count]
    losses: list[Loss]
    stored: Mapping[int, Stored]
    audited: Mapping[tuple[str, int], Audited]

    def losses_of(self, partition: int) -> list[Loss]:
        """An operator's commands that came after what is counted."""
        stored = self.stored.get(partition)
        since = -1 if stored is None else stored.command_id
        return [one for one in self.losses if one.partition == partition and one.id > since]


class Bounds(NamedTuple):
    """The first offset that the log still has, and the one after the last."""

    first: int
    end: int


class Plan(NamedTuple):
    """`begin`: count from the log's first record. `take_over`: Postgres's counts are believed up to here. `read`: up to the log's end. `wait`: nothing fits."""

    step: Literal["begin", "take_over", "read", "wait"]
    reason: str = ""


class Move(NamedTuple):
    """What a cycle has counted in a partition: from the stored origin to `after`. `verified`: as far as Postgres had applied."""

    partition: int
    before: int
    after: int
    accepted: Counter[str]
    given_up: Counter[str]
    verified: bool


def plan_partition(snapshot: Snapshot, partition: int, bounds: Bounds, tally: Tally) -> Plan:
    """What to do; what the tally has and the stored count already includes is forgotten."""
    stored, applied = snapshot.stored.get(partition), snapshot.applied[partition]
    was_replaced = any(one.replaces_log for one in snapshot.losses_of(partition))
    if stored is None:
        known = bounds.first == 0 and not was_replaced
        return Plan("begin") if known else Plan("take_over", "the log no longer has its beginning")
    if was_replaced:
        return Plan("take_over", "an operator let the partition go on with another log")
    tally.start_at(stored.counted_origin + 1)
    reason = why_not_comparable(partition, applied, *bounds)
    if reason is None and stored.counted_origin > applied:
        reason = f"partition {partition}: {stored.counted_origin} is counted, but only {applied} is applied"
    if reason is None and tally.next > bounds.end:
        reason = f"partition {partition}: {tally.next} records were read, but the log ends at {bounds.end}"
    if reason is not None:
        return Plan("wait", reason)
    if tally.next < bounds.first:
        return Plan("take_over", f"the log forgot records from {tally.next} on before they were counted")
    return Plan("read")


def count_partition(snapshot: Snapshot, partition: int, tally: Tally) -> Move:
    """What the tally adds to the stored count, up to what is applied."""
    stored, applied = snapshot.stored[partition], snapshot.applied[partition]
    losses = snapshot.losses_of(partition)
    end = min(applied + 1, tally.next)
    given_up: Counter[str] = Counter()
    if losses:
        given_up = tally.count(tally.first, end, where=lambda offset: is_given_up(losses, partition, offset))
    accepted = tally.count(tally.first, end)
    accepted.subtract(given_up)
    return Move(
        partition, stored.counted_origin, max(stored.counted_origin, end - 1), accepted, given_up, tally.next > applied
    )


def accounts_of(snapshot: Snapshot, moves: Iterable[Move]) -> list[Account]:
    """Both sides of the identity for each project of each partition that is counted as far as it is applied."""
    judged = {move.partition: move.accepted for move in moves if move.verified}
    new = {(project, partition) for partition, accepted in judged.items() for project in accepted}
    nothing = Audited(0, 0)
    return [
        Account(
            project,
            partition,
            logged=snapshot.audited.get((project, partition), nothing).accepted + judged[partition][project],
            whole=True,
            counted=snapshot.counts.get((project, partition), NO_COUNT),
        )
        for project, partition in snapshot.counts.keys() | snapshot.audited.keys() | new
        if partition in judged
    ]


def count_given_up(snapshot: Snapshot, partition: int, tally: Tally) -> Counter[str]:
    """Events that were read, and that an operator's command since the stored count went past without applying them."""
    losses = snapshot.losses_of(partition)

    def was_left(offset: int) -> bool:
        return is_given_up(losses, partition, offset) or any(one.replaces_log and offset > one.before for one in losses)

    return tally.count(tally.first, tally.next, where=was_left)


def count_lost(applied: int, bounds: Bounds, tally: Tally) -> Counter[str]:
    """Events that were accepted and never applied, and that the log no longer holds; a record that was never read is one event of project ""."""
    lost = tally.count(applied + 1, bounds.first) + tally.count(max(applied + 1, bounds.end), tally.next)
    never_read = bounds.first - max(applied + 1, tally.next)
    if never_read > 0:
        lost[""] += never_read
    return lost
