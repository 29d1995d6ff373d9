"""`/api/public/models`: what models cost. A project's own ones are read, written and deleted; the shipped ones are read.

A write is one statement in Postgres; assemblers learn of it by themselves. The answer is given once the new prices hold for whatever is sent.
"""

import asyncio
import uuid
from typing import Any, Final

import asyncpg
import msgspec

from tailrace.core.own_models import EFFECTIVE_AFTER_US, MODEL_LOCK
from tailrace.core.price_file import PricedModel
from tailrace.query.endpoint import Answer, Call, Handler
from tailrace.query.errors import ConflictError, ForbiddenError, InvalidRequestError, NotFoundError
from tailrace.query.listing import page_meta
from tailrace.query.model_requests import NewModel, read_model
from tailrace.query.model_shapes import own_model, shipped_model
from tailrace.query.parameters import page
from tailrace.query.rows import OwnModelRead, OwnModelsTake
from tailrace.query.sql import statement

MAX_MODELS: Final = 1_000
MAX_PROGRAM: Final = 5_000
"""Instructions of all patterns of a project: what looking up one new name may cost its partition, some milliseconds at worst."""

MAX_VERSIONS: Final = 5_000
"""What assemblers keep of one project at most, current and lately replaced versions together."""

MAX_ID_CHARACTERS: Final = 200
_TRIES: Final = 5
_wait: Final = asyncio.sleep


class Models:
    """The handlers, over the shipped models. `kept_days`: for how long a replaced version is kept at hand by those who price."""

    def __init__(self, shipped: tuple[PricedModel, ...], *, kept_days: int) -> None:
        self._shipped = shipped
        self._by_id = {model.model: model for model in shipped}
        self._kept_days = kept_days

    def handlers(self) -> list[tuple[str, str, Handler]]:
        """Method, path and handler of each route."""
        return [
            ("GET", "/api/public/models", self.list),
            ("POST", "/api/public/models", self.create),
            ("GET", "/api/public/models/{id:id}", self.get),
            ("PUT", "/api/public/models/{id:id}", self.put),
            ("DELETE", "/api/public/models/{id:id}", self.delete),
        ]

    async def list(self, call: Call) -> Answer:
        """A counted page: the project's own models first, then the shipped ones."""
        asked = page(call.query)
        async with call.database.snapshot() as reader:
            own = await reader.rows(
                OwnModelRead, statement("list_own_models"), (call.project_id, asked.limit, asked.offset)
            )
            owned = await reader.whole_number(statement("count_own_models"), (call.project_id,))
        first = max(0, asked.offset - owned)
        shipped = self._shipped[first : first + asked.limit - len(own)]
        meta = page_meta(asked, owned + len(self._shipped))
        return Answer(
            lambda: {"data": [*map(own_model, own), *(shipped_model(one, call.now) for one in shipped)], "meta": meta},
            len(own) + len(shipped),
        )

    async def get(self, call: Call) -> Answer:
        """One model by its id, or by the name that rows tell. Raises NotFoundError."""
        async with call.database.snapshot() as reader:
            for name in ("get_own_model", "get_own_model_by_name"):
                own = await reader.row(OwnModelRead, statement(name), (call.project_id, call.id))
                if own is not None:
                    return _answer(own)
        shipped = self._by_id.get(call.id)
        if shipped is None:
            raise NotFoundError(f"there is no model {call.id!r}")
        return Answer(lambda: shipped_model(shipped, call.now))

    async def create(self, call: Call) -> Answer:
        """A new model under an id of its own."""
        return await self._write(call, uuid.uuid4().hex, await asyncio.to_thread(read_model, call.body))

    async def put(self, call: Call) -> Answer:
        """The model of this id, made or replaced. Raises ForbiddenError for a shipped one."""
        self._refuse_shipped(call.id)
        if not 0 < len(call.id) <= MAX_ID_CHARACTERS:
            raise InvalidRequestError(f"expected an id of 1 to {MAX_ID_CHARACTERS} characters", "id")
        return await self._write(call, call.id, await asyncio.to_thread(read_model, call.body))

    async def delete(self, call: Call) -> Answer:
        """Price by it no more; what it priced stays. Raises ForbiddenError for a shipped one, NotFoundError."""
        values = (call.project_id, call.id, MODEL_LOCK, EFFECTIVE_AFTER_US)
        if await self._change(call, "delete_own_model", values) is None:
            self._refuse_shipped(call.id)
            raise NotFoundError(f"there is no model {call.id!r}")
        return Answer(lambda: {"message": "Model successfully deleted"})

    def _refuse_shipped(self, id_: str) -> None:
        if id_ in self._by_id:
            raise ForbiddenError(
                f"{id_} comes with tailrace and can be neither changed nor deleted: create a model of your own, which goes before it"
            )

    async def _write(self, call: Call, id_: str, model: NewModel) -> Answer:
        await self._check_room(call, id_, model)
        values = (
            call.project_id,
            id_,
            model.model_name,
            model.match_pattern,
            model.start_date,
            model.unit,
            msgspec.json.encode(model.tiers).decode(),
            model.tokenizer_id,
            model.tokenizer_config,
            model.program,
            MODEL_LOCK,
            EFFECTIVE_AFTER_US,
        )
        written = await self._change(call, "write_own_model", values)
        if written is None:
            raise ConflictError(f"the model {id_!r} could not be written")
        return _answer(written)

    async def _change(self, call: Call, name: str, values: tuple[Any, ...]) -> OwnModelRead | None:
        """Write a version, and wait until it holds: what is sent after the answer is priced by it. Raises ConflictError."""
        for _ in range(_TRIES):
            try:
                written = await call.database.write(OwnModelRead, statement(name), values)
            except asyncpg.UniqueViolationError:
                continue  # somebody else wrote a version between this statement's look and its lock
            if written is not None:
                await _wait(EFFECTIVE_AFTER_US / 1_000_000)
            return written
        raise ConflictError("the model is being changed by others; try again")

    async def _check_room(self, call: Call, id_: str, model: NewModel) -> None:
        """Raises InvalidRequestError when the project has as much as its share of what pricing may take."""
        async with call.database.snapshot() as reader:
            take = await reader.row(
                OwnModelsTake, statement("measure_own_models"), (call.project_id, id_, self._kept_days)
            )
        if take is None:
            return
        if take.models >= MAX_MODELS:
            raise InvalidRequestError(
                f"expected at most {MAX_MODELS} models of your own, delete some first", "modelName"
            )
        if take.program + model.program > MAX_PROGRAM:
            raise InvalidRequestError(
                f"expected patterns of at most {MAX_PROGRAM} instructions in all models together, "
                f"got {model.program} beside the {take.program} that the others have",
                "matchPattern",
            )
        if take.versions >= MAX_VERSIONS:
            raise InvalidRequestError(
                f"expected at most {MAX_VERSIONS} changes of models within {self._kept_days} days; try again later",
                "modelName",
            )


def _answer(own: OwnModelRead) -> Answer:
    return Answer(lambda: own_model(own))
