"""Executions of items in experiments: the part of a statement that finds them, wherever they are told."""

from tailrace.query.sql import QUERIES, Where


def executions(days: str = "") -> str:
    """A table of executions for a statement. `days`: a condition that bounds the partitions of observations."""
    return QUERIES["executions"].format(days=f"and {days}" if days else "")


def statement_on_executions(name: str, where: Where, days: str = "", **slots: str) -> str:
    """A statement of `datasets.sql` on executions that fit `where`."""
    blocks = {key: text for key, text in QUERIES.items() if key.endswith("_columns")}
    return QUERIES[name].format(**{**blocks, "executions": executions(days), "where": str(where), **slots})
