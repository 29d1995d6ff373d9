"""Law 4, end to end: however the events of a trace are ordered, repeated and batched, they become the same entities."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tailrace.assembler.mapping import Mapped
from tests.assembler.mapping.senders import fold_changes, map_events, map_spans, span
from tests.strategies import batch_events, span_contents


def shuffled(data: st.DataObject, items: list[Any]) -> list[Any]:
    """All items in another order, and some of them again."""
    return data.draw(st.permutations([*items, *data.draw(st.lists(st.sampled_from(items), max_size=3))]))


def span_of(content: dict[str, Any]) -> dict[str, Any]:
    return span(**content)


def fold_all(*mapped: Mapped) -> Any:
    assert all(not each.rejects for each in mapped)
    return fold_changes(change for each in mapped for change in each.changes)


@given(st.lists(batch_events(), min_size=1, max_size=6), st.data())
def test_a_batch_in_any_order_and_with_repetitions_folds_to_one_result(
    events: list[dict[str, Any]], data: st.DataObject
) -> None:
    assert fold_all(map_events(*shuffled(data, events))) == fold_all(map_events(*events))


@given(st.lists(st.lists(batch_events(), min_size=1, max_size=3), min_size=1, max_size=4), st.data())
def test_batches_in_any_order_and_with_resends_fold_to_one_result(
    batches: list[list[dict[str, Any]]], data: st.DataObject
) -> None:
    mapped = [map_events(*events) for events in batches]
    again = [map_events(*events) for events in shuffled(data, batches)]
    assert fold_all(*again) == fold_all(*mapped)


@given(st.lists(span_contents(), min_size=1, max_size=6), st.data())
def test_spans_in_any_order_and_request_and_with_resends_fold_to_one_result(
    contents: list[dict[str, Any]], data: st.DataObject
) -> None:
    spans = [span_of(content) for content in contents]
    others = shuffled(data, spans)
    cut = data.draw(st.integers(0, len(others)))
    assert fold_all(map_spans(*others[:cut]), map_spans(*others[cut:])) == fold_all(map_spans(*spans))


@given(st.lists(span_contents(), min_size=1, max_size=3), st.lists(batch_events(), min_size=1, max_size=3))
def test_absent_never_erases_what_any_event_said(contents: list[dict[str, Any]], events: list[dict[str, Any]]) -> None:
    for mapped in (map_spans(*map(span_of, contents)), map_events(*events)):
        states = fold_all(mapped)
        for change in mapped.changes:
            state = states[change.kind, change.trace_id, change.id]
            given_fields = {name for name in change.fields if name != "metadata"}
            assert given_fields <= state.values.keys()
            for name in ("input", "output"):
                if change.fields.get(name):
                    assert state.values[name]
