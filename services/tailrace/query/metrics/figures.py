"""How rows become one figure: for each aggregation the SQL over a column of values, and how its result is written into an answer."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from math import isfinite
from typing import Any, Final, NamedTuple

from tailrace.query.errors import InvalidRequestError
from tailrace.query.json_text import embed_number
from tailrace.query.metrics.request import Aggregation, Metric
from tailrace.query.metrics.views import Measure, MeasureKind

_percentiles: Final[Mapping[Aggregation, str]] = {
    "p50": "0.5",
    "p75": "0.75",
    "p90": "0.9",
    "p95": "0.95",
    "p99": "0.99",
}
_of_numbers: Final[tuple[Aggregation, ...]] = (
    "sum", "avg", "count", "min", "max", *_percentiles, "uniq", "histogram",
)  # fmt: skip
_fitting: Final[Mapping[MeasureKind, tuple[Aggregation, ...]]] = {
    "rows": ("count", "sum"),
    "text": ("uniq", "count"),
    "whole": _of_numbers,
    "real": _of_numbers,
}
_largest_exact: Final = 2**53

Embed = Callable[[Any], Any]


class Figure(NamedTuple):
    """One figure of each group: SQL over a column of values, and `embed`, which makes the JSON of what the database yields.

    `range_columns` and `bin_column` are columns that must be made of each row first.
    """

    sql: str
    embed: Embed
    range_columns: str = ""
    bin_column: str = ""


def aggregations_of(measure: Measure) -> tuple[Aggregation, ...]:
    """What can be made of the values of a measure."""
    return _fitting[measure.kind]


def check_aggregation(metric: Metric, measure: Measure, position: int) -> None:
    """Raises InvalidRequestError for an aggregation that the measure does not have."""
    fitting = aggregations_of(measure)
    if metric.aggregation not in fitting:
        expected = f"expected the aggregation of {metric.measure} to be one of {', '.join(fitting)}"
        raise InvalidRequestError(f"{expected}, got {metric.aggregation}", "query", "metrics", position, "aggregation")


def make_figure(metric: Metric, measure: Measure, value: str, bins: int) -> Figure:
    """The figure of a metric whose values stand in the column `value`."""
    if metric.aggregation == "histogram":
        return _histogram(value, bins)
    if metric.aggregation == "sum" or (metric.aggregation == "count" and measure.sums):
        return Figure(f"coalesce(sum({value}), 0)", embed_real if measure.kind == "real" else embed_whole)
    if metric.aggregation == "count":
        return Figure(f"count({value})", embed_whole)
    if metric.aggregation == "uniq":
        return Figure(f"count(distinct {value})", embed_whole)
    if metric.aggregation in _percentiles:
        share = _percentiles[metric.aggregation]
        return Figure(f"percentile_cont({share}) within group (order by {value}::float8)", _embed_float)
    whole = measure.kind == "whole" and metric.aggregation in ("min", "max")
    return Figure(f"{metric.aggregation}({value})", embed_whole if whole else embed_real)


def _histogram(value: str, bins: int) -> Figure:
    """Bins of equal width from the least to the greatest value of the group; a group of one value has one bin."""
    least, most, bin_ = f"{value}_least", f"{value}_most", f"{value}_bin"
    counts = ", ".join(f"count(*) filter (where {bin_} = {number})" for number in range(1, bins + 1))
    return Figure(
        f"array[min({value})::numeric, max({value})::numeric, {counts}]",
        _embed_histogram,
        range_columns=f"min({value}) over alike as {least}, max({value}) over alike as {most}",
        bin_column=f"""case when {value} < {most} then div(({value} - {least})::numeric * {bins}, ({most} - {least})::numeric) + 1
            when {value} = {least} then 1 when {value} = {most} then {bins} end as {bin_}""",
    )


def embed_real(figure: Decimal | int | None) -> Any:
    """A figure as a number, digit for digit."""
    return embed_number(Decimal(figure)) if figure is not None else None


def embed_whole(figure: Decimal | int | None) -> int | str | None:
    """A whole figure; a text where a client's double could not hold it."""
    if figure is None:
        return None
    whole = int(figure)
    return whole if abs(whole) <= _largest_exact else str(whole)


def _embed_float(figure: float | None) -> float | None:
    return figure if figure is not None and isfinite(figure) else None


def _embed_histogram(found: list[Decimal | None]) -> list[list[Any]]:
    """`[[lower, upper, height], …]`; nothing of a group without a value."""
    least, most, *counts = found
    if least is None or most is None:
        return []
    if least == most:
        return [[embed_number(least), embed_number(most), embed_whole(counts[0])]]
    width = (most - least) / len(counts)
    edges = [least + width * number for number in range(len(counts))] + [most]
    return [
        [embed_number(lower), embed_number(upper), embed_whole(height)]
        for lower, upper, height in zip(edges, edges[1:], counts, strict=False)
    ]
