"""The law of conservation, in one place: what the raw log says of a project's events, held against what Postgres counted. Pure.

In each partition, up to the applied origin: accepted = applied + dead-lettered, and accepted is what the log's headers say, less what an
operator gave up. What lies beyond the applied origin is in flight and breaks nothing.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Count(NamedTuple):
    """What Postgres counted of a project's events in one partition."""

    accepted: int
    applied: int
    dead_lettered: int


NO_COUNT = Count(0, 0, 0)


class Account(NamedTuple):
    """A project's events in one partition up to the applied origin. `logged`: by the log; at least so many where it is not `whole`."""

    project: str
    partition: int
    logged: int
    whole: bool
    counted: Count

    def broken_events(self) -> int:
        """How many events the identity is off by; 0 when it holds."""
        accepted, done = self.counted.accepted, self.counted.applied + self.counted.dead_lettered
        comparable = self.whole or self.logged > accepted
        return max(
            abs(accepted - done), *((abs(self.logged - accepted), abs(self.logged - done)) if comparable else (0,))
        )

    def breaches(self) -> list[str]:
        """A sentence for each way in which the identity is broken."""
        place, count, sentences = f"project {self.project}, partition {self.partition}", self.counted, list[str]()
        if count.accepted != count.applied + count.dead_lettered:
            sentences.append(
                f"{place}: {count.accepted} events were accepted, but {count.applied} applied and {count.dead_lettered} dead-lettered"
            )
        if self.logged > count.accepted or (self.whole and self.logged != count.accepted):
            sentences.append(
                f"{place}: the log holds {self.logged} events up to the applied origin, Postgres counted {count.accepted}"
            )
        return sentences


class Loss(NamedTuple):
    """An operator's recorded word: the partition went on `after` an origin, where before it stood at another, maybe of another log."""

    id: int
    partition: int
    before: int
    after: int
    in_other_log: bool = False

    @property
    def replaces_log(self) -> bool:
        """The log is not the one that was counted before."""
        return self.in_other_log or self.after < self.before


def is_given_up(losses: Sequence[Loss], partition: int, offset: int) -> bool:
    """Whether an operator went past this record without applying it. `losses`: the oldest first; those of an older log say nothing."""
    for one in reversed(losses):
        if one.partition != partition:
            continue
        if (one.replaces_log or one.before < offset) and offset <= one.after:
            return True
        if one.replaces_log:
            return False
    return False


def replaced_logs(losses: Iterable[Loss]) -> set[int]:
    """Partitions whose log is not the one that was counted first."""
    return {one.partition for one in losses if one.replaces_log}


def why_not_comparable(partition: int, applied: int, first: int, end: int) -> str | None:
    """Why the log, of the offsets [first, end), cannot be the one that was applied up to `applied`; None when it can."""
    if end <= applied:
        return f"partition {partition}: {applied} is applied, but the log ends at {end}"
    if first - 1 > applied:
        return f"partition {partition}: only {applied} is applied, but the log begins at {first}"
    return None
