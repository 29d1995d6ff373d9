"""Room that projects share: nobody takes it all, and who refuses to fit hears whose fault it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.edge.answers import Refusal
from tailrace.edge.room import Room


def make_room(limit: int = 1200) -> Room:
    return Room(limit, "bytes", "share_of_bytes", lambda _: None)


def fill(room: Room, project: str, size: int = 10) -> int:
    """Take as much as there is to have; how much that was."""
    taken = 0
    while True:
        try:
            room.reserve(project, size, held=0)
        except Refusal:
            return taken
        taken += size


@pytest.mark.parametrize("loud", [1, 2, 3, 5])
def test_loud_projects_leave_an_equal_part_of_the_room_to_who_comes_next(loud: int) -> None:
    room = make_room(limit=6000)
    taken, refused = [0] * loud, set[int]()
    for _ in range(600):
        for number in range(loud):
            try:
                room.reserve(f"loud-{number}", 10, held=0)
            except Refusal as refusal:
                refused.add(refusal.status)
            else:
                taken[number] += 10

    assert refused == {429}
    assert max(taken) <= 6000 / (loud + 1) + 10
    assert fill(room, "quiet") > 0


def test_a_project_at_its_share_hears_429_and_the_others_nothing() -> None:
    room = make_room()
    fill(room, "loud")

    with pytest.raises(Refusal) as caught:
        room.reserve("loud", 10, held=0)
    room.reserve("quiet", 500, held=0)

    assert (caught.value.status, caught.value.reason) == (429, "share_of_bytes")
    assert caught.value.headers["Retry-After"] == "2"


def test_a_project_for_whom_others_leave_no_room_hears_503() -> None:
    room = make_room()
    fill(room, "one")
    fill(room, "two")

    with pytest.raises(Refusal) as caught:
        room.reserve("three", 1000, held=0)

    assert (caught.value.status, caught.value.headers) == (503, {"Retry-After": "2"})


def test_who_is_alone_is_always_granted_however_much() -> None:
    room = make_room()
    room.reserve("shop", 5000, held=0)
    room.reserve("shop", 5000, held=5000)

    with pytest.raises(Refusal):
        room.reserve("till", 1, held=0)


@given(sizes=st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 700)), max_size=40))
def test_what_is_released_is_there_again(sizes: list[tuple[str, int]]) -> None:
    used = [0.0]
    room = Room(1200, "bytes", "share_of_bytes", used.append)
    granted: list[tuple[str, int]] = []
    for project, size in sizes:
        try:
            room.reserve(project, size, held=0)
            granted.append((project, size))
        except Refusal:
            pass
    assert max(used) <= 1200
    for project, size in granted:
        room.release(project, size)

    assert used[-1] == 0
    assert fill(room, "a") == 600


def test_room_is_shared_while_more_than_one_project_holds_something() -> None:
    room, seen = make_room(), list[bool]()
    for project in ("shop", "shop", "till"):
        room.reserve(project, 10, held=0)
        seen.append(room.shared)
    room.release("till", 10)

    assert [*seen, room.shared] == [False, False, True, False]
