"""`/api/public/v2/prompts`: versions of prompts are made, labelled, read, listed and deleted. The hottest read of the API is here, and answered from memory.

A write answers once no process answers from before it.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final
from weakref import WeakValueDictionary

import orjson
from starlette.datastructures import QueryParams

from tailrace.query.columns import PROMPT_COLUMNS
from tailrace.query.database import Writer
from tailrace.query.endpoint import Answer, Call, Handler
from tailrace.query.errors import InvalidRequestError, NotFoundError
from tailrace.query.filters import add_filter, parse_filter
from tailrace.query.listing import page_meta
from tailrace.query.parameters import MAX_PAGE, Page, flag, instant, text, whole_number
from tailrace.query.prompt_cache import Kept, Question
from tailrace.query.prompt_graph import includes_others
from tailrace.query.prompt_line import PromptLine
from tailrace.query.prompt_requests import read_new_labels, read_prompt
from tailrace.query.prompt_shapes import prompt_meta_shape, prompt_shape
from tailrace.query.prompt_store import (
    MAX_VERSION,
    Chosen,
    add_labels,
    chosen,
    create_version,
    delete_versions,
    find_version,
    read_graph,
    read_version,
)
from tailrace.query.rows import PromptMeta, PromptRead
from tailrace.query.sql import Where, statement
from tailrace.runtime import metrics

DEFAULT_LIMIT: Final = 10
TURN_SECONDS: Final = 10
"""Who waits longer for others that write prompts of the project is told to come back."""

PATH: Final = "/api/public/v2/prompts"
V1_PATH: Final = "/api/public/prompts"
_versions: Final = "/versions/"


class Prompts:
    """The handlers, over this process's end of the line."""

    def __init__(self, line: PromptLine) -> None:
        self._line = line
        self._cache = line.cache
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._from_memory = metrics.query_prompt_reads.labels("memory")
        self._from_postgres = metrics.query_prompt_reads.labels("postgres")

    def handlers(self) -> list[tuple[str, str, Handler]]:
        """Method, path and handler of each route."""
        return [
            ("GET", PATH, self.list),
            ("POST", PATH, self.create),
            ("PATCH", PATH + "/{id:id}", self.label),
            ("GET", PATH + "/{id:id}", self.get),
            ("DELETE", PATH + "/{id:id}", self.delete),
            ("GET", V1_PATH, self.get_v1),
            ("POST", V1_PATH, self.create),
        ]

    async def get(self, call: Call) -> Answer:
        """One version, by its number or a label, with all that it includes unless `resolve=false`. Raises NotFoundError."""
        version, label = _version(call.query), text(call.query, "label")
        if version is not None and label is not None:
            raise InvalidRequestError("expected either version or label, got both", "version")
        asked = chosen(call.project_id, call.id, version, label)
        return await self._read(call, asked, resolve=flag(call.query, "resolve") is not False)

    async def get_v1(self, call: Call) -> Answer:
        """The same by the parameters `name` and `version`. Raises NotFoundError."""
        name = text(call.query, "name")
        if name is None:
            raise InvalidRequestError("expected the name of a prompt, got nothing", "name")
        return await self._read(call, chosen(call.project_id, name, _version(call.query), None), resolve=True)

    async def list(self, call: Call) -> Answer:
        """A counted page of names, with what the versions that fit the filters have."""
        asked = Page(
            number=whole_number(call.query, "page", default=1, least=1, most=MAX_PAGE),
            limit=whole_number(call.query, "limit", default=DEFAULT_LIMIT, least=1, most=100),
        )
        where = _conditions(call)
        async with call.database.snapshot() as reader:
            total = await reader.whole_number(statement("count_prompts", where=str(where)), where.values)
            query = statement(
                "list_prompts", where=str(where), limit=where.bind(asked.limit), offset=where.bind(asked.offset)
            )
            found = await reader.rows(PromptMeta, query, where.values)
        meta = page_meta(asked, total)
        return Answer(
            lambda: {"data": [prompt_meta_shape(one) for one in found], "meta": meta, "pagination": meta}, len(found)
        )

    async def create(self, call: Call) -> Answer:
        """The next version of a name."""
        new = await asyncio.to_thread(read_prompt, call.body)
        async with self._writing(call) as writer:
            made = await create_version(writer, call.project_id, new)
        return _answer(call, made, status=201)

    async def label(self, call: Call) -> Answer:
        """Further labels for a version. Raises NotFoundError."""
        name, separator, number = call.id.rpartition(_versions)
        if not separator or not name:
            raise NotFoundError("there is no such route")
        if not (number.isascii() and number.isdigit() and len(number) <= 10 and int(number) <= MAX_VERSION):
            raise InvalidRequestError("expected the number of a version", "promptVersion")
        labels = await asyncio.to_thread(read_new_labels, call.body)
        async with self._writing(call) as writer:
            changed = await add_labels(writer, call.project_id, name, int(number), labels)
        return _answer(call, changed)

    async def delete(self, call: Call) -> Answer:
        """All versions of a name, or that of a number, or that with a label. Raises NotFoundError."""
        version, label = _version(call.query), text(call.query, "label")
        if version is not None and label is not None:
            raise InvalidRequestError("expected either version or label, got both", "version")
        async with self._writing(call) as writer:
            await delete_versions(writer, call.project_id, call.id, version, label)
        return Answer(b"", status=204)

    @asynccontextmanager
    async def _writing(self, call: Call) -> AsyncGenerator[Writer]:
        """A transaction; when the block is left, it is committed and every process knows."""
        write = self._line.begin()
        try:
            async with self._turn(call.project_id), call.database.transaction() as writer:
                yield writer
                await self._line.announce(writer, write)
            await self._line.settle(call.database, write)
        finally:
            self._line.end(write)

    @asynccontextmanager
    async def _turn(self, project_id: str) -> AsyncGenerator[None]:
        """Writers of one project would wait for each other in Postgres: here they hold no connection meanwhile. Raises TimeoutError."""
        turn = self._turns.setdefault(project_id, asyncio.Lock())
        async with asyncio.timeout(TURN_SECONDS):
            await turn.acquire()
        try:
            yield
        finally:
            turn.release()

    async def _read(self, call: Call, asked: Chosen, *, resolve: bool) -> Answer:
        question = Question(asked.project_id, asked.name, asked.version, asked.label, resolve)
        kept = self._cache.find(question)
        if kept is not None:
            self._from_memory.inc()
        else:
            changes = self._cache.changes
            kept = await _from_postgres(call, asked, resolve=resolve)
            self._from_postgres.inc()
            self._cache.keep(question, kept, changes=changes)
        if kept.answer is None:
            raise asked.missing()
        return Answer(kept.answer)


