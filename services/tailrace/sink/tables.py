"""The tables that assembled rows fill: rows of new entities by COPY, others staged and then merged by key. Column names are the record's field names."""

from collections.abc import Hashable, Iterable
from operator import attrgetter
from typing import Any, Final, NamedTuple

import msgspec

from tailrace.wire.records import (
    AssembledRecord,
    CostPart,
    ObservationBodyRow,
    ObservationRow,
    Record,
    ScoreRow,
    SessionRow,
    TraceBodyRow,
    TraceRow,
    UserRow,
)


class Entity(NamedTuple):
    """Which list of an assembled record tells whether a row's entity is new, and what there is the row's key."""

    field: str
    key: tuple[str, ...]


class Table(NamedTuple):
    """A table, the list of an assembled record that fills it, its key, and the columns that every row of a record shares.

    `entity`: whose rows come once for most entities, and never before it is new.
    """

    name: str
    field: str
    row: type[Record]
    key: tuple[str, ...]
    conflict: str
    extra: tuple[str, ...] = ()
    entity: Entity | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        return (*self.row.__struct_fields__, *self.extra)

    @property
    def stage(self) -> str:
        return f"stage_{self.name}"

    def create_stage(self) -> str:
        """The staging table of one connection: the same columns, stored in the same way, without keys."""
        return (
            f"create temporary table if not exists {self.stage} "
            f"(like {self.name} including defaults including storage including compression) on commit delete rows"
        )

    def clear_stage(self) -> str:
        """Empty the staging table before the end of the transaction."""
        return f"truncate {self.stage}"

    def merge(self) -> str:
        """Write the staged rows over the stored ones."""
        columns = ", ".join(self.columns)
        updates = ", ".join(f"{column} = excluded.{column}" for column in self.columns if column not in self.key)
        return (
            f"insert into {self.name} ({columns}) select {columns} from {self.stage} "  # noqa: S608 (names of this file only)
            f"on conflict {self.conflict} do update set {updates}"
        )


def _table(
    name: str,
    row: type[Record],
    key: tuple[str, ...],
    extra: tuple[str, ...] = ("partition",),
    *,
    conflict: str = "",
    entity: Entity | None = None,
) -> Table:
    return Table(name, name, row, key, conflict or f"({', '.join(key)})", extra, entity)


_observation_key: Final = ("project_id", "trace_id", "id", "day")
_observation: Final = Entity("observations", _observation_key)
_trace: Final = Entity("traces", ("project_id", "id"))

TABLES: Final[tuple[Table, ...]] = (
    _table("observations", ObservationRow, _observation_key, entity=_observation),
    _table("observation_bodies", ObservationBodyRow, _observation_key, (), entity=_observation),
    _table("traces", TraceRow, ("project_id", "id"), entity=_trace),
    _table("trace_bodies", TraceBodyRow, ("project_id", "trace_id"), (), entity=_trace),
    _table("scores", ScoreRow, ("project_id", "id")),
    _table("sessions", SessionRow, ("project_id", "id", "partition")),
    _table("users", UserRow, ("project_id", "id", "partition")),
    _table(
        "cost_parts",
        CostPart,
        ("project_id", "bucket", "bucket_start", "user_id", "model", "partition"),
        ("partition", "epoch", "origin"),
        conflict="on constraint cost_parts_key",
    ),
)


class Rows(NamedTuple):
    """The rows that a batch leaves in a table. `born`: of entities that no record before this batch has named, as far as the rows tell."""

    born: list[tuple[Any, ...]]
    known: list[tuple[Any, ...]]


def rows_of(table: Table, records: Iterable[AssembledRecord]) -> Rows:
    """The rows that a batch leaves in a table: of several with one key, the last."""
    key_of = attrgetter(*(name for name in table.key if name in table.row.__struct_fields__))
    newest: dict[Hashable, tuple[tuple[Any, ...], bool]] = {}
    for record in records:
        rows: list[Record] = getattr(record, table.field)
        if not rows:
            continue
        shared = tuple(getattr(record, name) for name in table.extra)
        born = _born(table, record)
        for row in rows:
            key = key_of(row)
            newest[record.partition, key] = ((*msgspec.structs.astuple(row), *shared), key in born)
    return Rows(
        [row for row, is_born in newest.values() if is_born], [row for row, is_born in newest.values() if not is_born]
    )


def _born(table: Table, record: AssembledRecord) -> set[Hashable]:
    """The keys of this table's rows whose entity this record is the first to name: it was made and changed when the record came."""
    if table.entity is None:
        return set()
    key_of = attrgetter(*table.entity.key)
    rows: list[ObservationRow | TraceRow] = getattr(record, table.entity.field)
    at = record.received_at
    return {key_of(row) for row in rows if row.created_at == at and row.updated_at == at}
