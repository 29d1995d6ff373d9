"""Metadata merges key by key, the newer value wins, and no order of events can bring back what lost."""

import itertools
import json
from collections.abc import Mapping
from functools import reduce
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from tailrace.core.metadata import MAX_DEPTH, Metadata, Uniform, as_node, merge_metadata, newest_stamp, read_metadata
from tailrace.core.stamp import CREATE, Stamp
from tests.strategies import EMPTY_OBJECTS, LEAVES, json_objects


def at(at_us: int, value: dict[str, Any]) -> Uniform:
    return Uniform(value, Stamp(at_us, CREATE, "e", json.dumps(value, default=repr)))


def merged(*states: Metadata) -> dict[str, Any]:
    """What all states together read as, the same in every order."""
    read = [read_metadata(reduce(merge_metadata, order)) for order in itertools.permutations(states)]
    assert all(each == read[0] for each in read)
    return read[0]


def events(min_size: int = 0) -> st.SearchStrategy[Uniform]:
    leaves = LEAVES if min_size else LEAVES | EMPTY_OBJECTS
    return st.builds(at, st.integers(0, 3), json_objects(leaves, min_size))


@given(events(), events(), events())
def test_any_order_grouping_and_repetition_gives_one_state(one: Uniform, two: Uniform, three: Uniform) -> None:
    state = as_node(merge_metadata(merge_metadata(one, two), three))
    assert as_node(merge_metadata(one, merge_metadata(two, three))) == state
    assert as_node(merge_metadata(three, merge_metadata(two, one))) == state
    assert as_node(merge_metadata(state, two)) == state
    assert as_node(merge_metadata(state, state)) == state


@given(st.lists(events(min_size=1), min_size=1, max_size=5))
def test_it_reads_as_if_the_events_had_come_in_the_order_of_their_stamps(drawn: list[Uniform]) -> None:
    in_order = sorted(drawn, key=lambda event: event.stamp)
    expected = reduce(_overlay, (event.value for event in in_order))
    assert read_metadata(reduce(merge_metadata, drawn)) == expected


def _overlay(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    laid = dict(old)
    for key, value in new.items():
        below = laid.get(key)
        both = isinstance(below, dict) and isinstance(value, dict)
        laid[key] = _overlay(cast("dict[str, Any]", below), cast("dict[str, Any]", value)) if both else value
    return laid


def test_keys_of_different_events_stand_side_by_side() -> None:
    assert merged(at(1, {"a": 1, "n": {"x": 1}}), at(2, {"b": 2, "n": {"y": 2}})) == {
        "a": 1,
        "b": 2,
        "n": {"x": 1, "y": 2},
    }


def test_a_newer_value_replaces_an_older_one_at_its_path_only() -> None:
    assert merged(at(1, {"n": {"x": 1, "y": 1}}), at(2, {"n": {"x": 2}})) == {"n": {"x": 2, "y": 1}}


def test_a_null_is_a_value() -> None:
    assert merged(at(1, {"a": 1}), at(2, {"a": None})) == {"a": None}


def test_a_value_over_an_object_removes_its_older_keys_for_good() -> None:
    assert merged(at(1, {"n": {"x": 1}}), at(2, {"n": "flat"}), at(3, {"n": {"y": 3}})) == {"n": {"y": 3}}


def test_an_empty_object_yields_to_any_value() -> None:
    assert merged(at(1, {"n": "flat"}), at(2, {"n": {}})) == {"n": "flat"}
    assert merged(at(1, {"n": {"x": 1}}), at(2, {"n": {}})) == {"n": {"x": 1}}


def test_lists_are_values_and_are_replaced_whole() -> None:
    assert merged(at(1, {"l": [1, 2]}), at(2, {"l": [3]})) == {"l": [3]}


def test_objects_below_the_greatest_depth_are_replaced_whole() -> None:
    def nested(levels: int, innermost: dict[str, Any]) -> dict[str, Any]:
        return reduce(lambda inner, _: {"n": inner}, range(levels), innermost)

    just_within, below = MAX_DEPTH - 1, MAX_DEPTH
    assert merged(at(1, nested(just_within, {"x": 1})), at(2, nested(just_within, {"y": 2}))) == nested(
        just_within, {"x": 1, "y": 2}
    )
    assert merged(at(1, nested(below, {"x": 1})), at(2, nested(below, {"y": 2}))) == nested(below, {"y": 2})


def test_the_same_object_from_two_events_stays_one_uniform_object_with_the_newer_stamp() -> None:
    old, new = at(1, {"a": {"b": 1}}), at(2, {"a": {"b": 1}})
    assert merge_metadata(old, new) == new == merge_metadata(new, old)


def test_a_number_is_not_the_same_as_a_boolean_or_a_decimal_number() -> None:
    for older, newer in itertools.permutations([1, True, 1.0], 2):
        assert repr(merged(at(1, {"a": older}), at(2, {"a": newer}))) == repr({"a": newer})


def test_the_newest_stamp_is_found_anywhere_in_the_tree() -> None:
    old, new = at(1, {"a": {"b": 1}}), at(2, {"c": {"d": 1}})
    assert newest_stamp(as_node(merge_metadata(old, new))) == new.stamp
    assert newest_stamp(as_node(at(1, {}))) is None
