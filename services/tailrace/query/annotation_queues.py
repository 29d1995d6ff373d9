"""`/api/public/annotation-queues`: what people are to look through, item by item, and who of them works on which queue.

Objects and people are named by their ids; whether there are such is not asked, as a trace may still be on its way.
"""

import uuid
from typing import Any, Final

import asyncpg

from tailrace.query.endpoint import Answer, Call, Handler
from tailrace.query.errors import ConflictError, NotFoundError
from tailrace.query.json_text import embed_instant
from tailrace.query.listing import page_meta
from tailrace.query.parameters import choice, page
from tailrace.query.request_body import RequestBody
from tailrace.query.rows import AnnotationQueueItemRead, AnnotationQueueRead, Found
from tailrace.query.sql import statement

MAX_NAME_CHARACTERS: Final = 200
MAX_DESCRIPTION_CHARACTERS: Final = 5_000
MAX_CONFIGS: Final = 100
MAX_ID_CHARACTERS: Final = 200
OBJECT_TYPES: Final = ("TRACE", "OBSERVATION", "SESSION")
STATUSES: Final = ("PENDING", "COMPLETED")

_queues: Final = "/api/public/annotation-queues"


def annotation_queue_handlers() -> list[tuple[str, str, Handler]]:
    """Method, path and handler of each route. What follows a queue's id is found from the right end."""
    items, assignments = f"{_queues}/{{id:id}}/items", f"{_queues}/{{id:id}}/assignments"
    return [
        ("GET", _queues, list_queues),
        ("POST", _queues, create_queue),
        ("GET", items, list_items),
        ("POST", items, create_item),
        ("GET", f"{items}/{{item_id:id}}", get_item),
        ("PATCH", f"{items}/{{item_id:id}}", update_item),
        ("DELETE", f"{items}/{{item_id:id}}", delete_item),
        ("POST", assignments, assign),
        ("DELETE", assignments, unassign),
        ("GET", f"{_queues}/{{id:id}}", get_queue),
    ]


async def list_queues(call: Call) -> Answer:
    """A counted page, the newest first."""
    asked = page(call.query)
    async with call.database.snapshot() as reader:
        total = await reader.whole_number(statement("count_annotation_queues"), (call.project_id,))
        values = (call.project_id, asked.limit, asked.offset)
        found = await reader.rows(AnnotationQueueRead, statement("list_annotation_queues"), values)
    return Answer(lambda: {"data": [*map(_queue, found)], "meta": page_meta(asked, total)}, len(found))


async def get_queue(call: Call) -> Answer:
    """One queue. Raises NotFoundError."""
    async with call.database.snapshot() as reader:
        found = await reader.row(AnnotationQueueRead, statement("get_annotation_queue"), (call.project_id, call.id))
    if found is None:
        raise _no_queue()
    return Answer(lambda: _queue(found))


async def create_queue(call: Call) -> Answer:
    """A new queue. Raises ConflictError when there is one of this name, NotFoundError when a score config is not there."""
    body = RequestBody(call.body)
    name = body.text("name", MAX_NAME_CHARACTERS)
    description = body.optional_text("description", MAX_DESCRIPTION_CHARACTERS)
    configs = [
        body.text_in(one, MAX_ID_CHARACTERS, "scoreConfigIds", at)
        for at, one in enumerate(body.list("scoreConfigIds", MAX_CONFIGS))
    ]
    body.check()
    values = (call.project_id, uuid.uuid4().hex, name, description, configs)
    try:
        made = await call.database.write(AnnotationQueueRead, statement("create_annotation_queue"), values)
    except asyncpg.UniqueViolationError:
        raise ConflictError(f"there is an annotation queue {name!r} already") from None
    if made is None:
        raise NotFoundError("At least one of the score configs was not found within authorized project")
    return Answer(lambda: _queue(made))


