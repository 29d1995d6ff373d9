"""The tables that assembled rows fill: staged by COPY, then merged by key. Column names are the record's field names."""

from collections.abc import Hashable, Iterable, Sequence
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


class Table(NamedTuple):
    """A table, the list of an assembled record that fills it, its key, and the columns that every row of a batch shares."""

    name: str
    field: str
    row: type[Record]
    key: tuple[str, ...]
    conflict: str
    extra: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        return (*self.row.__struct_fields__, *self.extra)

    @property
    def stage(self) -> str:
        return f"stage_{self.name}"

    def create_stage(self) -> str:
        """The staging table of one connection."""
        columns = ", ".join(self.columns)
        return (
            f"create temporary table if not exists {self.stage} on commit delete rows "  # noqa: S608 (names of this file only)
            f"as select {columns} from {self.name} with no data"
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
    name: str, row: type[Record], key: tuple[str, ...], extra: tuple[str, ...] = ("partition",), conflict: str = ""
) -> Table:
    return Table(name, name, row, key, conflict or f"({', '.join(key)})", extra)


TABLES: Final[tuple[Table, ...]] = (
    _table("observations", ObservationRow, ("project_id", "trace_id", "id", "day")),
    _table("observation_bodies", ObservationBodyRow, ("project_id", "trace_id", "id", "day"), ()),
    _table("traces", TraceRow, ("project_id", "id")),
    _table("trace_bodies", TraceBodyRow, ("project_id", "trace_id"), ()),
    _table("scores", ScoreRow, ("project_id", "id")),
    _table("sessions", SessionRow, ("project_id", "id", "partition")),
    _table("users", UserRow, ("project_id", "id", "partition")),
    _table(
        "cost_parts",
        CostPart,
        ("project_id", "bucket", "bucket_start", "user_id", "model", "partition"),
        ("partition", "epoch", "origin"),
        "on constraint cost_parts_key",
    ),
)


def rows_of(table: Table, records: Iterable[AssembledRecord]) -> Sequence[tuple[Any, ...]]:
    """The rows that a batch leaves in a table: of several with one key, the last."""
    key_columns = [name for name in table.key if name in table.row.__struct_fields__]
    newest: dict[Hashable, tuple[Any, ...]] = {}
    for record in records:
        shared = tuple(getattr(record, name) for name in table.extra)
        rows: list[Record] = getattr(record, table.field)
        for row in rows:
            key = tuple(getattr(row, name) for name in key_columns)
            newest[key] = (*msgspec.structs.astuple(row), *shared)
    return list(newest.values())
