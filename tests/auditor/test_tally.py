"""Records that are read and not yet counted for good: counted by range, forgotten from both ends."""

from tailrace.auditor.tally import Tally
from tailrace.core.model import ProjectId


def make_tally(*records: tuple[str, int], first: int = 0) -> Tally:
    tally = Tally()
    tally.start_at(first)
    for project, events in records:
        tally.add(ProjectId(project), events)
    return tally


def test_events_are_counted_by_project_in_any_range() -> None:
    tally = make_tally(("a", 1), ("b", 2), ("a", 4), ("c", 8), first=10)

    assert (tally.first, tally.next, len(tally)) == (10, 14, 4)
    assert tally.count(10, 14) == {"a": 5, "b": 2, "c": 8}
    assert tally.count(11, 13) == {"b": 2, "a": 4}
    assert tally.count(-5, 11) == {"a": 1}
    assert tally.count(14, 99) == {}
    assert tally.count(10, 14, where=lambda offset: offset == 13) == {"c": 8}


def test_what_is_counted_for_good_is_forgotten() -> None:
    tally = make_tally(("a", 1), ("b", 2), ("a", 4))

    tally.start_at(2)
    assert (tally.first, tally.count(0, 9)) == (2, {"a": 4})
    tally.start_at(3)
    tally.add(ProjectId("d"), 5)

    assert tally.count(0, 9) == {"d": 5}


def test_a_start_elsewhere_begins_anew() -> None:
    for first in (0, 7, 40):
        tally = make_tally(("a", 1), ("b", 2), first=10)
        tally.start_at(first)
        assert (tally.first, tally.next, tally.count(0, 99)) == (first, first, {})


def test_the_end_can_be_cut_off_to_be_read_again() -> None:
    tally = make_tally(("a", 1), ("b", 2), ("a", 4), first=10)

    tally.cut_from(11)
    assert (tally.next, tally.count(0, 99)) == (11, {"a": 1})
    tally.cut_from(3)
    assert (tally.first, tally.next) == (10, 10)


def test_zero_events_are_a_record_all_the_same() -> None:
    tally = make_tally(("a", 0), ("a", 3))

    assert tally.next == 2
    assert tally.count(0, 1) == {"a": 0}
