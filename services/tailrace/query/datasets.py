"""`/api/public/v2/datasets` and `/api/public/datasets`: datasets are made, changed and read. A name is a dataset's identity for senders."""

import asyncio
import uuid
from collections.abc import Sequence
from typing import Any, Final

from starlette.datastructures import QueryParams

from tailrace.query.database import Reader, Writer
from tailrace.query.dataset_paths import dataset_path, name_before, spellings
from tailrace.query.dataset_requests import NewDataset, read_dataset
from tailrace.query.dataset_rows import DatasetRead, ItemId, ItemRead, RunName
from tailrace.query.dataset_shapes import dataset_shape, item_shape
from tailrace.query.endpoint import Answer, Call
from tailrace.query.errors import ConflictError, NotFoundError, TooMuchError
from tailrace.query.executions import executions
from tailrace.query.item_checks import ItemChecks
from tailrace.query.listing import page_meta
from tailrace.query.parameters import page, text
from tailrace.query.sql import statement

MAX_LISTED: Final = 10_000
"""Items and runs that v1 puts into a dataset; those who have more list them page by page."""

MAX_ANSWER_BYTES: Final = 64 * 1024 * 1024
_TRIES: Final = 5
_CHECKED_AT_ONCE: Final = 200
_WRITERS: Final = 2
"""Datasets that are written at once: each takes a connection for as long as its items are checked."""

_all_items: Final = statement(
    "list_dataset_items",
    where="i.project_id = $1 and i.dataset_id = $2 and i.valid_to is null and i.status = 'ACTIVE'",
    limit="$3",
    offset="$4",
)
_size_of_all: Final = statement(
    "size_dataset_items",
    where="i.project_id = $1 and i.dataset_id = $2 and i.valid_to is null and i.status = 'ACTIVE'",
    limit="$3",
    offset="$4",
)
_run_names: Final = statement("list_run_names", executions=executions())


async def find_dataset(reader: Reader, project_id: str, name: str) -> DatasetRead:
    """The dataset of this name. Raises NotFoundError."""
    found = await reader.row(DatasetRead, statement("get_dataset"), (project_id, name))
    if found is None:
        raise NotFoundError("Dataset not found")
    return found


async def find_asked_dataset(reader: Reader, project_id: str, query: QueryParams, name: str) -> DatasetRead | None:
    """The dataset that a parameter names, None without the parameter. Raises NotFoundError."""
    given = text(query, name)
    for spelling in () if given is None else spellings(given):
        found = await reader.row(DatasetRead, statement("get_dataset"), (project_id, spelling))
        if found is not None:
            return found
    if given is not None:
        raise NotFoundError("Dataset not found")
    return None


