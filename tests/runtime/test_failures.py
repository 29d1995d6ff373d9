"""A sender's odd record is a dead letter; a burst of our own failures across projects stops the process."""

import pytest

from tailrace.runtime.failures import MOST_FAILURES, WINDOW_RECORDS, FailureBudget, TooManyFailuresError


def spend(budget: FailureBudget, project: str, number: int) -> None:
    budget.note_record()
    budget.spend(project, (0, number))


def test_many_failures_of_one_project_stop_nothing() -> None:
    budget = FailureBudget()
    for number in range(10 * MOST_FAILURES):
        spend(budget, "p", number)


def test_as_many_failures_of_several_projects_as_are_allowed_stop_nothing() -> None:
    budget = FailureBudget()
    for number in range(MOST_FAILURES):
        spend(budget, f"p{number}", number)


def test_one_more_of_several_projects_stops() -> None:
    budget = FailureBudget()
    for number in range(MOST_FAILURES):
        spend(budget, f"p{number % 2}", number)

    with pytest.raises(TooManyFailuresError, match="21 unexpected failures in 1000 records of 2 projects"):
        spend(budget, "p0", MOST_FAILURES)


def test_the_same_record_over_and_over_is_one_failure() -> None:
    budget = FailureBudget()
    for _ in range(10 * MOST_FAILURES):
        spend(budget, "p0", 1)
        spend(budget, "p1", 2)


def test_failures_that_are_long_past_are_forgiven() -> None:
    budget = FailureBudget()
    for number in range(10 * MOST_FAILURES):
        spend(budget, f"p{number % 2}", number)
        for _ in range(WINDOW_RECORDS // MOST_FAILURES):
            budget.note_record()
