"""When failures of our own are too many: a sender's odd record may be a dead letter, a broken release must not empty the topic.

The budget is one partition's. What it counts is what became of the partition's last records, so it is as durable as they are: whoever
owns the partition next reads it back from Postgres, and a restart gives nobody a new budget.
"""

from collections.abc import Iterable, Mapping
from typing import Final

WINDOW_RECORDS: Final = 1_000
MOST_FAILURES: Final = 20
LEAST_PROJECTS: Final = 2
RUN_RECORDS: Final = 2 * MOST_FAILURES


class TooManyFailuresError(Exception):
    """So many unexpected failures that the fault is ours: the partition must stand still until a person looks. The text is the reason."""


class SuspiciousRunError(TooManyFailuresError):
    """Nearly all of the last records failed, the one at `origin` too: an odd sender's fault, or ours.

    `others_are_fine`: events of another project were applied lately, which speaks for us; a record that was used before and is tried
    again says more.
    """

    def __init__(self, reason: str, origin: int, *, others_are_fine: bool) -> None:
        super().__init__(reason)
        self.origin = origin
        self.others_are_fine = others_are_fine


class FailureBudget:
    """Unexpected failures among the last records of a partition. Too many are

    - more than 20 of the last 1,000 records, of 2 projects or more: no sender is at fault for another;
    - more than 20 of the last 40 records, whoever sent them: here one sender may be odd, or we are broken.

    `failed`: (origin, project) of failures before. `fine`: by project, the last record of which something was applied.
    """

    def __init__(self, failed: Iterable[tuple[int, str]] = (), fine: Mapping[str, int] | None = None) -> None:
        self._failed = dict(failed)
        self._fine = dict(fine or {})
        self._acquitted = -1

    def note_fine(self, project_id: str, origin: int) -> None:
        """Something of the record at `origin` could be used."""
        self._fine[project_id] = origin
        if len(self._fine) > 2 * WINDOW_RECORDS:
            self._fine = {project: last for project, last in self._fine.items() if _is_within(last, origin)}

    def acquit(self, origin: int) -> None:
        """Failures up to `origin` are known to be their senders': they raise no suspicion any more."""
        self._acquitted = max(self._acquitted, origin)

    def spend(self, project_id: str, origin: int) -> None:
        """The record at `origin` failed unexpectedly; the same one again is no other failure.

        Raises TooManyFailuresError, SuspiciousRunError.
        """
        self._failed[origin] = project_id
        recent = {at: project for at, project in self._failed.items() if _is_within(at, origin)}
        self._failed = recent
        projects = set(recent.values())
        if len(recent) > MOST_FAILURES and len(projects) >= LEAST_PROJECTS:
            raise TooManyFailuresError(
                f"{len(recent)} of the last {WINDOW_RECORDS} records, of {len(projects)} projects, failed unexpectedly"
            )
        run = sum(_is_within(at, origin, RUN_RECORDS) for at in recent if at > self._acquitted)
        if run > MOST_FAILURES:
            raise SuspiciousRunError(
                f"{run} of the last {RUN_RECORDS} records failed unexpectedly",
                origin,
                others_are_fine=self._others_are_fine(projects, origin),
            )

    def _others_are_fine(self, failing: set[str], origin: int) -> bool:
        return any(_is_within(last, origin) for project, last in self._fine.items() if project not in failing)


def _is_within(at: int, origin: int, records: int = WINDOW_RECORDS) -> bool:
    return origin - records < at <= origin
