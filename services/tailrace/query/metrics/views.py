"""What can be asked: for each view its rows, the dimensions that group and filter them, and the measures that are aggregated.

`o`, `t` and `s` are observations, traces and scores, as in all statements of this service. Nothing here reads an input or an output. The
tokens and costs of an observation are those that are counted: one that repeats others has none (docs/double-counting.md).
"""

# ruff: noqa: S608 - every part of these texts stands in this file

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

from tailrace.query.columns import OBSERVATION_COLUMNS, SCORE_COLUMNS, TRACE_COLUMNS, Column
from tailrace.query.metrics.request import ViewName

MeasureKind = Literal["rows", "whole", "real", "text"]
"""`rows`: each row is one; `whole`: integers; `real`: exact decimals; `text`: only how many and how many different."""


class Measure(NamedTuple):
    """A figure that rows have, or null. `sums`: the SQL counts rows that were summed before."""

    kind: MeasureKind
    sql: str
    sums: bool = False


class Join(NamedTuple):
    """A table that is only joined where one of `names` is used."""

    names: frozenset[str]
    sql: str


class View(NamedTuple):
    """Rows of a project and what is known of each. `table`: the alias that has the project.

    `only_with`: names that can only be asked together with one measure, because they divide a row by the keys of its details.
    """

    table: str
    source: str
    time: str
    dimensions: Mapping[str, Column]
    measures: Mapping[str, Measure]
    others: Mapping[str, Column]
    condition: str = "true"
    joins: tuple[Join, ...] = ()
    only_with: Mapping[str, str] = {}

    def filterable(self) -> dict[str, Column]:
        """What conditions may speak of: dimensions, figures of a row, and what else is only filtered by."""
        figures = {
            name: Column("number", measure.sql)
            for name, measure in self.measures.items()
            if measure.kind in ("whole", "real")
        }
        return {**figures, **self.dimensions, **self.others}


ROWS: Final = Measure("rows", "1")


def _text(sql: str) -> Column:
    return Column("text", sql)


def _whole(sql: str) -> Measure:
    return Measure("whole", sql)


def _real(sql: str) -> Measure:
    return Measure("real", sql)


def _month(column: str) -> Column:
    return _text(f"to_char({column} at time zone 'UTC', 'YYYY-MM')")


def _day(column: str) -> Column:
    return _text(f"to_char({column} at time zone 'UTC', 'YYYY-MM-DD')")


def _milliseconds(start: str, end: str) -> str:
    return f"(extract(epoch from {end} - {start}) * 1000)"


def _used(sql: str) -> str:
    """A figure of usage: null where there is no usage, or where it is counted elsewhere."""
    return f"case when o.counted and o.usage_details <> '{{}}' then {sql} end"


def _counted_cost(part: str) -> str:
    return f"""case when o.counted and o.cost_details <> '{{}}'
        then (select sum(d.value::numeric) from jsonb_each_text(o.cost_details) d where d.key like '%{part}%') end"""


def _trace_cost(part: str) -> str:
    """`offset 0` keeps the planner from joining before it knows the day, and so the partition: a tenth of the time with 60 days."""
    return f"""(select sum(on_day.cost) from unnest(t.days) seen (day) cross join lateral (
        select sum(d.value::numeric) as cost from observations c cross join jsonb_each_text(c.cost_details) d
        where c.project_id = t.project_id and c.trace_id = t.id and c.day = seen.day and c.counted and d.key like '%{part}%'
        offset 0
    ) on_day)"""


def _per_second(tokens: str) -> str:
    return f"({_used(tokens)} / nullif(extract(epoch from o.end_time - o.start_time), 0))"


def _details(alias: str, column: str) -> str:
    """A row for each key of an observation's counted details. A `total` beside other keys is their sum, and none of them."""
    return f"""cross join lateral (
        select d.key, d.value::numeric as amount from jsonb_each_text(o.{column}) d
        where o.counted and (d.key <> 'total' or o.{column} - 'total' = '{{}}')
    ) {alias}"""


_of_trace: Final[Mapping[str, Column]] = {
    "userId": _text("t.user_id"),
    "tags": Column("array", "coalesce(t.tags, '{}')"),
    "traceName": _text("t.name"),
    "traceRelease": _text("t.release"),
    "traceVersion": _text("t.version"),
}
"""What observations and scores take from their trace."""

TRACES: Final = View(
    table="t",
    source="traces t",
    time="t.timestamp",
    dimensions={
        "id": _text("t.id"),
        "name": _text("t.name"),
        "userId": _text("t.user_id"),
        "sessionId": _text("t.session_id"),
        "release": _text("t.release"),
        "version": _text("t.version"),
        "environment": _text("t.environment"),
        "tags": Column("array", "t.tags"),
        "timestampMonth": _month("t.timestamp"),
    },
    measures={
        "count": ROWS,
        "observationsCount": _whole("t.observation_count"),
        "scoresCount": _whole(
            "(select count(*) from scores c where c.project_id = t.project_id and c.trace_id = t.id)"
        ),
        "uniqueUserIds": Measure("text", "t.user_id"),
        "uniqueSessionIds": Measure("text", "t.session_id"),
        "latency": _real(_milliseconds("t.first_start", "t.last_end")),
        "inputTokens": _whole("t.input_tokens"),
        "outputTokens": _whole("t.output_tokens"),
        "totalTokens": _whole("t.total_tokens"),
        "inputCost": _real(_trace_cost("input")),
        "outputCost": _real(_trace_cost("output")),
        "totalCost": _real("t.total_cost"),
    },
    others={name: TRACE_COLUMNS[name] for name in ("timestamp", "metadata", "bookmarked", "public", "errorCount")},
)

