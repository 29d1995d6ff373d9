"""`/api/public/comments`: what people say about traces, observations, sessions and prompts.

What is commented on is named by its id; whether it is there is not asked, as a trace may still be on its way.
"""

import uuid
from typing import Any, Final

from tailrace.query.endpoint import Answer, Call, Handler
from tailrace.query.errors import InvalidRequestError, NotFoundError
from tailrace.query.json_text import embed_instant
from tailrace.query.listing import page_meta
from tailrace.query.parameters import choice, page, text
from tailrace.query.request_body import RequestBody
from tailrace.query.rows import CommentRead
from tailrace.query.sql import Where, statement

MAX_CONTENT_CHARACTERS: Final = 5_000
MAX_OBJECT_ID_BYTES: Final = 800
MAX_ID_CHARACTERS: Final = 200
OBJECT_TYPES: Final = ("TRACE", "OBSERVATION", "SESSION", "PROMPT")


def comment_handlers() -> list[tuple[str, str, Handler]]:
    """Method, path and handler of each route."""
    return [
        ("GET", "/api/public/comments", list_comments),
        ("POST", "/api/public/comments", create_comment),
        ("GET", "/api/public/comments/{id:id}", get_comment),
    ]


async def list_comments(call: Call) -> Answer:
    """A counted page, the newest first."""
    asked = page(call.query)
    where = Where("m", call.project_id)
    object_type, object_id = choice(call.query, "objectType", OBJECT_TYPES), text(call.query, "objectId")
    if object_id is not None and object_type is None:
        raise InvalidRequestError("an object is named by its type and its id: give objectType too", "objectType")
    where.compare("m.object_type", "=", object_type)
    where.compare("m.object_id", "=", object_id)
    where.compare("m.author_user_id", "=", text(call.query, "authorUserId"))
    async with call.database.snapshot() as reader:
        total = await reader.whole_number(statement("count_comments", where=str(where)), where.values)
        slots = {"where": str(where), "limit": where.bind(asked.limit), "offset": where.bind(asked.offset)}
        found = await reader.rows(CommentRead, statement("list_comments", **slots), where.values)

    def build() -> dict[str, Any]:
        return {"data": [_comment(call.project_id, one) for one in found], "meta": page_meta(asked, total)}

    return Answer(build, len(found))


async def get_comment(call: Call) -> Answer:
    """One comment. Raises NotFoundError."""
    async with call.database.snapshot() as reader:
        found = await reader.row(CommentRead, statement("get_comment"), (call.project_id, call.id))
    if found is None:
        raise NotFoundError("Comment not found within authorized project")
    return Answer(lambda: _comment(call.project_id, found))


async def create_comment(call: Call) -> Answer:
    """A new comment; its project is the key's, and a body that names another is refused."""
    body = RequestBody(call.body)
    if body.has("projectId") and body.value("projectId") != call.project_id:
        body.fault("expected the project of the API key, got another", "projectId")
    object_type = body.required_choice("objectType", OBJECT_TYPES)
    object_id = body.text("objectId", MAX_OBJECT_ID_BYTES)
    if len(object_id.encode()) > MAX_OBJECT_ID_BYTES:
        body.fault(f"expected an id of at most {MAX_OBJECT_ID_BYTES} bytes, got a longer one", "objectId")
    content = body.text("content", MAX_CONTENT_CHARACTERS)
    author = body.optional_text("authorUserId", MAX_ID_CHARACTERS)
    body.check()
    values = (call.project_id, uuid.uuid4().hex, object_type, object_id, content, author)
    made = await call.database.write(CommentRead, statement("create_comment"), values)
    if made is None:
        raise NotFoundError("the comment could not be written")
    return Answer(lambda: {"id": made.id})


def _comment(project_id: str, one: CommentRead) -> dict[str, Any]:
    return {
        "id": one.id,
        "projectId": project_id,
        "objectType": one.object_type,
        "objectId": one.object_id,
        "content": one.content,
        "authorUserId": one.author_user_id,
        "createdAt": embed_instant(one.created_at),
        "updatedAt": embed_instant(one.updated_at),
    }
