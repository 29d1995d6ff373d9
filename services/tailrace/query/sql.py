"""Composing statements: named blocks of the `.sql` files beside it with slots, filled with closed fragments; every value is a `$n` parameter.

No text of a sender ever becomes SQL: fragments come from this package's own tables of columns and operators.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from tailrace.runtime.postgres import load_queries

QUERIES: Final = {
    name: text
    for file in ("queries.sql", "prompts.sql", "datasets.sql")
    for name, text in load_queries(Path(__file__).with_name(file)).items()
}


class Where:
    """Conditions joined by `and`, and the values that they refer to. The first is always the project."""

    def __init__(self, table: str, project_id: str) -> None:
        self.values: list[Any] = []
        self._conditions = [f"{table}.project_id = {self.bind(project_id)}"]

    def bind(self, value: object) -> str:
        """The placeholder of a new parameter."""
        self.values.append(value)
        return f"${len(self.values)}"

    def add(self, condition: str) -> None:
        """Add a condition made of closed fragments and placeholders."""
        self._conditions.append(condition)

    def compare(self, expression: str, operator: str, value: object) -> None:
        """Add `expression operator value`, unless the value is None."""
        if value is not None:
            self.add(f"{expression} {operator} {self.bind(value)}")

    def any_of(self, expression: str, values: Iterable[str]) -> None:
        """Add that the expression is one of `values`, unless there are none."""
        wanted = list(values)
        if wanted:
            self.add(f"{expression} = any({self.bind(wanted)}::text[])")

    def __str__(self) -> str:
        return " and ".join(self._conditions)


def statement(name: str, **slots: str) -> str:
    """The statement `name` with its slots filled. Slots that name another block need not be given."""
    return QUERIES[name].format(**{**_blocks, **slots})


_blocks: Final = {name: text for name, text in QUERIES.items() if name.endswith("_columns")}