class Datasets:
    """The handlers of datasets themselves."""

    def __init__(self, checks: ItemChecks) -> None:
        self._checks = checks
        self._turns = asyncio.Semaphore(_WRITERS)

    async def list(self, call: Call) -> Answer:
        """A counted page, newest first."""
        found, meta = await self._page(call)
        return Answer(
            lambda: {"data": [dataset_shape(call.project_id, one) for one in found], "meta": meta}, len(found)
        )

    async def list_v1(self, call: Call) -> Answer:
        """A counted page, newest first; each with the ids of its items and the names of its runs."""
        found, meta = await self._page(call)
        async with call.database.snapshot() as reader:
            ids = [one.id for one in found]
            items = await reader.rows(
                ItemId, statement("list_dataset_item_ids"), (call.project_id, ids, MAX_LISTED + 1)
            )
            runs = {one.id: await _names_of_runs(reader, call.project_id, one.id) for one in found}
        if len(items) > MAX_LISTED:
            raise TooMuchError(f"the datasets have more than {MAX_LISTED} items: list them at /v2/datasets")

        def build() -> dict[str, Any]:
            of_dataset: dict[str, list[str]] = {}
            for item in items:
                of_dataset.setdefault(item.dataset_id, []).append(item.id)
            shapes = [
                dataset_shape(call.project_id, one) | {"items": of_dataset.get(one.id, []), "runs": runs[one.id]}
                for one in found
            ]
            return {"data": shapes, "meta": meta}

        return Answer(build, len(found))

    async def get(self, call: Call) -> Answer:
        """One dataset by its name."""
        name = name_before(call.raw_path, "/v2/datasets/", "")
        async with call.database.snapshot() as reader:
            found = await find_dataset(reader, call.project_id, name)
        return Answer(lambda: dataset_shape(call.project_id, found))

    async def get_v1(self, call: Call) -> Answer:
        """One dataset by its name, with its active items and the names of its runs."""
        name = dataset_path(call.raw_path, "/datasets/").name
        async with call.database.snapshot() as reader:
            found = await find_dataset(reader, call.project_id, name)
            values = (call.project_id, found.id, MAX_LISTED + 1, 0)
            if await reader.whole_number(_size_of_all, values) > MAX_ANSWER_BYTES:
                raise TooMuchError("the dataset's items are too large for one answer: list them at /dataset-items")
            items = await reader.rows(ItemRead, _all_items, values)
            runs = await _names_of_runs(reader, call.project_id, found.id)
        if len(items) > MAX_LISTED:
            raise TooMuchError(f"the dataset has more than {MAX_LISTED} items: list them at /dataset-items")

        def build() -> dict[str, Any]:
            return dataset_shape(call.project_id, found) | {"items": [*map(item_shape, items)], "runs": runs}

        return Answer(build, 1 + len(items))

    async def put(self, call: Call) -> Answer:
        """The dataset of this name, made or changed."""
        written = await self._write(call)
        return Answer(lambda: dataset_shape(call.project_id, written))

    async def put_v1(self, call: Call) -> Answer:
        """The dataset of this name, made or changed; with the lists that v1 clients insist on."""
        written = await self._write(call)
        nothing: dict[str, list[str]] = {"items": [], "runs": []}
        return Answer(lambda: dataset_shape(call.project_id, written) | nothing)

    async def _page(self, call: Call) -> tuple[Sequence[DatasetRead], dict[str, Any]]:
        asked = page(call.query)
        async with call.database.snapshot() as reader:
            total = await reader.whole_number(statement("count_datasets"), (call.project_id,))
            values = (call.project_id, asked.limit, asked.offset)
            found = await reader.rows(DatasetRead, statement("list_datasets"), values)
        return found, page_meta(asked, total)

    async def _write(self, call: Call) -> DatasetRead:
        """One that somebody else makes at the same time is changed instead. Raises ConflictError."""
        wanted = await asyncio.to_thread(read_dataset, call.body)
        for _ in range(_TRIES):
            async with self._turns, call.database.transaction() as writer:
                stored = await writer.row(DatasetRead, statement("lock_dataset"), (call.project_id, wanted.name))
                if stored is None:
                    written = await self._insert(writer, call.project_id, wanted)
                else:
                    written = await self._update(writer, call.project_id, stored, wanted)
            if written is not None:
                return written
        raise ConflictError("the dataset is being changed by others; try again")

    async def _insert(self, writer: Writer, project_id: str, wanted: NewDataset) -> DatasetRead | None:
        await self._checks.check_schemas(wanted.input_schema, wanted.expected_output_schema)
        return await writer.row(DatasetRead, statement("insert_dataset"), (project_id, uuid.uuid4().hex, *wanted))

    async def _update(
        self, writer: Writer, project_id: str, stored: DatasetRead, wanted: NewDataset
    ) -> DatasetRead | None:
        """What is not given stays. New schemas must fit the items that are there."""
        schemas = (
            wanted.input_schema or stored.input_schema,
            wanted.expected_output_schema or stored.expected_output_schema,
        )
        if schemas != (stored.input_schema, stored.expected_output_schema):
            await self._check_stored(writer, project_id, stored.id, schemas)
        values = (wanted.description or stored.description, wanted.metadata or stored.metadata, *schemas)
        return await writer.row(DatasetRead, statement("update_dataset"), (project_id, stored.id, *values))

    async def _check_stored(
        self, writer: Writer, project_id: str, dataset_id: str, schemas: tuple[str | None, str | None]
    ) -> None:
        await self._checks.check_schemas(*schemas)
        after = ""
        while True:
            values = (project_id, dataset_id, after, _CHECKED_AT_ONCE)
            items = await writer.rows(ItemRead, statement("next_dataset_items"), values)
            await self._checks.check_stored(schemas, items)
            if len(items) < _CHECKED_AT_ONCE:
                return
            after = items[-1].id


async def _names_of_runs(reader: Reader, project_id: str, dataset_id: str) -> list[str]:
    return [one.name for one in await reader.rows(RunName, _run_names, (project_id, dataset_id, MAX_LISTED))]
