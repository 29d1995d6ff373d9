"""`/api/public/dataset-items`: items are written, read as they are or as they were, and deleted. Every state that an item had is kept."""

import asyncio
import uuid
from typing import Final, NamedTuple

import asyncpg
import orjson

from tailrace.query.bodies import observation_bodies, trace_bodies
from tailrace.query.database import Reader
from tailrace.query.dataset_paths import name_before
from tailrace.query.dataset_requests import FromTrace, NewItem, read_from_trace, read_item
from tailrace.query.dataset_rows import DatasetRead, ItemRead
from tailrace.query.dataset_shapes import item_shape
from tailrace.query.datasets import MAX_ANSWER_BYTES, find_asked_dataset, find_dataset
from tailrace.query.endpoint import Answer, Call
from tailrace.query.errors import ConflictError, InvalidRequestError, NotFoundError, TooMuchError
from tailrace.query.item_checks import ItemChecks
from tailrace.query.json_text import load_object
from tailrace.query.listing import page_meta
from tailrace.query.parameters import instant, page, text
from tailrace.query.rows import ObservationBody, ObservationRead, TraceBody, TraceRead
from tailrace.query.sql import Where, statement
from tailrace.wire.lenient_json import dump_json

_TRIES: Final = 5
_technical: Final = frozenset({"resourceAttributes", "scope", "attributes"})
_observation: Final = statement(
    "list_observations", where="o.project_id = $1 and o.trace_id = $2 and o.id = $3", limit="1", offset="0"
)


class DatasetItems:
    """The handlers of items."""

    def __init__(self, checks: ItemChecks) -> None:
        self._checks = checks

    async def list(self, call: Call) -> Answer:
        """A counted page of active items, newest first; with `version`, as a dataset was at that instant."""
        asked = page(call.query)
        version = instant(call.query, "version")
        if version is not None and text(call.query, "datasetName") is None:
            raise InvalidRequestError("a version is one of a dataset: give datasetName too", "version")
        if version is not None:
            await _wait_for_writers(call)
        async with call.database.snapshot() as reader:
            where = await _conditions(reader, call)
            total = await reader.whole_number(statement("count_dataset_items", where=str(where)), where.values)
            slots = {"where": str(where), "limit": where.bind(asked.limit), "offset": where.bind(asked.offset)}
            if await reader.whole_number(statement("size_dataset_items", **slots), where.values) > MAX_ANSWER_BYTES:
                raise TooMuchError("the items of this page are too large for one answer: lower `limit`")
            found = await reader.rows(ItemRead, statement("list_dataset_items", **slots), where.values)
        return Answer(lambda: {"data": [*map(item_shape, found)], "meta": page_meta(asked, total)}, len(found))

    async def get(self, call: Call) -> Answer:
        """One item as it is now, also an archived one."""
        async with call.database.snapshot() as reader:
            found = await reader.row(ItemRead, statement("get_dataset_item"), (call.project_id, call.id))
        if found is None:
            raise NotFoundError("Dataset item not found")
        return Answer(lambda: item_shape(found))

    async def put(self, call: Call) -> Answer:
        """The item of this id, made or changed; what is not given, or null, stays."""
        wanted = await asyncio.to_thread(read_item, call.body)
        written = await self._write(call, wanted)
        return Answer(lambda: item_shape(written))

    async def delete(self, call: Call) -> Answer:
        """The item is gone from now on; older versions of its dataset still have it."""
        async with call.database.transaction() as writer:
            found = await writer.row(ItemRead, statement("get_dataset_item"), (call.project_id, call.id))
            if found is None:
                raise NotFoundError("Dataset item not found")
            await writer.row(DatasetRead, statement("lock_dataset_by_id"), (call.project_id, found.dataset_id))
            if not await writer.execute(statement("delete_dataset_item"), (call.project_id, call.id)):
                raise NotFoundError("Dataset item not found")
        return Answer(lambda: {"message": "Dataset item successfully deleted"})

    async def put_from_trace(self, call: Call) -> Answer:
        """An item made of what a trace, or one of its observations, was asked and answered."""
        dataset_name = name_before(call.raw_path, "/api/tailrace/v1/datasets/", "/items/from-trace")
        wanted = await asyncio.to_thread(read_from_trace, call.body)
        async with call.database.snapshot() as reader:
            await find_dataset(reader, call.project_id, dataset_name)
            body = await _body_of(reader, call.project_id, wanted)
        item = NewItem(
            dataset_name=dataset_name,
            id=wanted.id,
            input=await asyncio.to_thread(_as_json, body.input),
            expected_output=wanted.expected_output or await asyncio.to_thread(_as_json, body.output),
            metadata=wanted.metadata or _own_metadata(body.metadata),
            source_trace_id=wanted.trace_id,
            source_observation_id=wanted.observation_id,
            status=wanted.status,
        )
        written = await self._write(call, item)
        return Answer(lambda: item_shape(written))

    async def _write(self, call: Call, wanted: NewItem) -> ItemRead:
        """Raises NotFoundError without the dataset, ConflictError for an id of another one, InvalidBodyError for what no schema allows."""
        id_ = wanted.id or uuid.uuid4().hex
        for left in reversed(range(_TRIES)):
            checked = None if left == 0 else await self._check(call, id_, wanted)
            try:
                written = await self._try_to_write(call, id_, wanted, checked)
            except asyncpg.UniqueViolationError:
                continue  # somebody made an item of this id in another dataset at the same time
            if written is not None:
                return written
        raise ConflictError("the item is being changed by others; try again")

    async def _check(self, call: Call, id_: str, wanted: NewItem) -> "_Checked":
        """Check before the dataset is locked, so that a slow schema holds up nobody."""
        async with call.database.snapshot() as reader:
            dataset = await find_dataset(reader, call.project_id, wanted.dataset_name)
            stored = await reader.row(ItemRead, statement("get_dataset_item"), (call.project_id, id_))
        checked = _checked(dataset, _merge(stored, wanted))
        await self._checks.check_item(*checked)
        return checked

    async def _try_to_write(self, call: Call, id_: str, wanted: NewItem, checked: "_Checked | None") -> ItemRead | None:
        """None if what is to be written is not what was checked: others have changed the item or its dataset since."""
        async with call.database.transaction() as writer:
            dataset = await writer.row(DatasetRead, statement("lock_dataset"), (call.project_id, wanted.dataset_name))
            if dataset is None:
                raise NotFoundError("Dataset not found")
            stored = await writer.row(ItemRead, statement("get_dataset_item"), (call.project_id, id_))
            if stored is not None and stored.dataset_id != dataset.id:
                raise ConflictError(f"the item {id_!r} belongs to another dataset, {stored.dataset_name!r}")
            state = _merge(stored, wanted)
            if stored is not None and state == _state_of(stored):
                return stored
            if checked is None:
                await self._checks.check_item(*_checked(dataset, state))
            elif checked != _checked(dataset, state):
                return None
            return await writer.row(
                ItemRead, statement("write_dataset_item"), (call.project_id, id_, dataset.id, *state)
            )


