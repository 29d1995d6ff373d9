"""GET /traces and /traces/{id}: traces with the ids, or the objects, of what belongs to them."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final

from tailrace.query.bodies import observation_bodies, trace_bodies
from tailrace.query.columns import TRACE_COLUMNS
from tailrace.query.database import Reader
from tailrace.query.endpoint import Answer, Call
from tailrace.query.errors import NotFoundError, TooMuchError
from tailrace.query.listing import Listing, page_meta
from tailrace.query.observation_shapes import observation_v1
from tailrace.query.observations import observations_of_trace
from tailrace.query.parameters import groups, order, page
from tailrace.query.rows import IdOfTrace, TraceRead
from tailrace.query.score_shapes import score_v1
from tailrace.query.scores import scores_of_trace
from tailrace.query.sql import Where, statement
from tailrace.query.trace_shapes import TRACE_GROUPS, trace_v1

MAX_LISTED_IDS: Final = 250_000
"""Observation ids in one answer."""

_get: Final = statement("get_trace")
_observation_ids: Final = statement("list_observation_ids")
_score_ids: Final = statement("list_score_ids")
_never_null: Final = ("timestamp", "id")
_orders: Final = {
    **{
        name: TRACE_COLUMNS[name].sql
        for name in ("timestamp", "id", "name", "userId", "sessionId", "release", "version")
    },
    **{
        name: TRACE_COLUMNS[name].sql
        for name in ("environment", "public", "bookmarked", "tags", "latency", "totalCost")
    },
    "createdAt": "t.created_at",
    "updatedAt": "t.updated_at",
}


async def list_traces(call: Call) -> Answer:
    """A counted page of traces."""
    asked_page, asked = page(call.query), groups(call.query, TRACE_GROUPS, TRACE_GROUPS)
    ordering = _order_by(*order(call.query, "orderBy", _orders, "timestamp.desc"))
    where = _conditions(call)
    count = statement("count_traces", where=str(where)), list(where.values)
    slots = {"limit": where.bind(asked_page.limit), "offset": where.bind(asked_page.offset)}
    async with call.database.snapshot() as reader:
        traces = await reader.rows(
            TraceRead, statement("list_traces", where=str(where), order=ordering, **slots), where.values
        )
        total = await reader.whole_number(*count)
        ids = [trace.id for trace in traces]
        bodies = await trace_bodies(reader, call.project_id, ids) if "io" in asked else {}
        observations = await _ids_of_observations(reader, call, traces) if "observations" in asked else {}
        scores = await _ids_by_trace(reader, _score_ids, (call.project_id, ids)) if "scores" in asked else {}

    def build() -> dict[str, Any]:
        shapes = [
            trace_v1(
                call.project_id,
                trace,
                bodies.get(trace.id),
                asked,
                observations=observations.get(trace.id, ()),
                scores=scores.get(trace.id, ()),
            )
            for trace in traces
        ]
        return {"data": shapes, "meta": page_meta(asked_page, total)}

    return Answer(build, len(traces))


async def get_trace(call: Call) -> Answer:
    """One trace with its observations and scores in full."""
    asked = groups(call.query, TRACE_GROUPS, TRACE_GROUPS)
    async with call.database.snapshot() as reader:
        trace = await find_trace(reader, call)
        observations = await observations_of_trace(reader, call.project_id, trace) if "observations" in asked else []
        scores = await scores_of_trace(reader, call.project_id, trace.id) if "scores" in asked else []
        io = "io" in asked
        body = (await trace_bodies(reader, call.project_id, [trace.id])).get(trace.id) if io else None
        bodies = await observation_bodies(reader, call.project_id, observations) if io else {}

    def build() -> dict[str, Any]:
        return trace_v1(
            call.project_id,
            trace,
            body,
            asked,
            observations=[
                observation_v1(call.project_id, one, bodies.get((one.trace_id, one.id))) for one in observations
            ],
            scores=[score_v1(score) for score in scores],
        )

    return Answer(build, 1 + len(observations) + len(scores))


async def find_trace(reader: Reader, call: Call) -> TraceRead:
    """The trace that the path names. Raises NotFoundError."""
    trace = await reader.row(TraceRead, _get, (call.project_id, call.id))
    if trace is None:
        raise NotFoundError(f"Trace {call.id} not found within authorized project")
    return trace


def _conditions(call: Call) -> Where:
    where = Where("t", call.project_id)
    listing = Listing(where, call.query, TRACE_COLUMNS)
    listing.equal("userId", "name", "sessionId", "version", "release")
    listing.any_of("environment")
    listing.has_all("tags", "tags")
    listing.period("fromTimestamp", "toTimestamp", "timestamp")
    return where


def _order_by(field: str, direction: str) -> str:
    nulls = "" if field in _never_null else " nulls last"
    return f"{_orders[field]} {direction}{nulls}, t.id {direction}"


async def _ids_of_observations(reader: Reader, call: Call, traces: Sequence[TraceRead]) -> dict[str, list[str]]:
    count = sum(trace.observation_count for trace in traces)
    if count > MAX_LISTED_IDS:
        raise TooMuchError(
            f"the answer would hold {count} observation ids, more than {MAX_LISTED_IDS}: lower `limit`, or leave observations out of `fields`"
        )
    days = [day for trace in traces for day in trace.days]
    if not days:
        return {}
    ids = [trace.id for trace in traces]
    return await _ids_by_trace(reader, _observation_ids, (call.project_id, ids, min(days), max(days)))


async def _ids_by_trace(reader: Reader, query: str, values: Sequence[Any]) -> dict[str, list[str]]:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for one in await reader.rows(IdOfTrace, query, values):
        found[one.trace_id].append(one.id)
    return found
