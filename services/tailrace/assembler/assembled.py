"""One folded raw record as assembled records ready to send: one, or several chunks where it is large."""

from collections.abc import Callable, Iterator
from functools import cache
from operator import attrgetter
from typing import Any, Final, NamedTuple, get_type_hints

import msgspec

from tailrace.assembler.entities import instant
from tailrace.assembler.fold import FoldedRecord
from tailrace.assembler.repository import Epoch
from tailrace.wire.records import AssembledRecord, CostPart, DeadLetter, EventCount, Record, SessionRow, UserRow

CHUNK_BYTES: Final = 4 * 1024 * 1024
"""A chunk holds rows up to about this many bytes; one row may be larger."""

_ROW_BYTES: Final = 1_000
"""What a row takes in JSON besides its texts."""


class Origin(NamedTuple):
    """Which raw record: its offset, the one before it, when the edge got it and the digest of its bytes."""

    offset: int
    previous: int
    received_us: int
    fingerprint: str


class Shared(NamedTuple):
    """Rows of users, sessions and cost parts as they stand after a record."""

    users: list[UserRow]
    sessions: list[SessionRow]
    parts: list[CostPart]


def assemble_record(
    epoch: Epoch,
    origin: Origin,
    folded: FoldedRecord,
    shared: Shared,
    outcome: tuple[list[DeadLetter], list[EventCount]],
) -> list[AssembledRecord]:
    """The chunks of a folded record, in order."""
    dead_letters, counts = outcome
    whole = AssembledRecord(
        epoch=epoch.number,
        owner=epoch.owner,
        partition=epoch.partition,
        origin=origin.offset,
        previous=origin.previous,
        fingerprint=origin.fingerprint,
        received_at=instant(origin.received_us),
        observations=folded.observations,
        observation_bodies=folded.observation_bodies,
        traces=folded.traces,
        trace_bodies=folded.trace_bodies,
        scores=folded.scores,
        sessions=shared.sessions,
        users=shared.users,
        cost_parts=shared.parts,
        dead_letters=dead_letters,
        counts=counts,
    )
    if _is_surely_small(folded, shared, dead_letters):
        return [whole]
    groups = list(_groups(whole))
    if len(groups) == 1:
        return [whole]
    empty: dict[str, list[Any]] = {field: [] for field in _lists}
    return [
        msgspec.structs.replace(whole, **{**empty, **group}, chunk=number, chunks=len(groups))
        for number, group in enumerate(groups)
    ]


_lists: Final = (
    "observations",
    "observation_bodies",
    "traces",
    "trace_bodies",
    "scores",
    "sessions",
    "users",
    "cost_parts",
    "dead_letters",
    "counts",
)


def _is_surely_small(folded: FoldedRecord, shared: Shared, dead_letters: list[DeadLetter]) -> bool:
    """Whether all of it is one chunk, told without a look at each row: what is in a row is in memory too."""
    return not dead_letters and 2 * folded.bytes + _ROW_BYTES * sum(map(len, shared)) < CHUNK_BYTES


def _groups(record: AssembledRecord) -> Iterator[dict[str, list[Any]]]:
    group: dict[str, list[Any]] = {}
    size = 0
    for field in _lists:
        rows: list[Record] = getattr(record, field)
        for row in rows:
            weight = _weigh(row)
            if size and size + weight > CHUNK_BYTES:
                yield group
                group, size = {}, 0
            group.setdefault(field, []).append(row)
            size += weight
    yield group


def _weigh(row: Record) -> int:
    """An estimate of the row's JSON: what is large about a row is its texts."""
    texts = 0
    for value in _texts_of(type(row))(row):
        if value is not None:
            texts += len(value)
    return _ROW_BYTES + 2 * texts


@cache
def _texts_of(kind: type[Record]) -> Callable[[Record], tuple[str | bytes | None, ...]]:
    """How to get the texts of a row of a kind."""
    hints = get_type_hints(kind)
    names = [field for field in kind.__struct_fields__ if hints[field] in (str, bytes, str | None)]
    if len(names) == 1:
        return lambda row: (getattr(row, names[0]),)
    return attrgetter(*names)
