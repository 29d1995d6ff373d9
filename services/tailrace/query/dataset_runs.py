"""Runs of datasets and the executions of items in them: `/api/public/dataset-run-items` and `/api/public/datasets/{name}/runs`.

A run is told by calls, by spans, or by both, under one id that is computed from the dataset and the run's name; both are combined here on read.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from tailrace.core.experiments import run_id, run_item_id
from tailrace.query.database import Reader, Writer
from tailrace.query.dataset_paths import dataset_path, spellings
from tailrace.query.dataset_requests import NewRunItem, read_run_item
from tailrace.query.dataset_rows import DatasetRead, ItemRead, RunId, RunItemRead, RunRead, TraceId
from tailrace.query.dataset_shapes import run_item_shape, run_shape
from tailrace.query.datasets import find_dataset
from tailrace.query.endpoint import Answer, Call
from tailrace.query.errors import ApiError, InvalidRequestError, NotFoundError, TooMuchError
from tailrace.query.executions import executions
from tailrace.query.listing import page_meta
from tailrace.query.parameters import page, text
from tailrace.query.sql import statement

MAX_RUN_ITEMS: Final = 50_000

_list_runs: Final = statement("list_runs", executions=executions())
_list_run_items: Final = statement("list_run_items", executions=executions())
_run_item: Final = statement("write_run_item")


async def link_item(call: Call) -> Answer:
    """An item was executed in a trace. The trace need not be there yet; the run is made on first use."""
    wanted = await asyncio.to_thread(read_run_item, call.body)
    async with call.database.transaction() as writer:
        item = await _find_item(writer, call.project_id, wanted)
        await writer.row(DatasetRead, statement("lock_dataset_by_id"), (call.project_id, item.dataset_id))
        trace_id = wanted.trace_id or await _trace_of(writer, call.project_id, wanted.observation_id)
        run = run_id(call.project_id, item.dataset_id, wanted.run_name)
        await _write_run(writer, call.project_id, item.dataset_id, run, wanted)
        id_ = run_item_id(run, item.id, trace_id)
        linked = (wanted.observation_id, wanted.dataset_version, wanted.created_at)
        written = await writer.row(RunItemRead, _run_item, (call.project_id, id_, run, item.id, trace_id, *linked))
    if written is None:
        raise ApiError("the execution could not be written")
    return Answer(lambda: run_item_shape(run, wanted.run_name, written))


async def list_run_items(call: Call) -> Answer:
    """A counted page of a run's executions, newest first."""
    asked = page(call.query)
    dataset_id, name = _needed(call, "datasetId"), _needed(call, "runName")
    async with call.database.snapshot() as reader:
        dataset = await reader.row(DatasetRead, statement("get_dataset_by_id"), (call.project_id, dataset_id))
        if dataset is None:
            raise NotFoundError("Dataset not found")
        run = await _find_run(reader, call.project_id, dataset, *spellings(name))
        values = (call.project_id, run.id, asked.limit, asked.offset)
        found = await reader.rows(RunItemRead, _list_run_items, values)
        counted = found or await reader.rows(RunItemRead, _list_run_items, (*values[:2], 1, 0))
    total = counted[0].total if counted else 0

    def build() -> dict[str, Any]:
        shapes = [run_item_shape(run.id, run.name, one) for one in found]
        return {"data": shapes, "meta": page_meta(asked, total)}

    return Answer(build, len(found))


async def get_runs(call: Call) -> Answer:
    """One run with its executions, or a counted page of a dataset's runs, newest first; by what the path names."""
    path = dataset_path(call.raw_path, "/datasets/")
    if path.run is not None:
        return await _get_run(call, path.name, path.run)
    asked = page(call.query)
    async with call.database.snapshot() as reader:
        dataset = await find_dataset(reader, call.project_id, path.name)
        values = (call.project_id, dataset.id, None, asked.limit, asked.offset)
        found = await reader.rows(RunRead, _list_runs, values)
        counted = found or await reader.rows(RunRead, _list_runs, (*values[:3], 1, 0))
    total = counted[0].total if counted else 0

    def build() -> dict[str, Any]:
        return {"data": [run_shape(dataset, one) for one in found], "meta": page_meta(asked, total)}

    return Answer(build, len(found))


