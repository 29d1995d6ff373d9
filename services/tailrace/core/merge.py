"""Merging: partial events of one entity in, one folded entity out; the same for any order, grouping and repetition.

A `Change` is what one event says of one entity. A `Folded` is what all changes so far say: for each field the value that won and
the stamp that it won with. `fold` is commutative, associative and idempotent, and an absent field never erases a present one.
Sources: the merge rules of Langfuse's ingestion, made order-free.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, NamedTuple

from tailrace.core.metadata import Metadata, Uniform, merge_metadata
from tailrace.core.stamp import Stamp

EntityKind = Literal["trace", "observation", "score"]

Rule = Literal["latest", "first", "latest_truthy", "least", "any", "union", "deep"]
"""How a field decides between two values.

latest: the newest stamp wins, an explicit null too. first: the oldest stamp wins. latest_truthy: the newest of the non-empty values,
an empty one only if there is no other. least: the smallest value. any: true once true. union: all values, sorted, up to a number;
of more those that sort first, whatever came first. deep: key by key.
"""

UNION_LIMITS: Final[dict[str, int]] = {"tags": 200, "warnings": 50}
"""How many values a united field keeps. Above it a warning says so, once and for good: it is there exactly if there were more."""

TRACE_RULES: Final[Mapping[str, Rule]] = {
    "timestamp": "least",
    "earliest": "least",
    "environment": "first",
    "name": "latest",
    "user_id": "latest",
    "session_id": "latest",
    "release": "latest",
    "version": "latest",
    "external_id": "latest",
    "public": "any",
    "tags": "union",
    "input": "latest_truthy",
    "output": "latest_truthy",
    "metadata": "deep",
    "warnings": "union",
}

OBSERVATION_RULES: Final[Mapping[str, Rule]] = {
    "start_time": "first",
    "environment": "first",
    "type": "latest",
    "name": "latest",
    "parent_observation_id": "latest",
    "end_time": "latest",
    "completion_start_time": "latest",
    "level": "latest",
    "status_message": "latest",
    "version": "latest",
    "model": "latest",
    "model_parameters": "latest",
    "usage_details": "latest",
    "unit": "latest",
    "provided_cost_details": "latest",
    "prompt_name": "latest",
    "prompt_version": "latest",
    "is_root": "any",
    "is_app_root": "any",
    "uncounted": "any",
    "input": "latest_truthy",
    "output": "latest_truthy",
    "metadata": "deep",
    "warnings": "union",
    "price_terms": "latest",
    "experiment_id": "latest",
    "experiment_name": "latest",
    "experiment_dataset_id": "latest",
    "experiment_item_id": "latest",
    "experiment": "latest",
}

SCORE_RULES: Final[Mapping[str, Rule]] = {
    "timestamp": "first",
    "environment": "first",
    "trace_id": "first",
    "name": "latest",
    "data_type": "latest",
    "value": "latest",
    "string_value": "latest",
    "long_string_value": "latest",
    "source": "latest",
    "comment": "latest",
    "observation_id": "latest",
    "session_id": "latest",
    "dataset_run_id": "latest",
    "config_id": "latest",
    "queue_id": "latest",
    "author_user_id": "latest",
    "metadata": "deep",
    "deleted": "any",
}

RULES: Final[Mapping[EntityKind, Mapping[str, Rule]]] = {
    "trace": TRACE_RULES,
    "observation": OBSERVATION_RULES,
    "score": SCORE_RULES,
}


class Change(NamedTuple):
    """What one event says of one entity. A field that is not in `fields` is absent; None is an explicit null.

    Values: times are microseconds since 1970 (int), texts are clean, `input`/`output`/`model_parameters` are text, `metadata` an
    object, `usage_details` name → int, `provided_cost_details` name → Decimal, `tags`/`warnings` lists of texts.
    `weak`: fields that any other event's value beats, whatever its time (a trace name that is only the root span's).
    `is_correction`: it is an operator's word on what is there already: it makes no entity, and nothing was received from a sender.
    """

    kind: EntityKind
    project_id: str
    trace_id: str
    id: str
    stamp: Stamp
    fields: Mapping[str, Any]
    weak: frozenset[str] = frozenset()
    is_correction: bool = False


class Win(NamedTuple):
    """With what a value won: first its rank, then its stamp."""

    rank: int
    stamp: Stamp


STRONG: Final = 1
TRUTHY: Final = 2
ORDINARY: Final = STRONG | TRUTHY


class Folded:
    """The state of one entity. `wins` has an entry for each field that stamps decide; the other rules need none."""

    __slots__ = ("metadata", "values", "wins")

    def __init__(self, values: dict[str, Any], wins: dict[str, Win], metadata: Metadata | None) -> None:
        self.values = values
        self.wins = wins
        self.metadata = metadata

    def copy(self) -> "Folded":
        return Folded(dict(self.values), dict(self.wins), self.metadata)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Folded):
            return NotImplemented
        return (self.values, self.wins, self.metadata) == (other.values, other.wins, other.metadata)

    __hash__ = None  # type: ignore[assignment]


def lift(change: Change) -> Folded:
    """The state after `change` alone. Raises KeyError for a field that its kind of entity does not have."""
    rules = RULES[change.kind]
    values: dict[str, Any] = {}
    wins: dict[str, Win] = {}
    metadata: Metadata | None = None
    ordinary = Win(ORDINARY, change.stamp)
    weak = change.weak
    for field, value in change.fields.items():
        rule = rules[field]
        if rule == "latest" and field not in weak:
            values[field] = value
            wins[field] = ordinary
            continue
        if rule == "deep":
            metadata = Uniform(value, change.stamp) if value else None
            continue
        if rule == "union":
            _put_union(values, field, {*values.get(field, ()), *value})
            continue
        values[field] = value
        if rule in _STAMPED:
            rank = _rank(field, value, rule, change)
            wins[field] = ordinary if rank == ORDINARY else Win(rank, change.stamp)
    return Folded(values, wins, metadata)


def fold(one: Folded, other: Folded, kind: EntityKind) -> Folded:
    """The state that knows what both know."""
    folded = one.copy()
    absorb(folded, other, kind)
    return folded


def absorb(folded: Folded, other: Folded, kind: EntityKind) -> bool:
    """`fold` in place, into `folded`. Returns whether anything changed, a stamp too."""
    rules = RULES[kind]
    changed = False
    for field, value in other.values.items():
        changed |= _JOINS[rules[field]](folded, field, value, other.wins.get(field))
    if other.metadata is not None:
        changed |= _join_metadata(folded, other.metadata)
    return changed


def take(folded: Folded, change: Change) -> bool:
    """`absorb` of what `change` alone says, without making a state of it. Returns whether anything changed, a stamp too."""
    rules = RULES[change.kind]
    ordinary = Win(ORDINARY, change.stamp)
    changed = False
    for field, value in change.fields.items():
        rule = rules[field]
        if rule == "deep":
            changed |= bool(value) and _join_metadata(folded, Uniform(value, change.stamp))
            continue
        win: Win | None = None
        if rule in _STAMPED:
            rank = _rank(field, value, rule, change)
            win = ordinary if rank == ORDINARY else Win(rank, change.stamp)
        changed |= _JOINS[rule](folded, field, value, win)
    return changed


def _join_metadata(folded: Folded, other: Metadata) -> bool:
    merged = other if folded.metadata is None else merge_metadata(folded.metadata, other)
    changed = merged != folded.metadata
    folded.metadata = merged
    return changed


def _rank(field: str, value: Any, rule: Rule, change: Change) -> int:
    """Truthy before falsy (only where the rule asks), then strong before weak."""
    truthy = TRUTHY if value or rule != "latest_truthy" else 0
    return truthy | (0 if field in change.weak else STRONG)


def _join_latest(folded: Folded, field: str, value: Any, win: Win | None) -> bool:
    mine = folded.wins.get(field)
    if win is None or (mine is not None and mine >= win):
        return False
    folded.values[field] = value
    folded.wins[field] = win
    return True


def _join_first(folded: Folded, field: str, value: Any, win: Win | None) -> bool:
    mine = folded.wins.get(field)
    if win is None or (mine is not None and (-mine.rank, mine.stamp) <= (-win.rank, win.stamp)):
        return False
    folded.values[field] = value
    folded.wins[field] = win
    return True


def _join_least(folded: Folded, field: str, value: Any, _: Win | None) -> bool:
    if field in folded.values and folded.values[field] <= value:
        return False
    folded.values[field] = value
    return True


def _join_any(folded: Folded, field: str, value: Any, _: Win | None) -> bool:
    if field in folded.values and (folded.values[field] or not value):
        return False
    folded.values[field] = bool(value)
    return True


def _join_union(folded: Folded, field: str, value: Any, _: Win | None) -> bool:
    mine = folded.values.get(field)
    union = {*(mine or ()), *value}
    if mine is not None and len(union) == len(mine):
        return False
    return _put_union(folded.values, field, union)


def _put_union(values: dict[str, Any], field: str, union: set[str]) -> bool:
    """Keep the first of `union`; returns whether anything changed. Keeping the first of all is keeping the first of those kept."""
    limit = UNION_LIMITS[field]
    marks = {mark for mark in map(_mark_of, UNION_LIMITS) if mark in union} if field == "warnings" else set[str]()
    kept = sorted(union - marks)
    before = dict(values)
    if len(kept) > limit:
        kept = kept[:limit]
        marks.add(_mark_of(field))
    if field == "warnings":
        values[field] = sorted({*kept, *marks})
    else:
        values[field] = kept
        if marks:
            _put_union(values, "warnings", {*values.get("warnings", ()), *marks})
    return values != before


def _mark_of(field: str) -> str:
    return f"there were more than {UNION_LIMITS[field]} {field}: those that sort last were left out"


_Join = Callable[[Folded, str, Any, Win | None], bool]
_JOINS: Final[Mapping[Rule, _Join]] = {
    "latest": _join_latest,
    "latest_truthy": _join_latest,
    "first": _join_first,
    "least": _join_least,
    "any": _join_any,
    "union": _join_union,
}
_STAMPED: Final[frozenset[str]] = frozenset({"latest", "latest_truthy", "first"})
