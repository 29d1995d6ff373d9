"""The laws of merging, for every kind of entity, and what each rule decides."""

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.core import merge
from tailrace.core.merge import RULES, Change, EntityKind, Folded, absorb, fold, lift, take
from tailrace.core.metadata import read_metadata
from tailrace.core.stamp import CREATE, UPDATE, Stamp
from tests.strategies import KINDS, histories


def change(
    fields: dict[str, Any], at_us: int = 1, phase: int = CREATE, event_id: str = "e", *, weak: tuple[str, ...] = ()
) -> Change:
    return Change("trace", "p", "t", "t", Stamp(at_us, phase, event_id, ""), fields, frozenset(weak))


def folded(*parts: Change) -> Folded:
    """The fold of all parts, the same in every order."""
    results = [_fold_in_order(order) for order in itertools.permutations(parts)]
    assert all(result == results[0] for result in results)
    return results[0]


def _fold_in_order(parts: tuple[Change, ...]) -> Folded:
    state = lift(parts[0])
    for part in parts[1:]:
        absorb(state, lift(part), part.kind)
    return state


def metadata_of(state: Folded) -> dict[str, Any]:
    assert state.metadata is not None
    return read_metadata(state.metadata)


@given(histories(2, 2))
def test_the_order_of_two_events_does_not_matter(events: list[Change]) -> None:
    one, other = map(lift, events)
    assert fold(one, other, events[0].kind) == fold(other, one, events[0].kind)


@given(histories(3, 3))
def test_the_grouping_of_events_does_not_matter(events: list[Change]) -> None:
    kind = events[0].kind
    one, two, three = map(lift, events)
    assert fold(fold(one, two, kind), three, kind) == fold(one, fold(two, three, kind), kind)


@given(histories(2, 2))
def test_an_event_that_comes_again_changes_nothing(events: list[Change]) -> None:
    kind = events[0].kind
    one, two = map(lift, events)
    both = fold(one, two, kind)
    assert fold(one, one, kind) == one
    assert not absorb(both, one, kind)
    assert not absorb(both, two, kind)


@given(histories(2, 5))
def test_taking_an_event_in_is_joining_the_state_that_it_makes_alone(events: list[Change]) -> None:
    kind = events[0].kind
    taken, joined = lift(events[0]), lift(events[0])
    for event in [*events[1:], events[0]]:
        assert take(taken, event) == absorb(joined, lift(event), kind)
        assert taken == joined


@given(histories(2, 2))
def test_a_field_that_an_event_lacks_is_never_erased_by_it(events: list[Change]) -> None:
    one, other = map(lift, events)
    both = fold(one, other, events[0].kind)
    for field, value in one.values.items():
        if field not in other.values:
            assert both.values[field] == value
    assert both.values.keys() == one.values.keys() | other.values.keys()
    if other.metadata is None:
        assert both.metadata == one.metadata


@given(histories(1, 6), st.data())
def test_every_permutation_and_repetition_of_many_events_folds_to_one_state(
    events: list[Change], data: st.DataObject
) -> None:
    repeated = data.draw(st.lists(st.sampled_from(events), max_size=3))
    again = data.draw(st.permutations([*events, *repeated]))
    assert _fold_in_order(tuple(again)) == _fold_in_order(tuple(events))


@given(histories(2, 2))
def test_absorbing_says_whether_anything_changed(events: list[Change]) -> None:
    kind = events[0].kind
    one, other = map(lift, events)
    both = one.copy()
    assert absorb(both, other, kind) == (both != one)
    assert both == fold(one, other, kind)


@given(histories(2, 2))
def test_folding_leaves_both_sides_as_they_were(events: list[Change]) -> None:
    one, other = map(lift, events)
    fold(one, other, events[0].kind)
    assert [one, other] == [lift(event) for event in events]


def test_the_later_value_wins_and_an_explicit_null_is_a_value() -> None:
    assert folded(change({"name": "old"}, 1), change({"name": "new"}, 2)).values["name"] == "new"
    assert folded(change({"name": "old"}, 1), change({"name": None}, 2)).values["name"] is None
    assert folded(change({"name": "old"}, 1), change({}, 2)).values["name"] == "old"