async def delete_run(call: Call) -> Answer:
    """The run is gone, also from experiments; its traces stay. What is received of it from now on makes it anew."""
    path = dataset_path(call.raw_path, "/datasets/")
    if path.run is None:
        raise NotFoundError("there is no such route")
    async with call.database.transaction() as writer:
        dataset = await writer.row(DatasetRead, statement("lock_dataset"), (call.project_id, path.name))
        if dataset is None:
            raise NotFoundError("Dataset not found")
        found = await writer.rows(RunRead, _list_runs, (call.project_id, dataset.id, path.run, MAX_RUN_ITEMS, 0))
        if not found:
            raise NotFoundError("Dataset run not found")
        values = (call.project_id, [one.id for one in found])
        for name in ("forget_run_items", "forget_runs", "mark_runs_deleted"):
            await writer.execute(statement(name), values)
    return Answer(lambda: {"message": "Dataset run successfully deleted"})


async def find_run(reader: Reader, project_id: str, dataset: DatasetRead, name: str) -> RunRead:
    """The newest run of this name. Raises NotFoundError."""
    return await _find_run(reader, project_id, dataset, name)


async def _get_run(call: Call, dataset_name: str, name: str) -> Answer:
    async with call.database.snapshot() as reader:
        dataset = await find_dataset(reader, call.project_id, dataset_name)
        run = await _find_run(reader, call.project_id, dataset, name)
        items = await reader.rows(RunItemRead, _list_run_items, (call.project_id, run.id, MAX_RUN_ITEMS + 1, 0))
    if len(items) > MAX_RUN_ITEMS:
        raise TooMuchError(f"the run has more than {MAX_RUN_ITEMS} items: list them at /dataset-run-items")

    def build() -> dict[str, Any]:
        shapes = [run_item_shape(run.id, run.name, one) for one in items]
        return run_shape(dataset, run) | {"datasetRunItems": shapes}

    return Answer(build, 1 + len(items))


async def _find_run(reader: Reader, project_id: str, dataset: DatasetRead, *names: str) -> RunRead:
    for name in names:
        found = await reader.row(RunRead, _list_runs, (project_id, dataset.id, name, 1, 0))
        if found is not None:
            return found
    raise NotFoundError("Dataset run not found")


async def _find_item(writer: Writer, project_id: str, wanted: NewRunItem) -> ItemRead:
    """The item as it is, or as it was in the version that was executed."""
    version: datetime | None = wanted.dataset_version
    name, values = "get_dataset_item", (project_id, wanted.item_id)
    found = await writer.row(
        ItemRead,
        statement(name if version is None else f"{name}_at"),
        values if version is None else (*values, version),
    )
    if found is None:
        raise NotFoundError("Dataset item not found")
    return found


async def _trace_of(writer: Writer, project_id: str, observation_id: str | None) -> str:
    found = await writer.row(TraceId, statement("find_trace_of_observation"), (project_id, observation_id))
    if found is None:
        raise NotFoundError("Observation not found: name its trace too, if it is still to be sent")
    return found.trace_id


async def _write_run(writer: Writer, project_id: str, dataset_id: str, run: str, wanted: NewRunItem) -> None:
    told: Sequence[Any] = (wanted.run_name, wanted.run_description, wanted.metadata, wanted.created_at)
    await writer.row(RunId, statement("write_run"), (project_id, run, dataset_id, *told))


def _needed(call: Call, name: str) -> str:
    value = text(call.query, name)
    if value is None:
        raise InvalidRequestError("expected a value, got nothing", name)
    return value
