"""Datasets, items, runs and experiments as JSON: rows in, the objects of the public API out. No reads, no clock."""

from collections.abc import Mapping
from typing import Any, NamedTuple, cast

import orjson

from tailrace.core.experiments import run_item_id
from tailrace.query.dataset_rows import DatasetRead, ExecutionRead, ExperimentRead, ItemRead, RunItemRead, RunRead
from tailrace.query.errors import InvalidRequestError
from tailrace.query.json_text import embed_instant, embed_json, embed_object, embed_text
from tailrace.query.parameters import parse_instant


class Told(NamedTuple):
    """What an item's root observation tells of the experiment and of the item, each as the text that was sent."""

    description: str | None = None
    metadata: str | None = None
    item_version: str | None = None
    expected_output: str | None = None
    item_metadata: str | None = None


def told_by(experiment: str | None) -> Told:
    """What is stored of it. Metadata that came as a text for each key is one object."""
    if experiment is None:
        return Told()
    stored: dict[str, Any] = orjson.loads(experiment)
    return Told(
        stored.get("description"),
        _metadata(stored.get("metadata")),
        stored.get("itemVersion"),
        stored.get("expectedOutput"),
        _metadata(stored.get("itemMetadata")),
    )


def dataset_shape(project_id: str, one: DatasetRead) -> dict[str, Any]:
    """A dataset."""
    return {
        "id": one.id,
        "name": one.name,
        "description": one.description,
        "metadata": embed_json(one.metadata),
        "inputSchema": embed_json(one.input_schema),
        "expectedOutputSchema": embed_json(one.expected_output_schema),
        "projectId": project_id,
        "createdAt": embed_instant(one.created_at),
        "updatedAt": embed_instant(one.updated_at),
    }


def item_shape(one: ItemRead) -> dict[str, Any]:
    """An item. References to media stay in its texts; none is resolved while there is no store of media."""
    return {
        "id": one.id,
        "status": one.status,
        "input": embed_json(one.input),
        "expectedOutput": embed_json(one.expected_output),
        "metadata": embed_json(one.metadata),
        "sourceTraceId": one.source_trace_id,
        "sourceObservationId": one.source_observation_id,
        "datasetId": one.dataset_id,
        "datasetName": one.dataset_name,
        "createdAt": embed_instant(one.created_at),
        "updatedAt": embed_instant(one.valid_from),
        "mediaReferences": [],
    }


def run_shape(dataset: DatasetRead, one: RunRead) -> dict[str, Any]:
    """A run: what a call told of it goes before what spans tell."""
    told = told_by(one.experiment)
    return {
        "id": one.id,
        "name": one.name,
        "description": one.description or told.description,
        "metadata": embed_json(one.metadata) if one.metadata is not None else embed_text(told.metadata),
        "datasetId": dataset.id,
        "datasetName": dataset.name,
        "createdAt": embed_instant(one.created_at),
        "updatedAt": embed_instant(one.updated_at),
    }


def run_item_shape(run_id: str, run_name: str, one: RunItemRead) -> dict[str, Any]:
    """An execution of an item in a run."""
    return {
        "id": run_item_id(run_id, one.item_id, one.trace_id),
        "datasetRunId": run_id,
        "datasetRunName": run_name,
        "datasetItemId": one.item_id,
        "traceId": one.trace_id,
        "observationId": one.observation_id,
        "createdAt": embed_instant(one.created_at),
        "updatedAt": embed_instant(one.updated_at),
    }


def experiment_shape(one: ExperimentRead, *, with_metadata: bool) -> dict[str, Any]:
    """An experiment without its scores."""
    told = told_by(one.experiment)
    shape: dict[str, Any] = {
        "id": one.id,
        "name": one.name,
        "description": one.description or told.description,
        "startTime": embed_instant(one.started_at),
        "endTime": embed_instant(one.ended_at),
        "itemCount": one.items,
        "datasetId": one.dataset_id,
    }
    if with_metadata:
        shape["metadata"] = embed_object(one.metadata) if one.metadata is not None else _object(told.metadata)
    return shape


def execution_shape(
    one: ExecutionRead, bodies: tuple[str | None, str | None, str | None], groups: frozenset[str]
) -> dict[str, Any]:
    """An experiment's item without its scores. `bodies`: input, output and metadata of its root observation."""
    told = told_by(one.experiment)
    shape: dict[str, Any] = {
        "id": one.observation_id or one.trace_id,
        "traceId": one.trace_id,
        "startTime": embed_instant(one.start_time),
        "endTime": embed_instant(one.end_time),
        "level": one.level,
        "environment": one.environment,
        "experimentId": one.run_id,
        "experimentName": one.run_name,
        "experimentItemId": one.item_id,
    }
    if "dataset" in groups:
        shape |= {"experimentDatasetId": one.dataset_id, "experimentItemVersion": _instant(told.item_version)}
    if "io" in groups:
        shape |= {
            "input": embed_text(bodies[0]),
            "output": embed_text(bodies[1]),
            "expectedOutput": embed_text(told.expected_output),
        }
    if "metadata" in groups:
        shape["metadata"] = embed_object(bodies[2])
    if "itemMetadata" in groups:
        shape["experimentItemMetadata"] = _object(told.item_metadata)
    if "experimentMetadata" in groups:
        shape |= {"experimentMetadata": _object(told.metadata), "experimentDescription": told.description}
    return shape


def _metadata(stored: Any) -> str | None:
    """One JSON text, or a text by key, whose values are each JSON or a plain text."""
    if not isinstance(stored, dict):
        return stored
    by_key = cast("Mapping[str, str | None]", stored)
    return orjson.dumps({key: embed_text(value) for key, value in by_key.items()}).decode()


def _object(text: str | None) -> Any:
    """Metadata as an object, None without any; what is no JSON goes under the key `metadata`."""
    if not text:
        return None
    return embed_object(text if _is_json(text) else orjson.dumps(text).decode())


def _is_json(text: str) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


def _instant(text: str | None) -> str | None:
    """A time as it was sent, in our form; None if it is none."""
    if not text:
        return None
    try:
        return embed_instant(parse_instant(text.strip('"')))
    except InvalidRequestError:
        return None
