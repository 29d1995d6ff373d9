"""How lists are asked for: the parameters and the `filter` of a request in, the conditions of a statement and the page's meta out."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from starlette.datastructures import QueryParams

from tailrace.query.columns import Column
from tailrace.query.filters import Condition, add_filter, parse_filter
from tailrace.query.parameters import Page, flag, instant, parse_instant, text, texts
from tailrace.query.sql import Where


class Listing:
    """Adds a request's parameters to `where`. A parameter steps back where the `filter` speaks of the same column."""

    def __init__(self, where: Where, query: QueryParams, columns: Mapping[str, Column]) -> None:
        self.where = where
        self._query = query
        self._columns = columns
        self._conditions: list[Condition] = parse_filter(text(query, "filter"))
        self._filtered = frozenset(condition.column for condition in self._conditions)
        add_filter(where, columns, self._conditions)

    def equal(self, *names: str) -> None:
        """Parameters whose column has their name: equal to the value."""
        for name in names:
            if name not in self._filtered:
                self.where.compare(self._columns[name].sql, "=", text(self._query, name))

    def any_of(self, name: str) -> None:
        """A parameter that repeats: one of its values."""
        if name not in self._filtered:
            self.where.any_of(self._columns[name].sql, texts(self._query, name))

    def flag(self, name: str) -> None:
        """A parameter that is true or false."""
        if name not in self._filtered:
            self.where.compare(self._columns[name].sql, "=", flag(self._query, name))

    def absent(self, name: str) -> None:
        """A parameter that is there and empty: the column has no value."""
        if name not in self._filtered and self._query.get(name) == "":
            self.where.add(f"{self._columns[name].sql} is null")

    def has_all(self, name: str, column: str) -> None:
        """A parameter that repeats: the array holds all of its values."""
        wanted = texts(self._query, name)
        if wanted and column not in self._filtered:
            self.where.compare(self._columns[column].sql, "@>", wanted)

    def period(self, first: str, last: str, column: str) -> None:
        """Two parameters that bound a time: from `first` on, before `last`."""
        if column not in self._filtered:
            self.where.compare(self._columns[column].sql, ">=", instant(self._query, first))
            self.where.compare(self._columns[column].sql, "<", instant(self._query, last))

    def earliest(self, first: str, column: str) -> datetime | None:
        """The lower bound of a time column, by its parameter or by the filter."""
        if column not in self._filtered:
            return instant(self._query, first)
        bounds = [
            parse_instant(condition.value)
            for condition in self._conditions
            if condition.column == column and condition.operator in (">", ">=") and isinstance(condition.value, str)
        ]
        return max(bounds, default=None)


def page_meta(page: Page, total: int) -> dict[str, Any]:
    """The meta of a counted page."""
    return {"page": page.number, "limit": page.limit, "totalItems": total, "totalPages": -(-total // page.limit)}
