"""What an operator's words mean for the records of a log."""

import pytest

from tailrace.runtime.conservation import Loss, is_given_up, replaced_logs

SAME_LOG = Loss(1, 0, before=4, after=7)
OTHER_LOG = Loss(2, 0, before=7, after=9, in_other_log=True)
FROM_ITS_BEGINNING = Loss(3, 0, before=9, after=-1)
LATER = Loss(4, 0, before=2, after=3)
ELSEWHERE = Loss(5, 1, before=-1, after=100)


@pytest.mark.parametrize(
    ("losses", "given_up"),
    [
        ([], []),
        ([SAME_LOG], [5, 6, 7]),
        ([SAME_LOG, OTHER_LOG], list(range(10))),
        ([SAME_LOG, OTHER_LOG, FROM_ITS_BEGINNING], []),
        ([OTHER_LOG, FROM_ITS_BEGINNING, LATER], [3]),
        ([SAME_LOG, ELSEWHERE], [5, 6, 7]),
    ],
)
def test_what_was_passed_over_in_the_log_that_there_is_now_is_given_up(losses: list[Loss], given_up: list[int]) -> None:
    assert [offset for offset in range(20) if is_given_up(losses, 0, offset)] == given_up


def test_a_log_is_another_if_the_operator_was_told_so_or_it_begins_again() -> None:
    assert replaced_logs([SAME_LOG, ELSEWHERE]) == set()
    assert replaced_logs([OTHER_LOG, Loss(9, 3, before=5, after=1)]) == {0, 3}
