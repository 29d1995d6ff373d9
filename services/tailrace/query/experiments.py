"""GET /experiments and /experiment-items: what ran when, by cursor, wherever it was told: by spans, by calls, or by both."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from tailrace.query.bodies import Location, observation_bodies, trace_bodies
from tailrace.query.columns import Column
from tailrace.query.cursor import decode_cursor, encode_cursor
from tailrace.query.database import Reader
from tailrace.query.dataset_rows import ExecutionRead, ExperimentRead
from tailrace.query.dataset_shapes import execution_shape, experiment_shape
from tailrace.query.endpoint import Answer, Call
from tailrace.query.errors import InvalidRequestError
from tailrace.query.executions import statement_on_executions
from tailrace.query.listing import Listing
from tailrace.query.parameters import comma_list, groups, text, whole_number
from tailrace.query.rows import ObservationBody, ScoreRead
from tailrace.query.score_shapes import V3_GROUPS, score_v3
from tailrace.query.sql import Where, statement

MAX_SCORES: Final = 50
DAY_MARGIN: Final = timedelta(days=1)
"""See `observations`: an observation may lie in the partition of the day before its start."""

EXPERIMENT_GROUPS: Final = ("core", "metadata", "scores")
ITEM_GROUPS: Final = ("core", "dataset", "io", "metadata", "itemMetadata", "experimentMetadata", "scores")

_experiment_columns: Final[Mapping[str, Column]] = {
    "id": Column("text", "e.run_id"),
    "name": Column("text", "e.run_name"),
    "datasetId": Column("text", "e.dataset_id"),
    "startTime": Column("instant", "e.at"),
}
_item_columns: Final[Mapping[str, Column]] = {
    "experimentId": Column("text", "e.run_id"),
    "experimentName": Column("text", "e.run_name"),
    "experimentItemId": Column("text", "e.item_id"),
    "datasetId": Column("text", "e.dataset_id"),
    "startTime": Column("instant", "e.at"),
}


async def list_experiments(call: Call) -> Answer:
    """A page of experiments, by their last activity. What they are is told by the executions of the period alone."""
    limit, asked, most = _limit(call), _groups(call, EXPERIMENT_GROUPS, ("core",)), _score_limit(call)
    where, days = _conditions(call, _experiment_columns, ("id", "name", "datasetId"))
    cursor = text(call.query, "cursor")
    after = "true"
    if cursor is not None:
        at, id_ = decode_cursor(cursor, ids=1)
        after = f"(f.ended_at, f.id) < ({where.bind(at)}, {where.bind(id_)})"
    slots = {"after": after, "limit": where.bind(limit + 1)}
    async with call.database.snapshot() as reader:
        query = statement_on_executions("list_experiments", where, days, **slots)
        found = await reader.rows(ExperimentRead, query, where.values)
        found, more = found[:limit], len(found) > limit
        scores: Sequence[ScoreRead] = ()
        if "scores" in asked and found:
            values = (call.project_id, [one.id for one in found], most)
            scores = await reader.rows(ScoreRead, statement("list_scores_of_runs"), values)

    def build() -> dict[str, Any]:
        shapes = [experiment_shape(one, with_metadata="metadata" in asked) for one in found]
        if "scores" in asked:
            for one, shape in zip(found, shapes, strict=True):
                shape["scores"] = [_score(call, score) for score in scores if score.dataset_run_id == one.id]
        return {"data": shapes, "meta": _meta(limit, encode_cursor(found[-1].ended_at, found[-1].id) if more else None)}

    return Answer(build, len(found))


async def list_experiment_items(call: Call) -> Answer:
    """A page of executions of items, newest first, in the groups of fields that are asked for."""
    limit, asked, most = _limit(call), _groups(call, ITEM_GROUPS, ("core", "dataset")), _score_limit(call)
    names = ("experimentId", "experimentName", "experimentItemId", "datasetId")
    where, days = _conditions(call, _item_columns, names)
    cursor = text(call.query, "cursor")
    if cursor is not None:
        at, *ids = decode_cursor(cursor, ids=3)
        position = ", ".join(where.bind(value) for value in (at, *ids))
        where.add(f"(e.at, e.trace_id, e.item_id, e.run_id) < ({position})")
    async with call.database.snapshot() as reader:
        query = statement_on_executions("list_executions", where, days, limit=where.bind(limit + 1))
        found = await reader.rows(ExecutionRead, query, where.values)
        found, more = found[:limit], len(found) > limit
        with_bodies = bool({"io", "metadata"} & asked)
        bodies = await _bodies(reader, call.project_id, found) if with_bodies else {}
        scores = await _scores(reader, call.project_id, found, most) if "scores" in asked else {}

    def build() -> dict[str, Any]:
        shapes = [execution_shape(one, bodies.get(_key(one), _no_bodies), asked) for one in found]
        if "scores" in asked:
            for one, shape in zip(found, shapes, strict=True):
                shape["scores"] = [_score(call, score) for score in scores.get(_key(one), ())]
        return {"data": shapes, "meta": _meta(limit, _cursor_after(found[-1]) if more else None)}

    return Answer(build, len(found))


_Key = tuple[str, str | None]
_Bodies = tuple[str | None, str | None, str | None]
_no_bodies: Final[_Bodies] = (None, None, None)


def _key(one: ExecutionRead) -> _Key:
    return one.trace_id, one.observation_id


async def _bodies(reader: Reader, project_id: str, found: Sequence[ExecutionRead]) -> dict[_Key, _Bodies]:
    """Of the root observations; of the trace itself where it has none."""
    rooted = [
        Location(one.day, one.trace_id, one.observation_id)
        for one in found
        if one.observation_id is not None and one.day is not None
    ]
    observed = await observation_bodies(reader, project_id, rooted)
    bodies: dict[_Key, _Bodies] = {key: _of(body) for key, body in observed.items()}
    bare = [one.trace_id for one in found if one.observation_id is None]
    if bare:
        traces = await trace_bodies(reader, project_id, bare)
        bodies |= {(id_, None): (body.input, body.output, body.metadata) for id_, body in traces.items()}
    return bodies


def _of(body: ObservationBody) -> _Bodies:
    return body.input, body.output, body.metadata


async def _scores(
    reader: Reader, project_id: str, found: Sequence[ExecutionRead], most: int
) -> dict[_Key, list[ScoreRead]]:
    """The scores of each execution: of its trace as a whole, and of its root observation."""
    keys = list({_key(one) for one in found})
    values = (project_id, [trace_id for trace_id, _ in keys], [id_ for _, id_ in keys], most)
    by_trace: dict[str | None, dict[str, ScoreRead]] = {}
    for score in await reader.rows(ScoreRead, statement("list_scores_of_executions"), values):
        by_trace.setdefault(score.trace_id, {})[score.id] = score
    return {
        (trace_id, id_): [score for score in by_trace.get(trace_id, {}).values() if score.observation_id in (None, id_)]
        for trace_id, id_ in keys
    }


def _conditions(call: Call, columns: Mapping[str, Column], names: Sequence[str]) -> tuple[Where, str]:
    """Conditions on executions, and the bound of the partitions that follows from them."""
    where = Where("e", call.project_id)
    listing = Listing(where, call.query, columns)
    for name in names:
        listing.where.any_of(columns[name].sql, comma_list(call.query, name))
    listing.period("fromStartTime", "toStartTime", "startTime")
    earliest: datetime | None = listing.earliest("fromStartTime", "startTime")
    return where, "" if earliest is None else f"o.day >= {where.bind(earliest.date() - DAY_MARGIN)}"


def _limit(call: Call) -> int:
    return whole_number(call.query, "limit", default=50, least=1, most=100)


def _score_limit(call: Call) -> int:
    return whole_number(call.query, "scoreLimit", default=MAX_SCORES, least=1, most=MAX_SCORES)


def _groups(call: Call, known: Sequence[str], default: Sequence[str]) -> frozenset[str]:
    unknown = sorted(set(comma_list(call.query, "fields")) - set(known))
    if unknown:
        raise InvalidRequestError(f"expected groups of {', '.join(known)}", "fields")
    return groups(call.query, known, default)


def _score(call: Call, score: ScoreRead) -> dict[str, Any]:
    return score_v3(call.project_id, score, frozenset(V3_GROUPS))


def _cursor_after(one: ExecutionRead) -> str:
    return encode_cursor(one.at, one.trace_id, one.item_id, one.run_id)


def _meta(limit: int, cursor: str | None) -> dict[str, Any]:
    return {"limit": limit} | ({"cursor": cursor} if cursor is not None else {})
