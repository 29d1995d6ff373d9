"""The `filter` parameter: a sender's JSON list of conditions in, conditions of a `Where` out, by closed tables of columns and operators."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from math import isfinite
from typing import Any, Final, Literal, NamedTuple, cast

import msgspec
import orjson

from tailrace.query.columns import KINDS_WITH_KEY, Column, Kind
from tailrace.query.errors import InvalidRequestError
from tailrace.query.parameters import MAX_LIST_ITEMS, clean_text, parse_instant
from tailrace.query.sql import Where

MAX_CONDITIONS: Final = 50

FilterType = Literal[
    "datetime",
    "string",
    "number",
    "stringOptions",
    "categoryOptions",
    "arrayOptions",
    "stringObject",
    "numberObject",
    "booleanObject",
    "boolean",
    "null",
]


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """One condition as the sender wrote it."""

    type: FilterType
    column: str
    operator: str
    value: Any = None
    key: str | None = None


class _Term(NamedTuple):
    """A condition with its column's SQL, ready to be written. `path`: where it stands, for errors."""

    where: Where
    sql: str
    condition: Condition
    path: tuple[str | int, ...]

    def wrong(self, expected: str) -> InvalidRequestError:
        return InvalidRequestError(f"expected {expected}", *self.path)


def parse_filter(text: str | None) -> list[Condition]:
    """The conditions of a `filter` parameter. Raises InvalidRequestError."""
    if text is None:
        return []
    try:
        conditions = msgspec.convert(orjson.loads(text), list[Condition])
    except (orjson.JSONDecodeError, msgspec.ValidationError) as error:
        raise InvalidRequestError(f"expected a JSON array of conditions: {error}", "filter") from None
    if len(conditions) > MAX_CONDITIONS:
        raise InvalidRequestError(f"expected at most {MAX_CONDITIONS} conditions, got {len(conditions)}", "filter")
    return conditions


def add_filter(where: Where, columns: Mapping[str, Column], conditions: list[Condition], *place: str | int) -> None:
    """Add every condition to `where`. `place`: where the list stands in the request, if it is no parameter. Raises InvalidRequestError."""
    for position, condition in enumerate(conditions):
        path = (*(place or ("filter",)), position)
        column = columns.get(condition.column)
        if column is None:
            raise InvalidRequestError(f"expected one of the columns {', '.join(columns)}", *path, "column")
        _add_condition(_Term(where, column.sql, condition, path), column)


def _add_condition(term: _Term, column: Column) -> None:
    write = _writers.get((term.condition.type, column.kind))
    if write is None:
        fitting = [type_ for type_, kind in _writers if kind == column.kind]
        raise term.wrong(f"the type of {term.condition.column} to be one of {', '.join(fitting)}")
    if column.kind in KINDS_WITH_KEY:
        if term.condition.key is None:
            raise term.wrong("a key")
        placeholder = f"{term.where.bind(clean_text(term.condition.key))}::text"
        term = term._replace(sql=column.sql.format(key=placeholder))
    term.where.add(write(term))


def _instant(term: _Term) -> str:
    at = parse_instant(_text_value(term), *term.path, "value")
    return f"{term.sql} {_comparison(term)} {term.where.bind(at)}::timestamptz"


def _number(term: _Term) -> str:
    value = term.condition.value
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise term.wrong("a number as value")
    return f"{term.sql} {_comparison(term)} {term.where.bind(Decimal(str(value)))}::numeric"


def _number_in_text(term: _Term) -> str:
    guarded = f"(case when {term.sql} ~ '{_plain_number}' then ({term.sql})::numeric end)"
    return _number(term._replace(sql=guarded))


def _text(term: _Term) -> str:
    presence = {"is set": "is not null", "is not set": "is null"}.get(term.condition.operator)
    if presence is not None and term.condition.type == "stringObject":
        return f"{term.sql} {presence}"
    value = f"{term.where.bind(_text_value(term))}::text"
    return _chosen(
        term,
        {
            "=": f"{term.sql} = {value}",
            "contains": f"position({value} in {term.sql}) > 0",
            "does not contain": f"(position({value} in {term.sql}) > 0) is not true",
            "starts with": f"starts_with({term.sql}, {value})",
            "ends with": f"right({term.sql}, length({value})) = {value}",
        },
    )


