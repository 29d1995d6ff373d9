"""A metrics query as the sender wrote it: the JSON of the `query` parameter in, a checked structure out. No field is looked up here."""

from datetime import datetime
from typing import Annotated, Final, Literal, NamedTuple

import msgspec
import orjson

from tailrace.query.errors import InvalidRequestError
from tailrace.query.filters import MAX_CONDITIONS, Condition
from tailrace.query.parameters import clean_text, parse_instant

MAX_DIMENSIONS: Final = 10
MAX_METRICS: Final = 20
MAX_HISTOGRAMS: Final = 2
DEFAULT_BINS: Final = 10

ViewName = Literal["traces", "observations", "scores-numeric", "scores-boolean", "scores-categorical"]
Granularity = Literal["minute", "hour", "day", "week", "month"]
Aggregation = Literal["sum", "avg", "count", "min", "max", "p50", "p75", "p90", "p95", "p99", "uniq", "histogram"]


class Metric(msgspec.Struct, frozen=True):
    """What is measured, and how rows become one figure."""

    measure: str
    aggregation: Aggregation

    @property
    def name(self) -> str:
        """What the figure is called in an answer."""
        return f"{self.aggregation}_{self.measure}"


class TimeDimension(msgspec.Struct, frozen=True, rename="camel"):
    """Grouping by time. `time_zone`: whose hours, days, weeks and months; a name of the IANA database."""

    granularity: Granularity | Literal["auto"]
    time_zone: str = "UTC"


class Order(msgspec.Struct, frozen=True):
    """A field of the answer to order by."""

    field: str
    direction: Literal["asc", "desc"]


class MetricsRequest(NamedTuple):
    """What is asked for. The period is `[start, end)`; without `row_limit` all rows are wanted."""

    view: ViewName
    dimensions: tuple[str, ...]
    metrics: tuple[Metric, ...]
    conditions: list[Condition]
    time: TimeDimension | None
    start: datetime
    end: datetime
    orders: tuple[Order, ...]
    bins: int
    row_limit: int | None


class _Field(msgspec.Struct, frozen=True):
    field: str


class _Config(msgspec.Struct, frozen=True):
    bins: Annotated[int, msgspec.Meta(ge=1, le=100)] | None = None
    row_limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] | None = None


class _Wire(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """The fields of the JSON. Null stands for absent wherever a field may be absent."""

    view: ViewName
    metrics: Annotated[list[Metric], msgspec.Meta(min_length=1, max_length=MAX_METRICS)]
    from_timestamp: str
    to_timestamp: str
    dimensions: Annotated[list[_Field], msgspec.Meta(max_length=MAX_DIMENSIONS)] | None = None
    filters: Annotated[list[Condition], msgspec.Meta(max_length=MAX_CONDITIONS)] | None = None
    time_dimension: TimeDimension | None = None
    order_by: Annotated[list[Order], msgspec.Meta(max_length=MAX_DIMENSIONS + MAX_METRICS)] | None = None
    config: _Config | None = None


def read_request(text: str | None) -> MetricsRequest:
    """The request that the `query` parameter holds. Raises InvalidRequestError."""
    wire = _decode(text)
    config = wire.config or _Config()
    start = parse_instant(clean_text(wire.from_timestamp), "query", "fromTimestamp")
    end = parse_instant(clean_text(wire.to_timestamp), "query", "toTimestamp")
    if start >= end:
        raise InvalidRequestError("expected fromTimestamp before toTimestamp", "query", "toTimestamp")
    metrics = tuple(dict.fromkeys(wire.metrics))
    if sum(metric.aggregation == "histogram" for metric in metrics) > MAX_HISTOGRAMS:
        raise InvalidRequestError(f"expected at most {MAX_HISTOGRAMS} histograms", "query", "metrics")
    return MetricsRequest(
        view=wire.view,
        dimensions=tuple(dict.fromkeys(dimension.field for dimension in wire.dimensions or ())),
        metrics=metrics,
        conditions=wire.filters or [],
        time=wire.time_dimension,
        start=start,
        end=end,
        orders=tuple(wire.order_by or ()),
        bins=config.bins or DEFAULT_BINS,
        row_limit=config.row_limit,
    )


def _decode(text: str | None) -> _Wire:
    if text is None:
        raise InvalidRequestError("expected a query: an object of JSON", "query")
    try:
        return msgspec.convert(orjson.loads(text), _Wire)
    except (orjson.JSONDecodeError, msgspec.ValidationError) as error:
        raise InvalidRequestError(f"expected a query as it is documented: {error}", "query") from None
