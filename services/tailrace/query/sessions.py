"""GET /sessions and /sessions/{id}: sessions, and one with its traces."""

from typing import Any, Final

from starlette.datastructures import QueryParams

from tailrace.query.bodies import trace_bodies
from tailrace.query.database import Reader
from tailrace.query.endpoint import Answer, Call
from tailrace.query.errors import NotFoundError, TooMuchError
from tailrace.query.listing import page_meta
from tailrace.query.parameters import instant, page, texts
from tailrace.query.rows import SessionRead, TraceRead
from tailrace.query.sql import Where, statement
from tailrace.query.trace_shapes import session_v1, trace_core, trace_io

MAX_SESSION_TRACES: Final = 10_000


async def list_sessions(call: Call) -> Answer:
    """A counted page of sessions, newest first."""
    asked = page(call.query)
    where = _conditions(call.project_id, call.query)
    async with call.database.snapshot() as reader:
        total = await reader.whole_number(statement("count_sessions", where=str(where)), where.values)
        slots = {"limit": where.bind(asked.limit), "offset": where.bind(asked.offset)}
        found = await reader.rows(SessionRead, statement("list_sessions", where=str(where), **slots), where.values)

    def build() -> dict[str, Any]:
        return {"data": [session_v1(call.project_id, session) for session in found], "meta": page_meta(asked, total)}

    return Answer(build, len(found))


async def get_session(call: Call) -> Answer:
    """One session with its traces, without their observations and scores."""
    async with call.database.snapshot() as reader:
        session = await reader.row(SessionRead, statement("get_session"), (call.project_id, call.id))
        if session is None:
            raise NotFoundError("Session not found within authorized project")
        traces = await _traces_of(reader, call)
        bodies = await trace_bodies(reader, call.project_id, [trace.id for trace in traces])

    def build() -> dict[str, Any]:
        shapes = [trace_core(call.project_id, trace) | trace_io(bodies.get(trace.id)) for trace in traces]
        return session_v1(call.project_id, session) | {"traces": shapes}

    return Answer(build, 1 + len(traces))


def _conditions(project_id: str, query: QueryParams) -> Where:
    where = Where("s", project_id)
    where.compare("s.created_at", ">=", instant(query, "fromTimestamp"))
    where.compare("s.created_at", "<", instant(query, "toTimestamp"))
    where.any_of("s.environment", texts(query, "environment"))
    return where


async def _traces_of(reader: Reader, call: Call) -> list[TraceRead]:
    where = Where("t", call.project_id)
    where.compare("t.session_id", "=", call.id)
    slots = {"limit": where.bind(MAX_SESSION_TRACES + 1), "offset": where.bind(0)}
    query = statement("list_traces", where=str(where), order="t.timestamp, t.id", **slots)
    found = await reader.rows(TraceRead, query, where.values)
    if len(found) > MAX_SESSION_TRACES:
        raise TooMuchError(
            f"the session has more than {MAX_SESSION_TRACES} traces: list them at /traces with sessionId"
        )
    return found
