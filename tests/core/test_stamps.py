"""Stamps that were stored beside a row bring back the very state that they were taken from."""

import json
from typing import Any

import pytest
from hypothesis import given

from tailrace.core.merge import RULES, Change, EntityKind, Folded, fold, lift
from tailrace.core.metadata import read_metadata
from tailrace.core.stamp import CREATE, UPDATE, Stamp
from tailrace.core.stamps import dump_stamps, load_folded
from tests.strategies import KINDS, histories


def stored_and_loaded(state: Folded, kind: EntityKind) -> Folded:
    """The way of a state through its row: every field has a column, but what the row cannot show is kept with the stamps, as JSON."""
    hidden = {field: value for field, value in state.values.items() if RULES[kind][field] == "least"}
    stamps: dict[str, Any] = json.loads(json.dumps(dump_stamps(state, kind, hidden)))
    row = {field: None if field in hidden else state.values.get(field) for field in RULES[kind]}
    metadata = {} if state.metadata is None else read_metadata(state.metadata)
    return load_folded(kind, row, metadata, stamps)


@given(histories(1, 3))
def test_a_stored_state_loads_as_it_was(events: list[Change]) -> None:
    kind = events[0].kind
    state = lift(events[0])
    for event in events:
        state = fold(state, lift(event), kind)
        assert stored_and_loaded(state, kind) == state


@given(histories(3, 3))
def test_an_event_that_comes_after_storing_merges_as_it_would_have_before(events: list[Change]) -> None:
    kind = events[0].kind
    one, two, late = map(lift, events)
    state = fold(one, two, kind)
    assert fold(stored_and_loaded(state, kind), late, kind) == fold(state, late, kind)


def _span(at_us: int, phase: int, fields: dict[str, Any]) -> Folded:
    return lift(Change("observation", "p", "t", "o", Stamp(at_us, phase, f"event-{at_us}", "d"), fields))


def test_the_stamps_of_one_event_are_one_entry() -> None:
    state = _span(7, CREATE, {"name": "a", "model": "m", "metadata": {"k": {"deep": 1}}, "is_root": True})
    dumped = dump_stamps(state, "observation", {})
    mask = (1 << list(RULES["observation"]).index("name")) | (1 << list(RULES["observation"]).index("model"))
    assert dumped == {"w": [[7, CREATE, "event-7", "d", 3, mask]], "m": 0}


def test_metadata_of_several_events_keeps_an_entry_per_event_and_a_tree_of_indexes() -> None:
    state = fold(
        _span(1, CREATE, {"metadata": {"a": 1, "n": {"x": 1}}}),
        _span(2, UPDATE, {"metadata": {"n": {"y": 2}}}),
        "observation",
    )
    dumped = dump_stamps(state, "observation", {})
    assert [win[:2] for win in dumped["w"]] == [[1, CREATE], [2, UPDATE]]
    assert dumped["m"] == {"a": 0, "n": {"x": 0, "y": 1}}


def test_a_state_without_metadata_has_no_metadata_stamps() -> None:
    dumped = dump_stamps(_span(1, CREATE, {"name": "a", "metadata": {}}), "observation", {})
    assert "m" not in dumped


@pytest.mark.parametrize("kind", KINDS)
def test_the_bits_of_all_fields_fit_a_signed_64_bit_integer(kind: EntityKind) -> None:
    assert len(RULES[kind]) < 63
