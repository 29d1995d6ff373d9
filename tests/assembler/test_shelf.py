"""A shelf lets go of what was used longest ago, and only of what Postgres has."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from tailrace.assembler.shelf import Shelf


@dataclass
class Thing:
    size: int
    last_origin: int


def make_shelf(**things: Thing) -> Shelf[str, Thing]:
    shelf: Shelf[str, Thing] = Shelf(lambda thing: thing.size)
    for key, thing in things.items():
        shelf.keep(key, thing)
    return shelf


def test_the_least_recently_kept_goes_first_until_the_target_holds() -> None:
    shelf = make_shelf(a=Thing(10, 1), b=Thing(10, 1), c=Thing(10, 1))
    shelf.keep("a", Thing(10, 1))

    assert shelf.evict(1, 15) == ["b", "c"]
    assert ("a" in shelf, shelf.bytes, len(shelf)) == (True, 10, 1)


def test_what_is_not_applied_yet_stays_whatever_the_target() -> None:
    shelf = make_shelf(a=Thing(10, 5), b=Thing(10, 4), c=Thing(10, 6))

    assert shelf.evict(4, 0) == ["b"]
    assert shelf.bytes == 20


def test_what_was_loaded_and_never_changed_may_go_at_once() -> None:
    assert make_shelf(a=Thing(10, -1)).evict(-1, 0) == ["a"]


def test_nothing_goes_while_the_target_holds() -> None:
    assert make_shelf(a=Thing(10, 1)).evict(9, 10) == []


def test_a_value_that_grew_is_weighed_again() -> None:
    thing = Thing(10, 1)
    shelf = make_shelf(a=thing)
    thing.size = 25
    shelf.keep("a", thing)

    assert shelf.bytes == 25


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 9), st.integers(-1, 5), st.booleans()), max_size=40))
def test_the_bytes_are_always_the_sum_of_what_is_there(steps: list[tuple[str, int, int, bool]]) -> None:
    shelf = make_shelf()
    held: dict[str, Thing] = {}
    for key, size, origin, evicts in steps:
        if evicts:
            for gone in shelf.evict(origin, size):
                assert held.pop(gone).last_origin <= origin
        else:
            held[key] = Thing(size, origin)
            shelf.keep(key, held[key])

    assert shelf.bytes == sum(thing.size for thing in held.values())
    assert {key for key in "abcd" if key in shelf} == held.keys()