OBSERVATIONS: Final = View(
    table="o",
    source="observations o left join traces t on t.project_id = o.project_id and t.id = o.trace_id",
    time="o.start_time",
    dimensions={
        "id": _text("o.id"),
        "traceId": _text("o.trace_id"),
        "environment": _text("o.environment"),
        "parentObservationId": _text("o.parent_observation_id"),
        "isRootObservation": OBSERVATION_COLUMNS["isRootObservation"],
        "type": _text("o.type"),
        "name": _text("o.name"),
        "level": _text("o.level"),
        "version": _text("o.version"),
        "providedModelName": _text("o.model"),
        "modelName": _text("coalesce(o.model_id, o.model)"),
        "promptName": _text("o.prompt_name"),
        "promptVersion": Column("number", "o.prompt_version"),
        "startTimeMonth": _month("o.start_time"),
        **_of_trace,
        "sessionId": _text("t.session_id"),
        "release": _text("t.release"),
        "costType": _text("by_cost.key"),
        "usageType": _text("by_usage.key"),
    },
    measures={
        "count": ROWS,
        "latency": _real(_milliseconds("o.start_time", "o.end_time")),
        "streamingLatency": _real(_milliseconds("o.completion_start_time", "o.end_time")),
        "timeToFirstToken": _real(_milliseconds("o.start_time", "o.completion_start_time")),
        "inputTokens": _whole(_used("o.input_tokens")),
        "outputTokens": _whole(_used("o.output_tokens")),
        "totalTokens": _whole(_used("o.total_tokens")),
        "outputTokensPerSecond": _real(_per_second("o.output_tokens")),
        "tokensPerSecond": _real(_per_second("o.total_tokens")),
        "inputCost": _real(_counted_cost("input")),
        "outputCost": _real(_counted_cost("output")),
        "totalCost": _real("case when o.counted then o.total_cost end"),
        "countScores": _whole(
            """(select count(*) from scores c
                where c.project_id = o.project_id and c.trace_id = o.trace_id and c.observation_id = o.id)"""
        ),
        "uniqueUserIds": Measure("text", "t.user_id"),
        "uniqueSessionIds": Measure("text", "t.session_id"),
        "costByType": _real("by_cost.amount"),
        "usageByType": _whole("by_usage.amount"),
    },
    others={name: OBSERVATION_COLUMNS[name] for name in ("startTime", "endTime", "statusMessage", "metadata")},
    joins=(
        Join(frozenset({"costType", "costByType"}), _details("by_cost", "cost_details")),
        Join(frozenset({"usageType", "usageByType"}), _details("by_usage", "usage_details")),
    ),
    only_with={
        "costType": "costByType",
        "costByType": "costByType",
        "usageType": "usageByType",
        "usageByType": "usageByType",
    },
)

_of_observation: Final[Mapping[str, Column]] = {
    "observationName": _text("o.name"),
    "observationModelName": _text("o.model"),
    "observationPromptName": _text("o.prompt_name"),
    "observationPromptVersion": Column("number", "o.prompt_version"),
}

_scores: Final = View(
    table="s",
    source="scores s left join traces t on t.project_id = s.project_id and t.id = s.trace_id",
    time="s.timestamp",
    dimensions={
        "id": _text("s.id"),
        "name": _text("s.name"),
        "environment": _text("s.environment"),
        "source": _text("s.source"),
        "dataType": _text("s.data_type"),
        "configId": _text("s.config_id"),
        "traceId": _text("s.trace_id"),
        "observationId": _text("s.observation_id"),
        "timestampMonth": _month("s.timestamp"),
        "timestampDay": _day("s.timestamp"),
        **_of_trace,
        "sessionId": _text("coalesce(s.session_id, t.session_id)"),
        **_of_observation,
    },
    measures={"count": ROWS},
    others={name: SCORE_COLUMNS[name] for name in ("timestamp", "metadata", "queueId", "authorUserId", "comment")},
    joins=(
        Join(
            frozenset(_of_observation),
            """left join lateral (
                select on_day.* from unnest(t.days) seen (day) cross join lateral (
                    select c.name, c.model, c.prompt_name, c.prompt_version from observations c
                    where c.project_id = s.project_id and c.trace_id = s.trace_id and c.id = s.observation_id and c.day = seen.day
                    offset 0
                ) on_day
            ) o on true""",
        ),
    ),
)

_exact_value: Final = "s.value::text::numeric"
"""A double's shortest text is exact where it came from a text, and decimals add up to the same sum in any order."""


def _valued_scores(condition: str, **dimensions: Column) -> View:
    return _scores._replace(
        dimensions={**_scores.dimensions, **dimensions},
        measures={"count": ROWS, "value": _real(_exact_value)},
        condition=condition,
    )


VIEWS: Final[Mapping[ViewName, View]] = {
    "traces": TRACES,
    "observations": OBSERVATIONS,
    "scores-numeric": _valued_scores("s.data_type in ('NUMERIC', 'BOOLEAN')", value=Column("number", _exact_value)),
    "scores-boolean": _valued_scores(
        "s.data_type = 'BOOLEAN'", value=Column("number", _exact_value), booleanValue=Column("boolean", "(s.value = 1)")
    ),
    "scores-categorical": _scores._replace(
        dimensions={**_scores.dimensions, "stringValue": _text("s.string_value")},
        condition="s.data_type = 'CATEGORICAL'",
    ),
}