def _pattern(term: _Term) -> str:
    """Equality is exact; every search takes `%` and `_` as Postgres does, whatever the case."""
    presence = {
        "is not empty": f"{term.sql} <> ''",
        "is set": f"{term.sql} is not null",
        "is not set": f"{term.sql} is null",
    }.get(term.condition.operator)
    if presence is not None:
        return presence
    text = _text_value(term)
    if not text and term.condition.type == "stringObject":
        return f"{term.sql} is not null"
    if (len(text) - len(text.rstrip("\\"))) % 2:
        raise term.wrong("a pattern that does not end in a single backslash")
    value = f"{term.where.bind(text)}::text"
    return _chosen(
        term,
        {
            "=": f"{term.sql} = {value}",
            "contains": f"{term.sql} ilike '%' || {value} || '%'",
            "does not contain": f"({term.sql} ilike '%' || {value} || '%') is not true",
            "starts with": f"{term.sql} ilike {value} || '%'",
            "ends with": f"{term.sql} ilike '%' || {value}",
        },
    )


def _options(term: _Term) -> str:
    matches = f"{term.sql} = any({term.where.bind(_text_values(term))}::text[])"
    return _chosen(term, {"any of": matches, "none of": f"({matches}) is not true"})


def _array(term: _Term) -> str:
    values = f"{term.where.bind(_text_values(term))}::text[]"
    return _chosen(
        term,
        {
            "any of": f"{term.sql} && {values}",
            "all of": f"{term.sql} @> {values}",
            "none of": f"({term.sql} && {values}) is not true",
        },
    )


def _boolean(term: _Term) -> str:
    return _equals(term, f"{term.sql} = {term.where.bind(_boolean_value(term))}::boolean")


def _boolean_in_text(term: _Term) -> str:
    return _equals(term, f"{term.sql} = {term.where.bind(str(_boolean_value(term)).lower())}::text")


def _boolean_in_array(term: _Term) -> str:
    return _equals(term, f"{term.where.bind(_boolean_value(term))}::boolean = any({term.sql}::boolean[])")


def _equals(term: _Term, matches: str) -> str:
    return _chosen(term, {"=": matches, "<>": f"({matches}) is not true"})


def _presence(term: _Term) -> str:
    return _chosen(term, {"is null": f"{term.sql} is null", "is not null": f"{term.sql} is not null"})


def _comparison(term: _Term) -> str:
    return _chosen(term, {operator: operator for operator in ("=", ">", "<", ">=", "<=")})


def _chosen(term: _Term, operators: Mapping[str, str]) -> str:
    """What the sender's operator stands for. Raises InvalidRequestError."""
    found = operators.get(term.condition.operator)
    if found is None:
        raise term.wrong(f"the operator to be one of {', '.join(operators)}")
    return found


def _text_value(term: _Term) -> str:
    if not isinstance(term.condition.value, str):
        raise term.wrong("a string as value")
    return clean_text(term.condition.value)


def _text_values(term: _Term) -> list[str]:
    values: Any = term.condition.value
    if not isinstance(values, list) or len(cast("list[Any]", values)) > MAX_LIST_ITEMS:
        raise term.wrong(f"a list of at most {MAX_LIST_ITEMS} strings as value")
    if not all(isinstance(value, str) for value in cast("list[Any]", values)):
        raise term.wrong("strings in the list")
    return [clean_text(value) for value in cast("list[str]", values)]


def _boolean_value(term: _Term) -> bool:
    if not isinstance(term.condition.value, bool):
        raise term.wrong("true or false as value")
    return term.condition.value


_plain_number: Final = "^-?[0-9]{1,30}([.][0-9]{1,30})?$"

_writers: Final[Mapping[tuple[FilterType, Kind], Callable[[_Term], str]]] = {
    ("datetime", "instant"): _instant,
    ("number", "number"): _number,
    ("string", "text"): _text,
    ("stringOptions", "text"): _options,
    ("string", "pattern"): _pattern,
    ("stringOptions", "pattern"): _options,
    ("stringObject", "pattern_object"): _pattern,
    ("arrayOptions", "array"): _array,
    ("boolean", "boolean"): _boolean,
    ("stringObject", "object"): _text,
    ("numberObject", "object"): _number_in_text,
    ("booleanObject", "object"): _boolean_in_text,
    ("categoryOptions", "object"): _options,
    ("number", "scores_number"): _number,
    ("numberObject", "scores_number"): _number,
    ("categoryOptions", "scores_text"): _array,
    ("booleanObject", "scores_boolean"): _boolean_in_array,
    ("null", "instant"): _presence,
    ("null", "number"): _presence,
    ("null", "text"): _presence,
    ("null", "array"): _presence,
    ("null", "boolean"): _presence,
    ("null", "object"): _presence,
}
