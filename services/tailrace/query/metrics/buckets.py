"""The time dimension: a period and a granularity in, the length of its buckets and how they are written out."""

import re
from datetime import datetime, timedelta
from typing import Final

from tailrace.query.errors import InvalidRequestError
from tailrace.query.json_text import embed_instant
from tailrace.query.metrics.request import Granularity, MetricsRequest

MAX_BUCKETS: Final = 10_000
"""More than any chart shows; a week of minutes still fits."""

AUTO_BUCKETS: Final = 75
"""`auto` is the finest granularity that makes no more than this many."""

_zone_name: Final = re.compile(r"[A-Za-z]{1,20}(/[A-Za-z0-9_+-]{1,40}){0,3}")
_lengths: Final[dict[Granularity, timedelta]] = {
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(weeks=1),
    "month": timedelta(days=28),
}
"""The shortest that a bucket of each can be."""


def granularity_of(request: MetricsRequest) -> Granularity | None:
    """The granularity that is asked for, or that fits the period. None: no grouping by time. Raises InvalidRequestError."""
    if request.time is None:
        return None
    period = request.end - request.start
    wanted = request.time.granularity
    asked: Granularity = _auto(period) if wanted == "auto" else wanted
    if period > MAX_BUCKETS * _lengths[asked]:
        raise InvalidRequestError(
            f"the period has more than {MAX_BUCKETS} buckets of a {asked}: ask for a shorter period or a longer granularity",
            "query",
            "timeDimension",
        )
    return asked


def _auto(period: timedelta) -> Granularity:
    for granularity, length in _lengths.items():
        if period <= AUTO_BUCKETS * length:
            return granularity
    return "month"


def time_expression(granularity: Granularity, column: str, zone: str) -> str:
    """The SQL of the bucket that a time lies in. `zone`: the placeholder of a zone's name.

    Hours and minutes are the instant that they begin at, so that the hour that a clock shows twice is two; what is longer begins at a date
    of the zone, and has a time without one.
    """
    if granularity in ("minute", "hour"):
        return f"date_trunc('{granularity}', {column}, {zone})"
    return f"date_trunc('{granularity}', {column} at time zone {zone})"


def embed_bucket(start: datetime) -> str | None:
    """A bucket as it is answered: an instant in UTC, or a date of the zone."""
    return embed_instant(start) if start.tzinfo else start.date().isoformat()


def check_zone_name(zone: str) -> None:
    """Refuse what the database would read as a rule of its own, like `UTC+3`. Raises InvalidRequestError."""
    if _zone_name.fullmatch(zone) is None:
        raise unknown_zone(zone)


def unknown_zone(zone: str) -> InvalidRequestError:
    """The refusal of a name that no zone has."""
    return InvalidRequestError(
        f"expected the name of a time zone, such as Europe/Berlin, got {zone[:60]!r}",
        "query",
        "timeDimension",
        "timeZone",
    )
