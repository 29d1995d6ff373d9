"""Our own API on end users: what each has cost over a period, and one user's windows. Money is a decimal string in USD."""

from datetime import UTC, datetime
from typing import Any, Final

from tailrace.core.model import BUCKETS, Bucket
from tailrace.core.windows import bucket_start, cover
from tailrace.query.endpoint import Answer, Call
from tailrace.query.errors import TooMuchError
from tailrace.query.json_text import embed_instant, embed_money
from tailrace.query.listing import page_meta
from tailrace.query.parameters import choice, instant, order, page, text
from tailrace.query.rows import UserFigures, WindowRead
from tailrace.query.sql import statement

MAX_WINDOWS: Final = 10_000

_beginning: Final = datetime(1, 1, 2, tzinfo=UTC)
_end: Final = datetime(9999, 12, 30, tzinfo=UTC)
_orders: Final = {
    "cost": "cost",
    "tokens": "tokens",
    "traces": "traces",
    "errors": "errors",
    "lastSeen": "last_seen_at",
}


async def list_users(call: Call) -> Answer:
    """A counted page of end users. With a period, those who have figures in it; without one, all."""
    asked = page(call.query)
    field, direction = order(call.query, "sort", _orders, "cost.desc")
    first, last = instant(call.query, "from"), instant(call.query, "to")
    ranges = cover(first or _beginning, last or _end)
    values = [
        call.project_id,
        [one.bucket for one in ranges],
        [one.start for one in ranges],
        [one.end for one in ranges],
        text(call.query, "search"),
        first is None and last is None,
    ]
    query = statement("list_users", order=f"{_orders[field]} {direction}", limit="$7", offset="$8")
    async with call.database.snapshot() as reader:
        found = await reader.rows(UserFigures, query, [*values, asked.limit, asked.offset])
        beyond = not found and asked.number > 1
        counted = await reader.row(UserFigures, query, [*values, 1, 0]) if beyond else next(iter(found), None)
    total = 0 if counted is None else counted.total
    return Answer(lambda: {"data": [_user(one) for one in found], "meta": page_meta(asked, total)}, len(found))


async def list_windows(call: Call) -> Answer:
    """One end user's windows that hold anything, by time. `from` and `to` choose windows that overlap the period."""
    bucket = _bucket(choice(call.query, "bucket", BUCKETS))
    first = bucket_start(instant(call.query, "from") or _beginning, bucket)
    last = instant(call.query, "to") or _end
    values = (call.project_id, call.id, bucket, first, last, text(call.query, "model"), MAX_WINDOWS + 1)
    async with call.database.snapshot() as reader:
        found = await reader.rows(WindowRead, statement("list_windows"), values)
    if len(found) > MAX_WINDOWS:
        raise TooMuchError(f"there are more than {MAX_WINDOWS} windows: ask for a shorter period or a longer bucket")
    return Answer(lambda: {"data": [_window(one) for one in found]}, len(found))


def _bucket(name: str | None) -> Bucket:
    buckets: dict[str | None, Bucket] = {bucket: bucket for bucket in BUCKETS}
    return buckets.get(name, "day")


def _user(one: UserFigures) -> dict[str, Any]:
    return {
        "id": one.id,
        "cost": embed_money(one.cost),
        "tokens": one.tokens,
        "traces": one.traces,
        "errors": one.errors,
        "lastSeen": embed_instant(one.last_seen_at),
    }


def _window(one: WindowRead) -> dict[str, Any]:
    return {
        "start": embed_instant(one.start),
        "cost": embed_money(one.cost),
        "tokens": one.tokens,
        "generations": one.generations,
        "errors": one.errors,
    }
