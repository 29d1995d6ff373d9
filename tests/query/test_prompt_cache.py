"""What is kept in memory of prompts: only while there is a lease, never what may have been read before a change, never more than the bound."""

from tailrace.query.prompt_cache import ENTRY_BYTES, Kept, PromptCache, Question


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def question(name: str = "greet", *, project: str = "p1") -> Question:
    return Question(project, name, None, "production", resolve=True)


def leased(*, max_bytes: int = 100_000) -> tuple[PromptCache, Clock]:
    """A cache with a lease of ten seconds."""
    clock = Clock()
    cache = PromptCache(max_bytes=max_bytes, clock=clock)
    cache.extend(110)
    return cache, clock


def test_what_was_kept_is_found_as_long_as_the_lease_lasts() -> None:
    cache, clock = leased()
    cache.keep(question(), Kept(b"{}"), changes=cache.changes)

    assert cache.find(question()) == Kept(b"{}")
    clock.now = 109.9
    assert cache.find(question()) == Kept(b"{}")
    clock.now = 110
    assert cache.find(question()) is None
    cache.extend(120)
    assert cache.find(question()) == Kept(b"{}")


def test_nothing_is_kept_without_a_lease() -> None:
    cache, clock = leased()
    clock.now = 111
    cache.keep(question(), Kept(b"{}"), changes=cache.changes)
    cache.extend(120)

    assert cache.find(question()) is None


def test_an_earlier_lease_does_not_shorten_a_later_one() -> None:
    cache, clock = leased()
    cache.extend(105)
    clock.now = 109

    assert cache.leased


def test_what_was_read_before_a_change_is_not_kept() -> None:
    cache, _ = leased()
    changes = cache.changes
    cache.forget("p1", "greet")
    cache.keep(question(), Kept(b"{}"), changes=changes)

    assert cache.find(question()) is None


def test_a_change_forgets_what_is_made_of_the_prompt_and_nothing_else() -> None:
    cache, _ = leased()
    label, number = question(), question()._replace(version=1, label=None)
    made_of_it, other, stranger = question("whole"), question("other"), question(project="p2")
    for one in (label, number, other, stranger):
        cache.keep(one, Kept(None), changes=cache.changes)
    cache.keep(made_of_it, Kept(b"{}", frozenset({"greet", "third"})), changes=cache.changes)
    cache.forget("p1", "greet")

    assert [cache.find(one) for one in (label, number, made_of_it)] == [None] * 3
    assert [cache.find(one) for one in (other, stranger)] == [Kept(None)] * 2
    cache.forget("p1", "third")
    cache.forget("p1", "other")
    cache.forget("p2", "greet")
    assert cache.size_bytes == 0


def test_a_revoked_cache_holds_nothing_even_if_it_gets_a_lease_again() -> None:
    cache, _ = leased()
    cache.keep(question(), Kept(b"{}"), changes=cache.changes)
    changes = cache.changes
    cache.revoke()
    assert not cache.leased
    cache.extend(120)
    cache.keep(question("late"), Kept(b"{}"), changes=changes)

    assert cache.find(question()) is None
    assert cache.find(question("late")) is None
    assert cache.size_bytes == 0


def test_no_more_is_kept_than_the_bound_and_the_least_recently_used_goes_first() -> None:
    each = ENTRY_BYTES + 1000
    cache, _ = leased(max_bytes=3 * each)
    for name in ("a", "b", "c"):
        cache.keep(question(name), Kept(b"x" * 900), changes=cache.changes)
    cache.find(question("a"))
    cache.keep(question("d"), Kept(b"x" * 900), changes=cache.changes)

    assert cache.find(question("b")) is None
    assert all(cache.find(question(name)) for name in ("a", "c", "d"))
    assert cache.size_bytes <= 3 * each


def test_an_answer_that_is_larger_than_the_bound_drives_nothing_out() -> None:
    cache, _ = leased(max_bytes=5_000)
    cache.keep(question("small"), Kept(b"x"), changes=cache.changes)
    cache.keep(question("large"), Kept(b"x" * 5_000), changes=cache.changes)

    assert cache.find(question("small")) is not None
    assert cache.find(question("large")) is None


def test_the_same_question_kept_again_takes_its_room_once() -> None:
    cache, _ = leased()
    cache.keep(question(), Kept(b"x" * 500), changes=cache.changes)
    once = cache.size_bytes
    cache.keep(question(), Kept(b"x" * 500), changes=cache.changes)

    assert cache.size_bytes == once
    cache.forget("p1", "greet")
    assert cache.size_bytes == 0