class _Checked(NamedTuple):
    """What was checked: schemas and values, in order of the input and the expected output."""

    schemas: tuple[str | None, str | None]
    values: tuple[str | None, str | None]


def _checked(dataset: DatasetRead, state: "State") -> _Checked:
    return _Checked((dataset.input_schema, dataset.expected_output_schema), (state[1], state[2]))


State = tuple[str, str | None, str | None, str | None, str | None, str | None]


def _state_of(item: ItemRead) -> State:
    return (
        item.status,
        item.input,
        item.expected_output,
        item.metadata,
        item.source_trace_id,
        item.source_observation_id,
    )


def _merge(stored: ItemRead | None, wanted: NewItem) -> State:
    """What is not given stays as it was."""
    before: State = ("ACTIVE", None, None, None, None, None) if stored is None else _state_of(stored)
    given = (
        wanted.status,
        wanted.input,
        wanted.expected_output,
        wanted.metadata,
        wanted.source_trace_id,
        wanted.source_observation_id,
    )
    status, *rest = (old if new is None else new for old, new in zip(before, given, strict=True))
    return (status or "ACTIVE", rest[0], rest[1], rest[2], rest[3], rest[4])


async def _wait_for_writers(call: Call) -> None:
    """What is read after this of an instant that has passed never changes any more."""
    async with call.database.transaction() as writer:
        dataset = await find_asked_dataset(writer, call.project_id, call.query, "datasetName")
        if dataset is not None:
            await writer.row(DatasetRead, statement("wait_for_writers"), (call.project_id, dataset.name))


async def _conditions(reader: Reader, call: Call) -> Where:
    dataset = await find_asked_dataset(reader, call.project_id, call.query, "datasetName")
    where = Where("i", call.project_id)
    where.compare("i.dataset_id", "=", None if dataset is None else dataset.id)
    where.compare("i.source_trace_id", "=", text(call.query, "sourceTraceId"))
    where.compare("i.source_observation_id", "=", text(call.query, "sourceObservationId"))
    where.add("i.status = 'ACTIVE'")
    version = instant(call.query, "version")
    if version is None:
        where.add("i.valid_to is null")
    else:
        at = where.bind(version)
        where.add(f"i.valid_from <= {at} and (i.valid_to is null or i.valid_to > {at})")
    return where


async def _body_of(reader: Reader, project_id: str, wanted: FromTrace) -> TraceBody | ObservationBody:
    """Input, output and metadata of the trace or the observation. Raises NotFoundError."""
    if wanted.observation_id is None:
        if await reader.row(TraceRead, statement("get_trace"), (project_id, wanted.trace_id)) is None:
            raise NotFoundError("Trace not found within authorized project")
        bodies = await trace_bodies(reader, project_id, [wanted.trace_id])
        return bodies.get(wanted.trace_id, TraceBody(trace_id=wanted.trace_id))
    values = (project_id, wanted.trace_id, wanted.observation_id)
    found = await reader.rows(ObservationRead, _observation, values)
    if not found:
        raise NotFoundError("Observation not found within authorized project")
    of_observations = await observation_bodies(reader, project_id, found)
    key = (wanted.trace_id, wanted.observation_id)
    return of_observations.get(key, ObservationBody(trace_id=key[0], id=key[1]))


def _as_json(stored: str | None) -> str | None:
    """A stored input or output as JSON text: itself if it is JSON, else a string."""
    if stored is None:
        return None
    try:
        orjson.loads(stored)
    except orjson.JSONDecodeError:
        return dump_json(stored)
    return stored


def _own_metadata(stored: str | None) -> str | None:
    """What the application itself said, without what is told of its process."""
    own = {key: value for key, value in load_object(stored).items() if key not in _technical}
    return dump_json(own) if own else None
