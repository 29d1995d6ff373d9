"""GET /scores, /v2/scores and /v3/scores: scores by number of page or by cursor, and single ones."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from starlette.datastructures import QueryParams

from tailrace.core.model import SCORE_DATA_TYPES, SCORE_SOURCES
from tailrace.query.columns import SCORE_COLUMNS
from tailrace.query.cursor import decode_cursor, encode_cursor
from tailrace.query.database import Reader
from tailrace.query.endpoint import Answer, Call
from tailrace.query.errors import InvalidRequestError, NotFoundError, TooMuchError
from tailrace.query.listing import Listing, page_meta
from tailrace.query.parameters import (
    choice,
    comma_list,
    finite_number,
    groups,
    number,
    page,
    text,
    texts,
    whole_number,
)
from tailrace.query.rows import ScoreRead
from tailrace.query.score_shapes import V2_GROUPS, V3_GROUPS, score_in_list, score_in_list_v1, score_v1, score_v3
from tailrace.query.sql import Where, statement

MAX_TRACE_SCORES: Final = 50_000

_operators: Final[Mapping[str, str]] = {"=": "=", "!=": "<>", "<": "<", ">": ">", "<=": "<=", ">=": ">="}
_v1_only: Final = "s.trace_id is not null and s.data_type <> 'CORRECTION'"
"""v1 knows scores of traces only, and its clients fail to parse a whole answer that holds a correction."""

_v3_lists: Final[Mapping[str, str]] = {
    "id": "s.id",
    "name": "s.name",
    "source": "s.source",
    "dataType": "s.data_type",
    "environment": "s.environment",
    "configId": "s.config_id",
    "queueId": "s.queue_id",
    "authorUserId": "s.author_user_id",
    "traceId": "s.trace_id",
    "sessionId": "s.session_id",
    "observationId": "s.observation_id",
    "experimentId": "s.dataset_run_id",
}
_v3_upper: Final = frozenset({"source", "dataType"})
_v3_others: Final = frozenset(
    {"limit", "cursor", "fields", "value", "valueMin", "valueMax", "fromTimestamp", "toTimestamp"}
)
_v3_subjects: Final = ("traceId", "sessionId", "experimentId")


async def list_scores_v1(call: Call) -> Answer:
    """A counted page of the scores of traces, newest first."""
    listing = _listing(call)
    listing.where.add(_v1_only)
    return await _page(call, listing.where, score_in_list_v1)


async def list_scores_v2(call: Call) -> Answer:
    """A counted page of all scores, newest first."""
    asked = groups(call.query, V2_GROUPS, V2_GROUPS)
    if "trace" not in asked and (text(call.query, "userId") or texts(call.query, "traceTags")):
        raise InvalidRequestError("filters on the trace need `trace` in fields", "fields")
    listing = _listing(call)
    listing.equal("sessionId", "datasetRunId", "traceId")
    listing.where.any_of("s.observation_id", comma_list(call.query, "observationId"))
    return await _page(call, listing.where, lambda score: score_in_list(score, asked))


async def get_score_v1(call: Call) -> Answer:
    """One score of a trace."""
    return await _one(call, _v1_only)


async def get_score_v2(call: Call) -> Answer:
    """One score."""
    return await _one(call, None)


async def list_scores_v3(call: Call) -> Answer:
    """A page of scores after a cursor, newest first, each value in the type of its `dataType`."""
    limit = whole_number(call.query, "limit", default=50, least=1, most=100)
    asked = comma_list(call.query, "fields")
    if not set(asked) <= set(V3_GROUPS):
        raise InvalidRequestError(f"expected groups of {', '.join(V3_GROUPS)}", "fields")
    where = _conditions_v3(call)
    async with call.database.snapshot() as reader:
        found = await _read(reader, where, limit=limit + 1)
    found, more = found[:limit], len(found) > limit
    cursor = {"cursor": encode_cursor(found[-1].timestamp, found[-1].id)} if more else {}

    def build() -> dict[str, Any]:
        shapes = [score_v3(call.project_id, score, frozenset(asked)) for score in found]
        return {"data": shapes, "meta": {"limit": limit, **cursor}}

    return Answer(build, len(found))


async def scores_of_trace(reader: Reader, project_id: str, trace_id: str) -> list[ScoreRead]:
    """The scores of a trace and of its observations, newest first. Raises TooMuchError."""
    where = Where("s", project_id)
    where.compare("s.trace_id", "=", trace_id)
    where.add(_v1_only)
    found = await _read(reader, where, limit=MAX_TRACE_SCORES + 1)
    if len(found) > MAX_TRACE_SCORES:
        raise TooMuchError(
            f"the trace has more than {MAX_TRACE_SCORES} scores: leave scores out of `fields`, and list them"
        )
    return found


def _listing(call: Call) -> Listing:
    """What v1 and v2 have in common."""
    choice(call.query, "dataType", SCORE_DATA_TYPES)
    choice(call.query, "source", SCORE_SOURCES)
    listing = Listing(Where("s", call.project_id), call.query, SCORE_COLUMNS)
    listing.equal("userId", "name", "source", "configId", "queueId", "dataType")
    listing.any_of("environment")
    listing.period("fromTimestamp", "toTimestamp", "timestamp")
    listing.has_all("traceTags", "traceTags")
    listing.where.any_of("s.id", comma_list(call.query, "scoreIds"))
    operator = choice(call.query, "operator", _operators)
    value = number(call.query, "value")
    if operator is not None and value is not None:
        listing.where.compare("s.value", _operators[operator], value)
    return listing


async def _page(call: Call, where: Where, shape: Callable[[ScoreRead], dict[str, Any]]) -> Answer:
    asked_page = page(call.query)
    async with call.database.snapshot() as reader:
        total = await reader.whole_number(statement("count_scores", where=str(where)), where.values)
        found = await _read(reader, where, limit=asked_page.limit, offset=asked_page.offset)

    def build() -> dict[str, Any]:
        return {"data": [shape(score) for score in found], "meta": page_meta(asked_page, total)}

    return Answer(build, len(found))


async def _one(call: Call, condition: str | None) -> Answer:
    where = Where("s", call.project_id)
    where.compare("s.id", "=", call.id)
    if condition is not None:
        where.add(condition)
    async with call.database.snapshot() as reader:
        found = await _read(reader, where, limit=1)
    if not found:
        raise NotFoundError("Score not found within authorized project")
    return Answer(lambda: score_v1(found[0]))


def _conditions_v3(call: Call) -> Where:
    query = call.query
    unknown = sorted(set(query) - set(_v3_lists) - _v3_others)
    if unknown:
        raise InvalidRequestError("there is no such parameter", unknown[0])
    where = Where("s", call.project_id)
    given: dict[str, list[str]] = {}
    for name, column in _v3_lists.items():
        values = comma_list(query, name)
        given[name] = [value.upper() for value in values] if name in _v3_upper else values
        where.any_of(column, given[name])
    _check_subject(given)
    _add_values(where, query, given["dataType"])
    Listing(where, query, SCORE_COLUMNS).period("fromTimestamp", "toTimestamp", "timestamp")
    after = text(query, "cursor")
    if after is not None:
        at, id_ = decode_cursor(after, ids=1)
        where.add(f"(s.timestamp, s.id) < ({where.bind(at)}, {where.bind(id_)})")
    return where


def _check_subject(given: Mapping[str, list[str]]) -> None:
    subjects = [name for name in _v3_subjects if given[name]]
    if len(subjects) > 1:
        raise InvalidRequestError(f"expected only one of {', '.join(_v3_subjects)}", subjects[1])
    if given["observationId"] and not given["traceId"]:
        raise InvalidRequestError("observation ids are those of a trace: give traceId too", "observationId")
    for name, known in (("dataType", SCORE_DATA_TYPES), ("source", SCORE_SOURCES)):
        if not set(given[name]) <= known:
            raise InvalidRequestError(f"expected some of {', '.join(sorted(known))}", name)


def _add_values(where: Where, query: QueryParams, data_types: list[str]) -> None:
    """Exact values and bounds of the value; each needs a single data type that has such values."""
    values = comma_list(query, "value")
    if values:
        _add_exact(where, values, data_types)
    for name, operator in (("valueMin", ">="), ("valueMax", "<=")):
        bound = number(query, name)
        if bound is not None and data_types != ["NUMERIC"]:
            raise InvalidRequestError("a bound of the value needs dataType=NUMERIC", name)
        where.compare("s.value", operator, bound)


def _add_exact(where: Where, values: list[str], data_types: list[str]) -> None:
    if data_types == ["NUMERIC"]:
        numbers = [finite_number(value, "value") for value in values]
        where.add(f"s.value = any({where.bind(numbers)}::float8[])")
    elif data_types == ["BOOLEAN"]:
        if not set(values) <= {"true", "false"}:
            raise InvalidRequestError("expected true or false", "value")
        where.add(f"s.value = any({where.bind([float(value == 'true') for value in values])}::float8[])")
    elif data_types == ["CATEGORICAL"]:
        where.any_of("s.string_value", values)
    else:
        raise InvalidRequestError("a value needs one dataType of NUMERIC, BOOLEAN, CATEGORICAL", "value")


async def _read(reader: Reader, where: Where, *, limit: int, offset: int = 0) -> list[ScoreRead]:
    slots = {"where": str(where), "limit": where.bind(limit), "offset": where.bind(offset)}
    return await reader.rows(ScoreRead, statement("list_scores", **slots), where.values)
