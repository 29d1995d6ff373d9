"""From a checked query to one statement: the names of a view in, parameterised SQL and the names of its columns out.

What a sender wrote is only ever a name that is looked up in closed tables, or a value that becomes a parameter.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from tailrace.query.columns import Kind
from tailrace.query.errors import InvalidRequestError
from tailrace.query.filters import add_filter
from tailrace.query.metrics.buckets import embed_bucket, time_expression
from tailrace.query.metrics.figures import Embed, check_aggregation, embed_real, make_figure
from tailrace.query.metrics.request import Granularity, MetricsRequest
from tailrace.query.metrics.views import View
from tailrace.query.sql import Where
from tailrace.runtime.postgres import load_queries

QUERIES: Final = load_queries(Path(__file__).with_name("queries.sql"))
TIME: Final = "time_dimension"


class Out(NamedTuple):
    """One column of the answer: its name there, and how its values are written."""

    name: str
    embed: Embed


class Compiled(NamedTuple):
    """A statement with its values; it yields the columns of `outs`, in their order."""

    sql: str
    values: list[Any]
    outs: list[Out]


class _Key(NamedTuple):
    """What rows are grouped by: its name in the answer, its SQL, how its values are written, and of which kind they are."""

    name: str
    sql: str
    embed: Embed
    kind: Kind


class Scope(NamedTuple):
    """Which rows a statement reads: of this view, from here, under these conditions. `drop_empty`: leave out groups whose figures are all 0."""

    view: View
    source: str
    where: Where
    drop_empty: bool = False


def check_names(request: MetricsRequest, view: View) -> None:
    """Every name of the query is one of the view's, and fits the others. Raises InvalidRequestError."""
    for number, field in enumerate(request.dimensions):
        _check_known(field, view.dimensions, "query", "dimensions", number, "field")
    for number, metric in enumerate(request.metrics):
        _check_known(metric.measure, view.measures, "query", "metrics", number, "measure")
        check_aggregation(metric, view.measures[metric.measure], number)
    answered = names_of_answer(request)
    for number, order in enumerate(request.orders):
        _check_known(order.field, answered, "query", "orderBy", number, "field")
        if order.field.startswith("histogram_"):
            raise InvalidRequestError("a histogram is no order", "query", "orderBy", number, "field")
    _check_details(request, view)


def names_of_answer(request: MetricsRequest) -> list[str]:
    """The keys of each row of the answer."""
    time = [TIME] if request.time else []
    return [*request.dimensions, *time, *(metric.name for metric in request.metrics)]


def names_used(request: MetricsRequest) -> frozenset[str]:
    """Every dimension, measure and column that the query speaks of."""
    measures = (metric.measure for metric in request.metrics)
    return frozenset((*request.dimensions, *measures, *(condition.column for condition in request.conditions)))


def rows_of(request: MetricsRequest, view: View, project_id: str) -> Scope:
    """The rows of the view itself, of the project and the period."""
    where = Where(view.table, project_id)
    where.compare(view.time, ">=", request.start)
    where.compare(view.time, "<", request.end)
    where.add(view.condition)
    add_filter(where, view.filterable(), request.conditions, "query", "filters")
    used = names_used(request)
    joins = [join.sql for join in view.joins if join.names & used]
    return Scope(view, " ".join((view.source, *joins)), where)


def compile_query(request: MetricsRequest, scope: Scope, granularity: Granularity | None, most_rows: int) -> Compiled:
    """The statement that answers a query over these rows. It yields `most_rows` rows at most."""
    keys = _keys(request, scope, granularity)
    measures = scope.view.measures
    columns = {name: f"v{number}" for number, name in enumerate(dict.fromkeys(one.measure for one in request.metrics))}
    figures = [make_figure(one, measures[one.measure], columns[one.measure], request.bins) for one in request.metrics]
    names = [f"k{number}" for number in range(len(keys))]
    values = [f"{measures[name].sql} as {column}" for name, column in columns.items()]
    answers = [f"{figure.sql} as m{number}" for number, figure in enumerate(figures)]
    sql = QUERIES["aggregate"].format(
        columns=", ".join([f"{key.sql} as {name}" for name, key in zip(names, keys, strict=True)] + values),
        source=scope.source,
        where=str(scope.where),
        partition=f"partition by {', '.join(names)}" if names else "",
        ranges=", ".join(["*", *(figure.range_columns for figure in figures if figure.range_columns)]),
        bins=", ".join(["*", *(figure.bin_column for figure in figures if figure.bin_column)]),
        figures=", ".join([*names, *answers]),
        group=f"group by {', '.join(names)}" if names else "",
        having=_having(scope, [figure.sql for figure in figures]) if names else "",
        order=_order(request, keys),
        limit=scope.where.bind(most_rows),
    )
    outs = [Out(key.name, key.embed) for key in keys]
    outs += [Out(metric.name, figure.embed) for metric, figure in zip(request.metrics, figures, strict=True)]
    return Compiled(sql, scope.where.values, outs)


def _keys(request: MetricsRequest, scope: Scope, granularity: Granularity | None) -> list[_Key]:
    """What rows are grouped by: the dimensions, and then time."""
    columns = ((name, scope.view.dimensions[name]) for name in request.dimensions)
    keys = [_Key(name, column.sql, _embeds.get(column.kind, _embed_as_it_is), column.kind) for name, column in columns]
    if granularity is not None and request.time is not None:
        zone = f"{scope.where.bind(request.time.time_zone)}::text"
        keys.append(_Key(TIME, time_expression(granularity, scope.view.time, zone), embed_bucket, "instant"))
    return keys


def _embed_as_it_is(value: Any) -> Any:
    return value


_embeds: Final[Mapping[str, Embed]] = {"number": embed_real}


def _order(request: MetricsRequest, keys: list[_Key]) -> str:
    """By what is asked, or by time and then by the first figure; the keys decide what is left, so that there is one order.

    Texts sort by code point, whatever the locale of the database.
    """
    columns = {
        key.name: f'k{number} collate "C"' if key.kind in ("text", "array") else f"k{number}"
        for number, key in enumerate(keys)
    }
    figures = {metric.name: f"m{number}" for number, metric in enumerate(request.metrics)}
    asked = [(order.field, order.direction) for order in request.orders] or _usual_order(request)
    terms = [f"{(columns | figures)[name]} {direction} nulls last" for name, direction in asked]
    terms += [f"{column} nulls last" for column in columns.values()]
    return ", ".join(terms) or "1"


def _usual_order(request: MetricsRequest) -> list[tuple[str, str]]:
    figures = [metric.name for metric in request.metrics if metric.aggregation != "histogram"]
    return [(TIME, "asc")] * (request.time is not None) + [(figure, "desc") for figure in figures[:1]]


def _having(scope: Scope, figures: list[str]) -> str:
    return f"having {' or '.join(f'{figure} <> 0' for figure in figures)}" if scope.drop_empty else ""


def _check_known(name: str, known: Mapping[str, Any] | list[str], *path: str | int) -> None:
    if name not in known:
        raise InvalidRequestError(f"expected one of {', '.join(known)}, got {name[:60]!r}", *path)


def _check_details(request: MetricsRequest, view: View) -> None:
    """Names that divide a row by its details stand with one measure alone; else a row would count more than once."""
    measures = {metric.measure for metric in request.metrics}
    for name in sorted(names_used(request)):
        needed = view.only_with.get(name)
        if needed is not None and measures != {needed}:
            raise InvalidRequestError(f"{name} can be asked for with the measure {needed} alone", "query", "metrics")
