"""What spans say of experiments, in the words of each SDK: every span names experiment and item, an item's root keeps the rest."""

import json
from typing import Any

import pytest

from tests.assembler.mapping.senders import SPAN_ID, changes_of, child, folded, map_spans, observation_of, span

COMMON = {
    "langfuse.experiment.id": "run",
    "langfuse.experiment.name": "first run",
    "langfuse.experiment.dataset.id": "dataset",
    "langfuse.experiment.item.id": "item",
}
NAMED = {
    "experiment_id": "run",
    "experiment_name": "first run",
    "experiment_dataset_id": "dataset",
    "experiment_item_id": "item",
}
ROOT = {"langfuse.experiment.item.root_observation_id": SPAN_ID}
REST = {
    "langfuse.experiment.description": "why",
    "langfuse.experiment.item.expected_output": '{"a": 1}',
    "langfuse.experiment.item.version": "2026-01-01T00:00:00.000Z",
}


def experiment_of(attributes: dict[str, Any], **overrides: Any) -> Any:
    fields = observation_of(attributes, **overrides)
    return json.loads(fields["experiment"]) if "experiment" in fields else None


def test_every_span_names_its_experiment_and_item() -> None:
    fields = observation_of(COMMON | REST, parentSpanId="00f067aa0ba902b7")

    assert {name: fields[name] for name in NAMED} == NAMED
    assert "experiment" not in fields


def test_the_root_observation_of_an_item_keeps_the_rest() -> None:
    metadata = {"langfuse.experiment.metadata": '{"k": 1}', "langfuse.experiment.item.metadata": '{"m": "x"}'}

    told = experiment_of(COMMON | ROOT | REST | metadata, parentSpanId="00f067aa0ba902b7")

    assert told == {
        "description": "why",
        "itemVersion": "2026-01-01T00:00:00.000Z",
        "expectedOutput": '{"a": 1}',
        "metadata": '{"k": 1}',
        "itemMetadata": '{"m": "x"}',
    }


def test_metadata_may_come_as_an_attribute_for_each_key() -> None:
    metadata = {"langfuse.experiment.metadata.a.b": "1", "langfuse.experiment.metadata.c": "text"}

    told = experiment_of(COMMON | ROOT | metadata | {"langfuse.experiment.item.metadata.d": "[2]"})

    assert told == {"metadata": {"a.b": "1", "c": "text"}, "itemMetadata": {"d": "[2]"}}


def test_without_a_named_root_the_span_without_a_parent_is_it() -> None:
    assert experiment_of(COMMON) == {}
    assert experiment_of(COMMON, parentSpanId="00f067aa0ba902b7") is None


@pytest.mark.parametrize("odd", [{"langfuse.experiment.name": "x"}, {"langfuse.experiment.id": ""}, {}])
def test_without_an_id_there_is_no_experiment(odd: dict[str, Any]) -> None:
    assert not any(name.startswith("experiment") for name in observation_of(ROOT | REST | odd))


@pytest.mark.parametrize("odd", [1, 1.5, True, ["a", 1], "\x00", "x" * 100_000])
def test_odd_values_are_texts_and_ids_have_a_bound(odd: Any) -> None:
    names = [*COMMON, *REST, "langfuse.experiment.metadata", "langfuse.experiment.item.root_observation_id"]

    fields = observation_of(dict.fromkeys(names, odd))

    kept = [fields[name] for name in fields if name.startswith("experiment_")]
    assert all(isinstance(value, str) and 0 < len(value.encode()) <= 1000 for value in kept)


def test_a_span_that_comes_again_with_less_erases_nothing() -> None:
    mapped = map_spans(span(COMMON | ROOT | REST), span({}, endTimeUnixNano="1800000000000000000"))

    values = folded(mapped, "observation", SPAN_ID)

    assert {name: values[name] for name in NAMED} == NAMED
    assert json.loads(values["experiment"])["description"] == "why"


def test_an_experiment_says_nothing_of_the_trace() -> None:
    for change in changes_of(map_spans(child(COMMON | ROOT)), "trace"):
        assert not any("experiment" in name for name in change.fields)
