"""What can be filtered: for each entity the names that senders know, with the kind of value and the SQL that yields it.

`t`, `o` and `s` are the aliases of traces, observations and scores in every statement, `p` and `v` of prompts and their versions. A `{key}` in an expression is the placeholder of
the filter's key. Bodies (input, output) are not here: lists never search them.
"""

# ruff: noqa: S608 - every part of these texts stands in this file

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

Kind = Literal[
    "text",
    "pattern",
    "number",
    "instant",
    "boolean",
    "array",
    "object",
    "pattern_object",
    "scores_number",
    "scores_text",
    "scores_boolean",
]
"""A pattern is a text that is searched by `%` and `_`, whatever the case."""

KINDS_WITH_KEY: Final[frozenset[Kind]] = frozenset(
    {"object", "pattern_object", "scores_number", "scores_text", "scores_boolean"}
)


class Column(NamedTuple):
    """A filterable expression."""

    kind: Kind
    sql: str


def _text(sql: str) -> Column:
    return Column("text", sql)


def _number(sql: str) -> Column:
    return Column("number", sql)


_metadata_value: Final = "coalesce(b.metadata ->> {key}, b.metadata #>> string_to_array({key}, '.'))"

_trace_metadata: Final = f"""(select {_metadata_value} from trace_bodies b
    where b.project_id = t.project_id and b.trace_id = t.id)"""
_observation_metadata: Final = f"""(select {_metadata_value} from observation_bodies b
    where b.project_id = o.project_id and b.day = o.day and b.trace_id = o.trace_id and b.id = o.id)"""
_score_metadata: Final = _metadata_value.replace("b.metadata", "s.metadata")


def _trace_cost(part: str) -> str:
    """The sum over a trace's counted observations of the costs whose names contain `part`."""
    return f"""(select coalesce(sum(d.value::numeric), 0) from observations c, jsonb_each_text(c.cost_details) d
    where c.project_id = t.project_id and c.trace_id = t.id and c.day = any(t.days) and c.counted and d.key like '%{part}%')"""


def _trace_level_count(level: str) -> str:
    return f"""(select count(*) from observations c
    where c.project_id = t.project_id and c.trace_id = t.id and c.day = any(t.days) and c.level = '{level}')"""


_trace_level: Final = """(select case max(array_position(array['DEBUG', 'DEFAULT', 'WARNING', 'ERROR'], c.level))
        when 1 then 'DEBUG' when 3 then 'WARNING' when 4 then 'ERROR' else 'DEFAULT' end
    from observations c where c.project_id = t.project_id and c.trace_id = t.id and c.day = any(t.days))"""


def _trace_scores(value: str, data_type: str) -> str:
    """A value made of a trace's scores of the name {key}."""
    return f"""(select {value} from scores c where c.project_id = t.project_id and c.trace_id = t.id
    and c.name = {{key}} and c.data_type = '{data_type}')"""


def _observation_cost(part: str) -> str:
    return f"""(select coalesce(sum(d.value::numeric), 0) from jsonb_each_text(o.cost_details) d where d.key like '%{part}%')"""


def _seconds(start: str, end: str) -> str:
    return f"extract(epoch from {end} - {start})"


TRACE_COLUMNS: Final[Mapping[str, Column]] = {
    "id": _text("t.id"),
    "name": _text("t.name"),
    "timestamp": Column("instant", "t.timestamp"),
    "userId": _text("t.user_id"),
    "sessionId": _text("t.session_id"),
    "environment": _text("t.environment"),
    "version": _text("t.version"),
    "release": _text("t.release"),
    "tags": Column("array", "t.tags"),
    "bookmarked": Column("boolean", "t.bookmarked"),
    "public": Column("boolean", "t.public"),
    "metadata": Column("object", _trace_metadata),
    "latency": _number(_seconds("t.first_start", "t.last_end")),
    "inputTokens": _number("t.input_tokens"),
    "outputTokens": _number("t.output_tokens"),
    "totalTokens": _number("t.total_tokens"),
    "tokens": _number("t.total_tokens"),
    "inputCost": _number(_trace_cost("input")),
    "outputCost": _number(_trace_cost("output")),
    "totalCost": _number("coalesce(t.total_cost, 0)"),
    "level": _text(_trace_level),
    "errorCount": _number("t.error_count"),
    "warningCount": _number(_trace_level_count("WARNING")),
    "defaultCount": _number(_trace_level_count("DEFAULT")),
    "debugCount": _number(_trace_level_count("DEBUG")),
    "scores_avg": Column("scores_number", _trace_scores("avg(c.value)", "NUMERIC")),
    "scores": Column("scores_number", _trace_scores("avg(c.value)", "NUMERIC")),
    "score_categories": Column("scores_text", _trace_scores("array_agg(c.string_value)", "CATEGORICAL")),
    "score_booleans": Column("scores_boolean", _trace_scores("array_agg(c.value = 1)", "BOOLEAN")),
}

