"""Which part of the log is replayed: two times in, a range of offsets for each partition out, and what lies outside of it.

The ranges end at what Postgres has applied when the command starts, so that live traffic may go on.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import asyncpg

from tailrace.admin.command import OperatorError
from tailrace.admin.raw_log import Bounds, LogPlace, RawLog, RawRecord
from tailrace.admin.shadow import Connection, Shadow
from tailrace.assembler.mapping import map_record
from tailrace.wire.topics import BadHeadersError, decode_raw_headers

Entity = tuple[str, str, str]
"""Kind (`trace` or `score`), project and id."""

_NOTED_AT_ONCE = 5_000


class Period(NamedTuple):
    """What to replay: records from the first that was sent at `start` or later and before `end`, of one project or of all."""

    start: datetime
    end: datetime
    project_id: str | None

    def takes(self, record: RawRecord) -> bool:
        """Whether the record is of the project."""
        return self.project_id is None or record.headers.get("project", b"") == self.project_id.encode()


async def find_spans(connection: Connection, shadow: Shadow, log: RawLog, period: Period) -> dict[int, Bounds]:
    """The range of each partition that has one. Raises OperatorError when the log no longer has all of the period."""
    rows = await connection.fetch(shadow.queries["read_progress"])
    partitions = [row["partition"] for row in rows]
    bounds = await log.bounds(partitions)
    starts = await log.places_at(partitions, period.start)
    ends = await log.places_at(partitions, period.end)
    await _check_one_log(connection, shadow, period)
    spans: dict[int, Bounds] = {}
    for row in rows:
        partition = row["partition"]
        first, end = bounds[partition]
        if end < row["applied_origin"] + 1:
            raise OperatorError(
                f"the log of partition {partition} is shorter than what is applied: `tailrace partition show`"
            )
        _check_begin(partition, first, starts[partition], row["applied_received_at"], period)
        place, until = starts[partition], ends[partition]
        last = min(end if until is None else until.offset, row["applied_origin"] + 1)
        if place is not None and place.offset < last:
            spans[partition] = Bounds(place.offset, last)
    return spans


def touched(record: RawRecord) -> set[Entity]:
    """The traces and scores that a raw record names, by this release's reading."""
    try:
        changes = map_record(decode_raw_headers(record.headers), record.value).changes
    except BadHeadersError:
        return set()
    return {
        ("score", change.project_id, change.id)
        if change.kind == "score"
        else ("trace", change.project_id, change.trace_id)
        for change in changes
    }


async def note_moved(
    connection: "Connection | asyncpg.pool.PoolConnectionProxy[Any]",
    shadow: Shadow,
    log: RawLog,
    ranges: Mapping[int, Bounds],
) -> None:
    """Note what records of these ranges, behind the replayed ones, name: it has moved on and cannot be compared."""
    found: set[Entity] = set()
    async for record in log.read(ranges):
        found |= touched(record)
        if len(found) >= _NOTED_AT_ONCE:
            await _note(connection, shadow, found)
            found = set()
    await _note(connection, shadow, found)


async def _note(connection: Any, shadow: Shadow, found: Iterable[Entity]) -> None:
    columns = list(zip(*found, strict=True))
    if columns:
        await connection.execute(shadow.queries["note_moved"], *columns)


async def _check_one_log(connection: Connection, shadow: Shadow, period: Period) -> None:
    lost = await connection.fetchrow(shadow.queries["find_loss"], period.start)
    if lost is not None:
        raise OperatorError(
            f"partition {lost['partition']} was let go on at another place of the log at {lost['created_at']:%Y-%m-%dT%H:%M:%SZ}: "
            "expected a --from after that"
        )


def _check_begin(
    partition: int, first: int, place: LogPlace | None, applied_at: datetime | None, period: Period
) -> None:
    if first == 0:
        return
    if place is not None and place.offset == first:
        raise OperatorError(
            f"the log of partition {partition} begins at {place.at.isoformat()}: expected a --from after that"
        )
    if place is None and applied_at is not None and applied_at >= period.start:
        raise OperatorError(
            f"the log of partition {partition} no longer has what it got since {period.start.isoformat()}"
        )
