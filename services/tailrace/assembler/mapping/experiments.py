"""What a span says of the experiment that it is part of: attributes in, fields of its observation out.

Every span of an experiment names its experiment and its item. Only the item's root observation keeps the rest (description, metadata,
expected output), so that it is stored once for each item and not once for each span. Source: what the Python SDKs 3.15, 4.18 and 5.0 and the
JavaScript SDKs 4.6 and 5.11 send, and their constants.
"""

from collections.abc import Mapping
from typing import Any, Final

from tailrace.assembler.mapping.values import dump_json, put_key, text_of
from tailrace.wire.otlp import SpanData

PREFIX: Final = "langfuse.experiment."
ID: Final = "langfuse.experiment.id"
NAME: Final = "langfuse.experiment.name"
DATASET_ID: Final = "langfuse.experiment.dataset.id"
ITEM_ID: Final = "langfuse.experiment.item.id"
ROOT_OBSERVATION_ID: Final = "langfuse.experiment.item.root_observation_id"

_TEXTS: Final[Mapping[str, str]] = {
    "description": "langfuse.experiment.description",
    "itemVersion": "langfuse.experiment.item.version",
    "expectedOutput": "langfuse.experiment.item.expected_output",
}
_OBJECTS: Final[Mapping[str, str]] = {
    "metadata": "langfuse.experiment.metadata",
    "itemMetadata": "langfuse.experiment.item.metadata",
}


def put_experiment(fields: dict[str, Any], span: SpanData, *, is_root: bool) -> None:
    """Set the fields of an observation whose span names an experiment. `is_root`: whether the span has no parent."""
    attributes = span.attributes
    put_key(fields, "experiment_id", text_of(attributes.get(ID)))
    if "experiment_id" not in fields:
        return
    put_key(fields, "experiment_name", text_of(attributes.get(NAME)))
    put_key(fields, "experiment_dataset_id", text_of(attributes.get(DATASET_ID)))
    put_key(fields, "experiment_item_id", text_of(attributes.get(ITEM_ID)))
    root_id = text_of(attributes.get(ROOT_OBSERVATION_ID))
    if root_id == span.span_id or (not root_id and is_root):
        fields["experiment"] = dump_json(_told(attributes))


def _told(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """What only the item's root keeps, each value as the text that was sent; metadata as that text, or as texts by key."""
    told: dict[str, Any] = {}
    for name, key in _TEXTS.items():
        value = text_of(attributes.get(key))
        if value:
            told[name] = value
    for name, key in _OBJECTS.items():
        value = text_of(attributes.get(key)) or _by_key(attributes, f"{key}.")
        if value:
            told[name] = value
    return told


def _by_key(attributes: Mapping[str, Any], prefix: str) -> dict[str, str | None]:
    """Metadata that came as an attribute for each key."""
    return {key[len(prefix) :]: text_of(value) for key, value in attributes.items() if key.startswith(prefix)}
