"""When failures of our own are too many: a sender's odd record may be a dead letter, a broken release must not empty the topic."""

from collections.abc import Hashable
from typing import Final

WINDOW_RECORDS: Final = 1_000
MOST_FAILURES: Final = 20
LEAST_PROJECTS: Final = 2


class TooManyFailuresError(Exception):
    """Unexpected failures across several projects: stop, and let a person look."""


class FailureBudget:
    """Counts unexpected failures among the last 1,000 records. More than 20, of 2 projects or more, are too many."""

    def __init__(self) -> None:
        self._failed: dict[Hashable, tuple[int, str]] = {}
        self._records = 0

    def note_record(self) -> None:
        """A record came by."""
        self._records += 1

    def spend(self, project_id: str, record: Hashable) -> None:
        """A record of this project failed unexpectedly; the same one again is no other failure. Raises TooManyFailuresError."""
        self._failed.setdefault(record, (self._records, project_id))
        recent = {key: failed for key, failed in self._failed.items() if failed[0] >= self._records - WINDOW_RECORDS}
        self._failed = recent
        projects = {project for _, project in recent.values()}
        if len(recent) > MOST_FAILURES and len(projects) >= LEAST_PROJECTS:
            raise TooManyFailuresError(
                f"{len(recent)} unexpected failures in {WINDOW_RECORDS} records of {len(projects)} projects"
            )
