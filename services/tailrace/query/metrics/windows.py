"""Queries that the ready sums of cost windows answer: the same rows of answer, from minutes, hours and days instead of observations.

A query is of windows when it sums tokens and costs, or counts traces, by no more than end user and model name. Whether it is follows from
its form alone; so does what is left out of its answer: groups without any such figure, of which windows do not know.
"""

from collections.abc import Mapping
from typing import Final

from tailrace.core.model import Bucket
from tailrace.core.windows import BucketRange, cover
from tailrace.query.columns import Column
from tailrace.query.filters import add_filter
from tailrace.query.metrics.request import Granularity, MetricsRequest, ViewName
from tailrace.query.metrics.statement import Scope
from tailrace.query.metrics.views import Measure, View
from tailrace.query.sql import Where

_USER: Final = Column("text", "p.user_id")
_PARTS: Final = View(
    table="p",
    source="",
    time="p.bucket_start",
    dimensions={"userId": _USER, "modelName": Column("text", "p.model")},
    measures={
        "totalCost": Measure("real", "p.cost"),
        "inputTokens": Measure("whole", "p.input_tokens"),
        "outputTokens": Measure("whole", "p.output_tokens"),
        "totalTokens": Measure("whole", "p.total_tokens"),
    },
    others={},
)
_views: Final[Mapping[ViewName, View]] = {
    "observations": _PARTS,
    "traces": _PARTS._replace(
        dimensions={"userId": _USER}, measures={"count": Measure("whole", "p.traces", sums=True)}
    ),
}
_longest: Final[Mapping[Granularity | None, Bucket]] = {"minute": "minute", "hour": "hour"}


def is_of_windows(request: MetricsRequest) -> bool:
    """Whether the query has the form that windows answer."""
    view = _views.get(request.view)
    if view is None:
        return False
    groups = {*request.dimensions, *(condition.column for condition in request.conditions)}
    measures = {metric.measure for metric in request.metrics}
    sums = all(metric.aggregation == ("count" if metric.measure == "count" else "sum") for metric in request.metrics)
    return sums and measures <= view.measures.keys() and groups <= view.dimensions.keys()


def windows_of(request: MetricsRequest, granularity: Granularity | None, project_id: str) -> Scope | None:
    """The cost parts that answer a query of windows; None where its period or its zone cuts through minutes, hours or days."""
    whole = all(at.second == at.microsecond == 0 for at in (request.start, request.end))
    if not whole or (request.time is not None and request.time.time_zone != "UTC"):
        return None
    ranges = cover(request.start, request.end, _longest.get(granularity, "day"))
    view = _views[request.view]
    where = Where(view.table, project_id)
    source = _source(where, ranges)
    add_filter(where, view.dimensions, request.conditions, "query", "filters")
    return Scope(view, source, where, drop_empty=True)


def _source(where: Where, ranges: list[BucketRange]) -> str:
    """Parts of all partitions whose buckets lie in the ranges, each bucket of one length only."""
    buckets = where.bind([one.bucket for one in ranges])
    starts, ends = where.bind([one.start for one in ranges]), where.bind([one.end for one in ranges])
    return f"""unnest({buckets}::text[], {starts}::timestamptz[], {ends}::timestamptz[]) as wanted (bucket, first, last)
        join cost_parts p on p.bucket = wanted.bucket and p.bucket_start >= wanted.first and p.bucket_start < wanted.last"""
