"""GET /observations, /observations/{id} and /v2/observations: single observations, and pages of them by number or by cursor."""

from datetime import timedelta
from typing import Any, Final

from tailrace.core.model import LEVELS, OBSERVATION_TYPES
from tailrace.query.bodies import observation_bodies
from tailrace.query.columns import OBSERVATION_COLUMNS
from tailrace.query.cursor import decode_cursor, encode_cursor
from tailrace.query.database import Reader
from tailrace.query.endpoint import Answer, Call
from tailrace.query.errors import InvalidRequestError, NotFoundError
from tailrace.query.listing import Listing, page_meta
from tailrace.query.observation_shapes import V2_DEFAULT_GROUPS, V2_GROUPS, observation_v1, observation_v2
from tailrace.query.parameters import choice, comma_list, flag, groups, page, text, whole_number
from tailrace.query.rows import ObservationBody, ObservationRead, TraceRead
from tailrace.query.sql import Where, statement

DAY_MARGIN: Final = timedelta(days=1)

_get_trace: Final = statement("get_trace")
_of_trace: Final = statement("list_trace_observations")


async def list_observations(call: Call) -> Answer:
    """A counted page of observations, newest first."""
    asked = page(call.query)
    where = _listing(call).where
    async with call.database.snapshot() as reader:
        await _within_trace(reader, call, where)
        total = await reader.whole_number(statement("count_observations", where=str(where)), where.values)
        found = await _read(reader, where, limit=asked.limit, offset=asked.offset)
        bodies = await observation_bodies(reader, call.project_id, found)

    def build() -> dict[str, Any]:
        shapes = [observation_v1(call.project_id, one, bodies.get((one.trace_id, one.id))) for one in found]
        return {"data": shapes, "meta": page_meta(asked, total)}

    return Answer(build, len(found))


async def get_observation(call: Call) -> Answer:
    """One observation by its id; of several traces with that id the newest has it."""
    where = Where("o", call.project_id)
    where.compare("o.id", "=", call.id)
    async with call.database.snapshot() as reader:
        found = await _read(reader, where, limit=1)
        if not found:
            raise NotFoundError("Observation not found within authorized project")
        bodies = await observation_bodies(reader, call.project_id, found)
    [one] = found
    return Answer(lambda: observation_v1(call.project_id, one, bodies.get((one.trace_id, one.id))))


async def list_observations_v2(call: Call) -> Answer:
    """A page of observations after a cursor, newest first, in the groups of fields that are asked for."""
    if flag(call.query, "parseIoAsJson"):
        raise InvalidRequestError("input and output are always strings here: leave this out", "parseIoAsJson")
    limit = whole_number(call.query, "limit", default=50, least=1, most=1000)
    asked = groups(call.query, V2_GROUPS, V2_DEFAULT_GROUPS)
    expanded = frozenset(comma_list(call.query, "expandMetadata"))
    where = _conditions_v2(call)
    async with call.database.snapshot() as reader:
        await _within_trace(reader, call, where)
        found = await _read(reader, where, limit=limit + 1)
        found, more = found[:limit], len(found) > limit
        with_io, with_bodies = "io" in asked, bool({"io", "metadata"} & asked)
        bodies = await observation_bodies(reader, call.project_id, found, with_io=with_io) if with_bodies else {}

    def build() -> dict[str, Any]:
        shapes = [
            observation_v2(call.project_id, one, bodies.get((one.trace_id, one.id), _no_body), asked, expanded)
            for one in found
        ]
        return {"data": shapes, "meta": {"cursor": _cursor_after(found[-1])} if more else {}}

    return Answer(build, len(found))


async def observations_of_trace(reader: Reader, project_id: str, trace: TraceRead) -> list[ObservationRead]:
    """All observations of a trace, by start."""
    if not trace.days:
        return []
    return await reader.rows(ObservationRead, _of_trace, (project_id, trace.id, min(trace.days), max(trace.days)))


_no_body: Final = ObservationBody(trace_id="", id="")


def _listing(call: Call) -> Listing:
    """What v1 and v2 have in common.

    An observation's row lies in the partition of the day on which it was first seen to start, and stays there. Its start can still move:
    nearly always to earlier, when the event that carries it comes after one without. So a lower bound of the start, with a day of margin,
    also bounds the day from below, and the partitions before it are left out; an upper bound would lose such rows and is not made.
    """
    choice(call.query, "type", OBSERVATION_TYPES)
    choice(call.query, "level", LEVELS)
    listing = Listing(Where("o", call.project_id), call.query, OBSERVATION_COLUMNS)
    listing.equal("name", "userId", "type", "traceId", "level", "version", "parentObservationId")
    listing.any_of("environment")
    listing.period("fromStartTime", "toStartTime", "startTime")
    earliest = listing.earliest("fromStartTime", "startTime")
    if earliest is not None:
        listing.where.compare("o.day", ">=", earliest.date() - DAY_MARGIN)
    return listing


def _conditions_v2(call: Call) -> Where:
    listing = _listing(call)
    listing.equal("sessionId")
    listing.flag("isRootObservation")
    listing.absent("parentObservationId")
    where = listing.where
    after = text(call.query, "cursor")
    if after is not None:
        at, id_, trace_id = decode_cursor(after, ids=2)
        position = f"{where.bind(at)}, {where.bind(id_)}, {where.bind(trace_id)}"
        where.add(f"(o.start_time, o.id, o.trace_id) < ({position})")
    return where


async def _within_trace(reader: Reader, call: Call, where: Where) -> None:
    """Where one trace is asked for, only the days that it knows its observations to lie in."""
    trace_id = text(call.query, "traceId")
    trace = None if trace_id is None else await reader.row(TraceRead, _get_trace, (call.project_id, trace_id))
    if trace is not None and trace.days:
        where.compare("o.day", ">=", min(trace.days))
        where.compare("o.day", "<=", max(trace.days))


async def _read(reader: Reader, where: Where, *, limit: int, offset: int = 0) -> list[ObservationRead]:
    slots = {"where": str(where), "limit": where.bind(limit), "offset": where.bind(offset)}
    return await reader.rows(ObservationRead, statement("list_observations", **slots), where.values)


def _cursor_after(one: ObservationRead) -> str:
    return encode_cursor(one.start_time, one.id, one.trace_id)