async def _from_postgres(call: Call, asked: Chosen, *, resolve: bool) -> Kept:
    """One statement where nothing is included, one snapshot where something is."""
    found = await find_version(call.database, asked)
    if found is None:
        return Kept(None)
    if not resolve or not includes_others(found):
        return Kept(orjson.dumps(prompt_shape(call.project_id, found)))
    async with call.database.snapshot() as reader:
        found = await read_version(reader, asked)
        if found is None:
            return Kept(None)
        graph = await read_graph(reader, call.project_id, found)
    shape = await asyncio.to_thread(lambda: orjson.dumps(prompt_shape(call.project_id, graph.root, graph.resolve())))
    return Kept(shape, frozenset(graph.names()))


def _answer(call: Call, one: PromptRead, *, status: int = 200) -> Answer:
    return Answer(lambda: prompt_shape(call.project_id, one), status=status)


def _version(query: QueryParams) -> int | None:
    if text(query, "version") is None:
        return None
    return whole_number(query, "version", default=0, least=0, most=MAX_VERSION)


def _conditions(call: Call) -> Where:
    """Which versions count. A `filter` takes the place of all other parameters."""
    where = Where("v", call.project_id)
    given = text(call.query, "filter")
    if given is not None:
        add_filter(where, PROMPT_COLUMNS, parse_filter(given))
        return where
    where.compare("v.name", "=", text(call.query, "name"))
    label, tag = text(call.query, "label"), text(call.query, "tag")
    if label is not None:
        where.compare(PROMPT_COLUMNS["labels"].sql, "@>", [label])
    if tag is not None:
        where.compare("p.tags", "@>", [tag])
    where.compare("v.updated_at", ">=", instant(call.query, "fromUpdatedAt"))
    where.compare("v.updated_at", "<", instant(call.query, "toUpdatedAt"))
    return where