OBSERVATION_COLUMNS: Final[Mapping[str, Column]] = {
    "id": _text("o.id"),
    "type": _text("o.type"),
    "name": _text("o.name"),
    "traceId": _text("o.trace_id"),
    "parentObservationId": _text("o.parent_observation_id"),
    "startTime": Column("instant", "o.start_time"),
    "endTime": Column("instant", "o.end_time"),
    "environment": _text("o.environment"),
    "level": _text("o.level"),
    "statusMessage": _text("o.status_message"),
    "version": _text("o.version"),
    "userId": _text("t.user_id"),
    "sessionId": _text("t.session_id"),
    "isRootObservation": Column("boolean", "(o.parent_observation_id is null or o.is_app_root)"),
    "traceName": _text("t.name"),
    "traceEnvironment": _text("t.environment"),
    "traceTags": Column("array", "t.tags"),
    "tags": Column("array", "t.tags"),
    "release": _text("t.release"),
    "latency": _number(_seconds("o.start_time", "o.end_time")),
    "timeToFirstToken": _number(_seconds("o.start_time", "o.completion_start_time")),
    "tokensPerSecond": _number(f"o.output_tokens / nullif({_seconds('o.start_time', 'o.end_time')}, 0)"),
    "inputTokens": _number("o.input_tokens"),
    "outputTokens": _number("o.output_tokens"),
    "totalTokens": _number("o.total_tokens"),
    "tokens": _number("o.total_tokens"),
    "inputCost": _number(_observation_cost("input")),
    "outputCost": _number(_observation_cost("output")),
    "totalCost": _number("coalesce(o.total_cost, 0)"),
    "model": _text("o.model"),
    "providedModelName": _text("o.model"),
    "promptName": _text("o.prompt_name"),
    "promptVersion": _number("o.prompt_version"),
    "metadata": Column("object", _observation_metadata),
}

SCORE_COLUMNS: Final[Mapping[str, Column]] = {
    "id": _text("s.id"),
    "name": _text("s.name"),
    "timestamp": Column("instant", "s.timestamp"),
    "value": _number("s.value"),
    "stringValue": _text("coalesce(s.long_string_value, s.string_value)"),
    "dataType": _text("s.data_type"),
    "source": _text("s.source"),
    "environment": _text("s.environment"),
    "comment": _text("s.comment"),
    "traceId": _text("s.trace_id"),
    "observationId": _text("s.observation_id"),
    "sessionId": _text("s.session_id"),
    "datasetRunId": _text("s.dataset_run_id"),
    "configId": _text("s.config_id"),
    "queueId": _text("s.queue_id"),
    "authorUserId": _text("s.author_user_id"),
    "userId": _text("t.user_id"),
    "traceTags": Column("array", "t.tags"),
    "tags": Column("array", "t.tags"),
    "metadata": Column("object", _score_metadata),
}

PROMPT_COLUMNS: Final[Mapping[str, Column]] = {
    "id": Column("pattern", "v.id"),
    "name": Column("pattern", "v.name"),
    "type": Column("pattern", "p.type"),
    "version": _number("v.version"),
    "createdAt": Column("instant", "v.created_at"),
    "updatedAt": Column("instant", "v.updated_at"),
    "labels": Column(
        "array",
        """array(select l.label from prompt_labels l
    where l.project_id = v.project_id and l.name = v.name and l.version = v.version)""",
    ),
    "tags": Column("array", "p.tags"),
    "config": Column("pattern_object", "(case when json_typeof(v.config) = 'object' then v.config ->> {key} end)"),
}