async def list_items(call: Call) -> Answer:
    """A counted page of a queue's items, the newest first. Raises NotFoundError."""
    asked = page(call.query)
    wanted = (call.project_id, call.id, choice(call.query, "status", STATUSES))
    async with call.database.snapshot() as reader:
        if await reader.row(AnnotationQueueRead, statement("get_annotation_queue"), wanted[:2]) is None:
            raise _no_queue()
        total = await reader.whole_number(statement("count_annotation_queue_items"), wanted)
        values = (*wanted, asked.limit, asked.offset)
        found = await reader.rows(AnnotationQueueItemRead, statement("list_annotation_queue_items"), values)
    return Answer(lambda: {"data": [*map(_item, found)], "meta": page_meta(asked, total)}, len(found))


async def get_item(call: Call) -> Answer:
    """One item. Raises NotFoundError."""
    values = (call.project_id, call.id, call.item_id)
    async with call.database.snapshot() as reader:
        return _found(await reader.row(AnnotationQueueItemRead, statement("get_annotation_queue_item"), values))


async def create_item(call: Call) -> Answer:
    """Put something into a queue. Raises NotFoundError."""
    body = RequestBody(call.body)
    object_id = body.text("objectId", MAX_ID_CHARACTERS * 4)
    object_type = body.required_choice("objectType", OBJECT_TYPES)
    status = body.choice("status", STATUSES) or "PENDING"
    body.check()
    values = (call.project_id, call.id, uuid.uuid4().hex, object_id, object_type, status)
    made = await call.database.write(AnnotationQueueItemRead, statement("create_annotation_queue_item"), values)
    if made is None:
        raise _no_queue()
    return _found(made)


async def update_item(call: Call) -> Answer:
    """An item with another status. Raises NotFoundError."""
    body = RequestBody(call.body)
    status = body.choice("status", STATUSES)
    body.check()
    values = (call.project_id, call.id, call.item_id, status)
    return _found(await call.database.write(AnnotationQueueItemRead, statement("update_annotation_queue_item"), values))


async def delete_item(call: Call) -> Answer:
    """Take an item out of its queue. Raises NotFoundError."""
    values = (call.project_id, call.id, call.item_id)
    _found(await call.database.write(AnnotationQueueItemRead, statement("delete_annotation_queue_item"), values))
    return Answer(lambda: {"success": True, "message": "Annotation queue item successfully deleted"})


async def assign(call: Call) -> Answer:
    """Let a person work on a queue. Raises NotFoundError."""
    user_id = _user_id(call)
    values = (call.project_id, call.id, user_id)
    if await call.database.write(Found, statement("assign_annotation_queue"), values) is None:
        raise _no_queue()
    return Answer(lambda: {"userId": user_id, "queueId": call.id, "projectId": call.project_id})


async def unassign(call: Call) -> Answer:
    """Let a person work on a queue no more. Raises NotFoundError."""
    values = (call.project_id, call.id, _user_id(call))
    if await call.database.write(Found, statement("unassign_annotation_queue"), values) is None:
        raise _no_queue()
    return Answer(lambda: {"success": True})


def _user_id(call: Call) -> str:
    body = RequestBody(call.body)
    user_id = body.text("userId", MAX_ID_CHARACTERS)
    body.check()
    return user_id


def _no_queue() -> NotFoundError:
    return NotFoundError("Annotation queue not found")


def _found(item: AnnotationQueueItemRead | None) -> Answer:
    if item is None:
        raise NotFoundError("Annotation queue item not found")
    return Answer(lambda: _item(item))


def _queue(one: AnnotationQueueRead) -> dict[str, Any]:
    return {
        "id": one.id,
        "name": one.name,
        "description": one.description,
        "scoreConfigIds": one.score_config_ids,
        "createdAt": embed_instant(one.created_at),
        "updatedAt": embed_instant(one.updated_at),
    }


def _item(one: AnnotationQueueItemRead) -> dict[str, Any]:
    return {
        "id": one.id,
        "queueId": one.queue_id,
        "objectId": one.object_id,
        "objectType": one.object_type,
        "status": one.status,
        "completedAt": embed_instant(one.completed_at),
        "createdAt": embed_instant(one.created_at),
        "updatedAt": embed_instant(one.updated_at),
    }
