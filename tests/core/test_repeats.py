"""Which observations repeat those below them: each rule, and that the order of the members tells nothing."""

import random
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from tailrace.core.contributions import ZERO
from tailrace.core.repeats import NO_FIGURES, Figures, Member, find_declared, find_repeats

CALL = Figures(100, 20, 120)
OTHER = Figures(300, 5, 305)


def member(parent: str | None, figures: Figures = NO_FIGURES, *, declared: bool = False) -> Member:
    return Member(parent, figures, declared)


def test_an_agent_that_tells_the_sum_of_its_calls_is_a_repeat() -> None:
    trace = {"agent": member(None, CALL.plus(OTHER)), "one": member("agent", CALL), "two": member("agent", OTHER)}

    assert find_repeats(trace) == {"agent"}


def test_of_a_chain_with_the_same_figures_the_lowest_counts() -> None:
    trace = {"agent": member(None, CALL), "chain": member("agent", CALL), "call": member("chain", CALL)}

    assert find_repeats(trace) == {"agent", "chain"}


def test_what_has_no_figures_in_between_hides_nothing() -> None:
    trace = {
        "agent": member(None, CALL),
        "step": member("agent"),
        "tool": member("step"),
        "call": member("tool", CALL),
    }

    assert find_repeats(trace) == {"agent"}


def test_a_call_between_is_taken_for_what_stands_below_it() -> None:
    trace = {
        "agent": member(None, CALL),
        "call": member("agent", CALL),
        "judge of the call": member("call", OTHER),
    }

    assert find_repeats(trace) == {"agent"}


def test_figures_that_differ_by_one_token_are_no_repeat() -> None:
    trace = {"agent": member(None, CALL._replace(input=101, total=121)), "call": member("agent", CALL)}

    assert find_repeats(trace) == set()


def test_the_same_total_of_another_input_is_no_repeat() -> None:
    trace = {"agent": member(None, Figures(20, 100, 120)), "call": member("agent", CALL)}

    assert find_repeats(trace) == set()


def test_one_that_tells_the_total_alone_is_a_repeat_of_the_same_total() -> None:
    trace = {"agent": member(None, Figures(total=120)), "call": member("agent", CALL)}

    assert find_repeats(trace) == {"agent"}


def test_without_tokens_the_given_cost_tells() -> None:
    cost = Figures(given_cost=Decimal("0.25"))
    trace = {"agent": member(None, cost), "call": member("agent", cost), "free": member("agent")}

    assert find_repeats(trace) == {"agent"}
    assert find_repeats({**trace, "more": member("agent", cost)}) == set()


def test_what_is_declared_is_a_repeat_if_there_is_anything_to_repeat() -> None:
    alone = {"agent": member(None, CALL, declared=True), "tool": member("agent")}

    assert find_repeats(alone) == set()
    assert find_repeats({**alone, "call": member("tool", OTHER)}) == {"agent"}
    assert find_declared(alone) == {"agent"}


def test_calls_beside_each_other_and_of_unknown_parents_count() -> None:
    trace = {"one": member("gone", CALL), "two": member("gone", CALL), "three": member(None, CALL)}

    assert find_repeats(trace) == set()


def test_members_on_a_circle_repeat_nothing_and_pass_nothing_on() -> None:
    trace = {
        "self": member("self", CALL),
        "below self": member("self", CALL),
        "a": member("b", CALL),
        "b": member("a", CALL),
        "below a": member("a", CALL),
        "tail": member("below a", CALL),
    }

    assert find_repeats(trace) == {"below a"}


_ids = st.sampled_from("abcdefgh")
_figures = st.sampled_from([Figures(), CALL, OTHER, CALL.plus(OTHER), Figures(given_cost=Decimal("0.5"))])
_told = st.tuples(st.none() | _ids, _figures, st.booleans()).map(lambda drawn: Member(*drawn))
_any = st.tuples(_told, st.booleans()).map(lambda drawn: drawn[0]._replace(is_estimate=drawn[1]))
_told_traces = st.dictionaries(_ids, _told)
_traces = st.dictionaries(_ids, _any)