def test_of_one_time_an_update_beats_a_create_whatever_their_ids() -> None:
    state = folded(change({"name": "created"}, 1, CREATE, "z"), change({"name": "updated"}, 1, UPDATE, "a"))
    assert state.values["name"] == "updated"


def test_of_one_time_and_phase_the_greater_event_id_wins() -> None:
    assert folded(change({"name": "a"}, event_id="a"), change({"name": "b"}, event_id="b")).values["name"] == "b"


def test_what_is_set_once_keeps_its_first_value() -> None:
    state = folded(change({"environment": "b"}, 2), change({"environment": "a"}, 1), change({"environment": "c"}, 3))
    assert state.values["environment"] == "a"


def test_an_empty_output_never_beats_a_text_whatever_its_time() -> None:
    state = folded(change({"output": "said"}, 1), change({"output": ""}, 2), change({"output": None}, 3))
    assert state.values["output"] == "said"
    assert folded(change({"output": ""}, 2), change({"output": None}, 3)).values["output"] is None


def test_a_weak_value_yields_to_any_other_event_whatever_its_time() -> None:
    weak = change({"name": "the root span's", "input": "the root span's"}, 9, weak=("name", "input"))
    state = folded(weak, change({"name": "said", "input": "said"}, 1))
    assert (state.values["name"], state.values["input"]) == ("said", "said")
    assert folded(weak, change({"input": ""}, 1)).values["input"] == "the root span's"


def test_a_weak_first_value_yields_to_a_later_strong_one() -> None:
    state = folded(change({"environment": "weak"}, 1, weak=("environment",)), change({"environment": "said"}, 2))
    assert state.values["environment"] == "said"


def test_once_public_is_public_and_the_earliest_time_stays() -> None:
    state = folded(change({"public": True, "earliest": 7}, 1), change({"public": False, "earliest": 3}, 2))
    assert (state.values["public"], state.values["earliest"]) == (True, 3)


def test_tags_are_united_and_sorted() -> None:
    state = folded(change({"tags": ["b", "a", "b"]}), change({"tags": ["c", "a"]}, 2), change({"tags": []}, 3))
    assert state.values["tags"] == ["a", "b", "c"]


def test_metadata_merges_key_by_key_and_an_empty_object_erases_nothing() -> None:
    state = folded(
        change({"metadata": {"a": 1, "b": {"x": 1}}}, 1),
        change({"metadata": {"b": {"x": 2, "y": None}}}, 2),
        change({"metadata": {}}, 3),
    )
    assert metadata_of(state) == {"a": 1, "b": {"x": 2, "y": None}}


@pytest.mark.parametrize("kind", KINDS)
def test_a_field_of_another_kind_is_a_programming_error(kind: EntityKind) -> None:
    unknown = Change(kind, "p", "t", "e", Stamp(1, CREATE, "e", ""), {"colour": "red"})
    assert "colour" not in RULES[kind]
    with pytest.raises(KeyError):
        lift(unknown)


@given(
    parts=st.lists(
        st.dictionaries(
            st.sampled_from(["tags", "warnings"]), st.lists(st.sampled_from("abcdefgh"), max_size=6), min_size=1
        ),
        min_size=1,
        max_size=4,
    )
)
def test_of_too_many_tags_and_warnings_the_same_are_kept_in_any_order_and_a_warning_says_so(
    parts: list[dict[str, list[str]]],
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(merge, "UNION_LIMITS", {"tags": 3, "warnings": 2})
        state = folded(*(change(part, at_us) for at_us, part in enumerate(parts)))
        again = fold(state, state, "trace")

    assert again == state
    for field, limit in (("tags", 3), ("warnings", 2)):
        sent = sorted({value for part in parts for value in part.get(field, ())})
        kept = [value for value in state.values.get(field, []) if len(value) == 1]
        assert kept == sent[:limit]
        marked = any(f"more than {limit} {field}" in warning for warning in state.values.get("warnings", []))
        assert marked == (len(sent) > limit)


def test_a_trace_holds_200_tags_and_50_warnings() -> None:
    state = folded(change({"tags": [f"{number:04}" for number in range(300)]}), change({"tags": ["0000a"]}, 2))

    assert len(state.values["tags"]) == 200
    assert state.values["tags"][:2] == ["0000", "0000a"]
    assert state.values["warnings"] == ["there were more than 200 tags: those that sort last were left out"]
