"""Statements that are alike for each table of traces and scores, written from the sink's own list of tables and columns. Pure.

What the sink writes is what is compared and replaced; columns that others own (a bookmark) are neither.
"""

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

from tailrace.sink.tables import TABLES, Table

NOT_COMPARED: Final = frozenset({"price_version"})
"""A newer price table that prices an observation alike is no difference; what it prices otherwise shows in the costs."""

_sink_tables: Final[Mapping[str, Table]] = {table.name: table for table in TABLES}


class Part(NamedTuple):
    """A table of what one trace or one score is: `id` is the column that names it."""

    table: Table
    kind: Literal["trace", "score"]
    id: str

    @property
    def name(self) -> str:
        return self.table.name


PARTS: Final = (
    Part(_sink_tables["traces"], "trace", "id"),
    Part(_sink_tables["trace_bodies"], "trace", "trace_id"),
    Part(_sink_tables["observations"], "trace", "trace_id"),
    Part(_sink_tables["observation_bodies"], "trace", "trace_id"),
    Part(_sink_tables["scores"], "score", "id"),
)


def diff_rows(part: Part, shadow: str) -> str:
    """Note the rows of what is compared that differ, or that one side only has."""
    key = ", ".join(part.table.key)
    columns = [name for name in part.table.columns if name not in part.table.key and name not in NOT_COMPARED]
    differs = " or ".join(f"l.{name} is distinct from s.{name}" for name in columns)
    names = ", ".join(f"case when l.{name} is distinct from s.{name} then '{name}' end" for name in columns)
    return f"""
        insert into {shadow}.replay_differences (table_name, partition, kind, project_id, id, name, what, columns)
        select '{part.name}', coalesce(l.home, s.home), '{part.kind}', project_id, {part.id}, concat_ws('/', {key}),
               case when not s.here is true then 'only_live' when not l.here is true then 'only_shadow' else 'different' end,
               case when l.here and s.here then array_remove(array[{names}], null) end
        from ({_compared(part, part.name, shadow)}) as l full join ({_compared(part, f"{shadow}.{part.name}", shadow)}) as s using ({key})
        where not l.here is true or not s.here is true or {differs}
    """  # noqa: S608 (names of our own)


def count_rows(part: Part, shadow: str) -> str:
    """How many rows of what is compared the shadow has."""
    return f"select count(*) from ({_compared(part, f'{shadow}.{part.name}', shadow)}) as s"  # noqa: S608 (names of our own)


def drop_rows(part: Part, shadow: str) -> str:
    """Delete live rows of what is swapped that the shadow does not have."""
    same = " and ".join(f"s.{name} = l.{name}" for name in part.table.key)
    return f"""
        delete from {part.name} l using {shadow}.replay_swapped w
        where w.kind = '{part.kind}' and w.project_id = l.project_id and w.id = l.{part.id}
          and not exists (select from {shadow}.{part.name} s where {same})
    """  # noqa: S608 (names of our own)


def copy_rows(part: Part, shadow: str) -> str:
    """Write the shadow's rows of what is swapped over the live ones."""
    names = ", ".join(part.table.columns)
    columns = ", ".join(f"s.{name}" for name in part.table.columns)
    updates = ", ".join(f"{name} = excluded.{name}" for name in part.table.columns if name not in part.table.key)
    return f"""
        insert into {part.name} ({names})
        select {columns} from {shadow}.{part.name} s
        join {shadow}.replay_swapped w on w.kind = '{part.kind}' and w.project_id = s.project_id and w.id = s.{part.id}
        on conflict {part.table.conflict} do update set {updates}
    """  # noqa: S608 (names of our own)


def _compared(part: Part, table: str, shadow: str) -> str:
    return (
        f"select t.*, c.partition as home, true as here from {table} t join {shadow}.replay_compared c "  # noqa: S608 (names of our own)
        f"on c.kind = '{part.kind}' and c.project_id = t.project_id and c.id = t.{part.id}"
    )