@given(_traces, st.randoms(use_true_random=False))
def test_the_order_of_the_members_tells_nothing(trace: dict[str, Member], rng: random.Random) -> None:
    shuffled = list(trace.items())
    rng.shuffle(shuffled)

    assert find_repeats(dict(shuffled)) == find_repeats(trace)


@given(_told_traces)
def test_every_repeat_has_figures_below_it_that_it_repeats(trace: dict[str, Member]) -> None:
    for id_ in find_repeats(trace):
        below = _below(trace, id_)
        assert below
        assert trace[id_].is_declared or trace[id_].figures.repeats(below)


@given(_told_traces)
def test_what_has_nothing_to_repeat_counts(trace: dict[str, Member]) -> None:
    leaves = trace.keys() - {one.parent_id for one in trace.values()}

    assert not find_repeats(trace) & leaves


def _below(trace: dict[str, Member], id_: str) -> Figures:
    """The figures below, by looking down from the top."""
    total = Figures()
    for child, one in trace.items():
        if one.parent_id == id_ and child != id_ and not _is_on_circle(trace, child):
            total = total.plus(one.figures or _below(trace, child))
    return total


def _is_on_circle(trace: dict[str, Member], id_: str) -> bool:
    here: str | None = trace[id_].parent_id
    for _ in trace:
        if here == id_:
            return True
        here = trace[here].parent_id if here in trace else None
    return False


def estimate(parent: str | None, figures: Figures = OTHER) -> Member:
    return Member(parent, figures, is_estimate=True)


def test_an_estimate_counts_where_nobody_told_anything() -> None:
    trace = {"chain": member(None), "one": estimate("chain"), "two": estimate("chain", CALL)}

    assert find_repeats(trace) == set()


def test_an_estimate_gives_way_to_what_was_told_anywhere_below_it() -> None:
    trace = {"outer": estimate(None), "step": member("outer"), "call": member("step", CALL)}

    assert find_repeats(trace) == {"outer"}


def test_an_estimate_gives_way_to_what_was_told_anywhere_above_it() -> None:
    trace = {"agent": member(None, CALL), "step": member("agent"), "call": estimate("step")}

    assert find_repeats(trace) == {"call"}


def test_of_two_estimates_of_one_call_the_lower_counts() -> None:
    trace = {"outer": estimate(None), "inner": estimate("outer")}

    assert find_repeats(trace) == {"outer"}


def test_what_was_told_is_no_repeat_of_an_estimate() -> None:
    trace = {"agent": member(None, CALL, declared=True), "call": estimate("agent", CALL)}

    assert find_repeats(trace) == {"call"}


@given(_traces)
def test_estimates_change_nothing_for_what_was_told(trace: dict[str, Member]) -> None:
    bare = {id_: one._replace(figures=NO_FIGURES) if one.is_estimate else one for id_, one in trace.items()}
    told = {id_ for id_, one in trace.items() if not one.is_estimate}

    assert find_repeats(trace) & told == find_repeats(bare) & told


@given(_traces)
def test_an_estimate_counts_exactly_if_it_is_alone_on_its_way_up_and_down(trace: dict[str, Member]) -> None:
    repeats = find_repeats(trace)

    for id_, one in trace.items():
        if one.is_estimate:
            told_above = any(trace[at].figures and not trace[at].is_estimate for at in _above(trace, id_))
            some_below = any(other.figures and id_ in _above(trace, at) for at, other in trace.items())
            assert (id_ in repeats) == (told_above or some_below)


def _above(trace: dict[str, Member], id_: str) -> set[str]:
    """All ancestors; on a circle of parents itself too."""
    found: set[str] = set()
    at = trace[id_].parent_id
    while at in trace and at not in found:
        found.add(at)
        at = trace[at].parent_id
    return found


def test_no_figures_are_false() -> None:
    assert not Figures()
    assert Figures(given_cost=Decimal("0.1"))
    assert Figures().plus(CALL) == CALL._replace(given_cost=ZERO)
