"""A sender's odd record is a dead letter; a burst of failures that no one sender can be at fault for makes the partition stand still."""

import pytest

from tailrace.runtime.failures import (
    MOST_FAILURES,
    RUN_RECORDS,
    WINDOW_RECORDS,
    FailureBudget,
    SuspiciousRunError,
    TooManyFailuresError,
)


def spend_run(budget: FailureBudget, length: int, *projects: str, first: int = 0) -> None:
    for number in range(length):
        budget.spend(projects[number % len(projects)], first + number)


def test_a_run_of_failures_of_one_project_is_suspicious_and_who_else_was_applied_is_told() -> None:
    for fine, told in (({}, False), ({"other": 0}, True), ({"p": 0}, False)):
        budget = FailureBudget(fine=fine)
        spend_run(budget, MOST_FAILURES, "p", first=1)
        with pytest.raises(SuspiciousRunError, match="21 of the last 40 records failed unexpectedly") as suspicious:
            budget.spend("p", 1 + MOST_FAILURES)

        assert (suspicious.value.origin, suspicious.value.others_are_fine) == (1 + MOST_FAILURES, told)


def test_failures_that_are_known_to_be_their_senders_raise_no_suspicion_again() -> None:
    failed = [(number, "p") for number in range(100)]
    acquitted, suspected = FailureBudget(failed), FailureBudget(failed)
    acquitted.acquit(99)
    suspected.acquit(98)
    spend_run(acquitted, MOST_FAILURES, "p", first=100)

    with pytest.raises(SuspiciousRunError):
        spend_run(suspected, MOST_FAILURES, "p", first=100)


def test_odd_records_among_the_good_ones_of_the_only_project_stop_nothing() -> None:
    budget = FailureBudget()
    for number in range(10 * WINDOW_RECORDS):
        if number % 2:
            budget.note_fine("p", number)
        else:
            budget.spend("p", number)


def test_who_was_applied_long_ago_speaks_for_nobody_now() -> None:
    budget = FailureBudget(fine={"other": 0})
    spend_run(budget, MOST_FAILURES, "p", first=WINDOW_RECORDS)

    with pytest.raises(SuspiciousRunError) as suspicious:
        budget.spend("p", WINDOW_RECORDS + MOST_FAILURES)

    assert not suspicious.value.others_are_fine


def test_as_many_failures_of_several_projects_as_are_allowed_stop_nothing() -> None:
    spend_run(FailureBudget(), MOST_FAILURES, "p", "q", "r")


def test_one_more_of_several_projects_is_too_much_whoever_else_is_applied() -> None:
    budget = FailureBudget(fine={"other": 0})
    spend_run(budget, MOST_FAILURES, "p", "q")

    with pytest.raises(TooManyFailuresError, match="21 of the last 1000 records, of 2 projects, failed unexpectedly"):
        budget.spend("p", MOST_FAILURES)


def test_the_same_record_over_and_over_is_one_failure() -> None:
    budget = FailureBudget()
    for _ in range(10 * MOST_FAILURES):
        budget.spend("p", 1)
        budget.spend("q", 2)


def test_failures_that_are_long_past_are_forgiven() -> None:
    budget = FailureBudget()
    for number in range(10 * MOST_FAILURES):
        budget.spend(f"p{number % 2}", number * (WINDOW_RECORDS // MOST_FAILURES))


def test_a_budget_that_is_read_back_goes_on_where_the_last_one_ended() -> None:
    budget = FailureBudget([(number, f"p{number % 2}") for number in range(MOST_FAILURES)], {})

    with pytest.raises(TooManyFailuresError):
        budget.spend("p0", MOST_FAILURES)


def test_what_an_old_log_knew_behind_this_place_counts_for_nothing() -> None:
    budget = FailureBudget([(number, f"p{number % 2}") for number in range(5000, 5100)], {"other": 9000})
    spend_run(budget, MOST_FAILURES, "p")
    with pytest.raises(TooManyFailuresError):
        budget.spend("p", MOST_FAILURES)


def test_projects_that_were_fine_long_ago_take_no_memory() -> None:
    budget = FailureBudget()
    for number in range(10 * WINDOW_RECORDS):
        budget.note_fine(f"p{number}", number)

    assert len(budget._fine) <= 2 * WINDOW_RECORDS  # pyright: ignore[reportPrivateUsage]
    assert RUN_RECORDS < WINDOW_RECORDS
