"""The trace tree: the observations of one trace in any order in, one tree with own and subtree figures out, whatever the senders did.

Nothing is ever left out: each observation stands in the tree exactly once. What had to be repaired is said in a warning: an observation
whose parent is unknown becomes a root, a cycle is cut at its earliest member. Several roots are normal and no repair, and so is a root
that its sender calls one and that names a parent which never comes. The tree is a flat
map of nodes, so that a chain of any length needs no recursion. Sums are exact: the subtree costs of the roots add up to the cost of all
counted observations.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, Literal

import msgspec

from tailrace.core.money import MONEY

TraceState = Literal["open", "complete", "amended"]
WarningKind = Literal["unknown_parent", "own_parent", "cycle", "starts_before_parent"]

QUIET: Final = timedelta(seconds=60)
"""A trace whose root has ended is complete once nothing came for this long."""


class TreeRow(msgspec.Struct, frozen=True, kw_only=True):
    """What the tree needs of an observation.

    `counted`: whether its cost and tokens count in sums, or repeat those of others. `is_root`: its sender says that it is one,
    also where it names a parent.
    """

    id: str
    parent_observation_id: str | None
    start_time: datetime
    end_time: datetime | None
    level: str
    total_cost: Decimal | None
    total_tokens: int
    counted: bool
    is_root: bool = False


class Own(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Figures of one observation, also of one that is not counted. `latency`: None while it has no end. `depth`: 0 of a root."""

    cost: Decimal | None
    tokens: int
    latency: timedelta | None
    errors: int
    depth: int


class Subtree(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Sums over an observation and all below it. `latency`: from the first start to the last end. `depth`: levels, 1 without children."""

    cost: Decimal
    tokens: int
    latency: timedelta
    errors: int
    observations: int
    depth: int


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """One observation in its place. `children`: ids by (start time, id)."""

    id: str
    own: Own
    subtree: Subtree
    children: tuple[str, ...]


class TreeWarning(msgspec.Struct, frozen=True, kw_only=True):
    """A repair, or a doubt: what is odd about an observation and the parent that it names."""

    kind: WarningKind
    observation_id: str
    parent_observation_id: str


class Tree(msgspec.Struct, frozen=True, kw_only=True):
    """`roots` by (start time, id); `nodes` in the order in which a reader meets them: each parent before its children."""

    roots: tuple[str, ...]
    nodes: dict[str, Node]
    warnings: tuple[TreeWarning, ...]


def build_tree(rows: Iterable[TreeRow]) -> Tree:
    """The tree of a trace's observations, whose ids are unique; the same for any order of `rows`."""
    known = {row.id: row for row in sorted(rows, key=_position)}
    parents, warnings = _place(known)
    children: dict[str | None, list[str]] = {}
    for id_ in known:
        children.setdefault(parents[id_], []).append(id_)
    order = _walk(children)
    depths = _depths(order, parents)
    subtrees = _sum_subtrees(order, parents, known)
    nodes = {
        id_: Node(
            id=id_,
            own=_own(known[id_], depths[id_]),
            subtree=subtrees[id_],
            children=tuple(children.get(id_, ())),
        )
        for id_ in order
    }
    return Tree(roots=tuple(children.get(None, ())), nodes=nodes, warnings=tuple(warnings))


def trace_state(*, root_ended: bool, last_received_at: datetime, amended: bool, now: datetime) -> TraceState:
    """`amended`: something came after the trace was complete. Complete: a root has ended and nothing was received for QUIET."""
    if amended:
        return "amended"
    return "complete" if root_ended and now - last_received_at >= QUIET else "open"


def cycle_cuts(parents: Mapping[str, str | None]) -> set[str]:
    """Where to cut each cycle of a child → parent map whose values are keys of it: at the member that stands first in the map."""
    positions = {id_: position for position, id_ in enumerate(parents)}
    cuts: set[str] = set()
    settled: set[str] = set()
    for id_ in parents:
        path: dict[str, None] = {}
        here: str | None = id_
        while here is not None and here not in settled and here not in path:
            path[here] = None
            here = parents[here]
        if here is not None and here in path:
            members = list(path)
            cuts.add(min(members[members.index(here) :], key=positions.__getitem__))
        settled.update(path)
    return cuts


def _position(row: TreeRow) -> tuple[datetime, str]:
    return row.start_time, row.id


def _place(known: Mapping[str, TreeRow]) -> tuple[dict[str, str | None], list[TreeWarning]]:
    """Each observation's parent in the tree, None for a root, and what is odd about it."""
    doubts: dict[str, WarningKind] = {}
    parents: dict[str, str | None] = {}
    for row in known.values():
        parent = row.parent_observation_id or None
        if parent is not None and parent not in known:
            parent = None
            if not row.is_root:
                doubts[row.id] = "unknown_parent"
        elif parent == row.id:
            doubts[row.id] = "own_parent"
        parents[row.id] = None if row.id in doubts else parent
    for id_ in cycle_cuts(parents):
        doubts[id_] = "cycle"
        parents[id_] = None
    for id_, parent in parents.items():
        if parent is not None and known[id_].start_time < known[parent].start_time:
            doubts[id_] = "starts_before_parent"
    return parents, [_warning(row, doubts[row.id]) for row in known.values() if row.id in doubts]


def _warning(row: TreeRow, kind: WarningKind) -> TreeWarning:
    return TreeWarning(kind=kind, observation_id=row.id, parent_observation_id=row.parent_observation_id or "")


def _walk(children: Mapping[str | None, list[str]]) -> list[str]:
    """All ids, parents before children, siblings in their order."""
    order: list[str] = []
    waiting = list(reversed(children.get(None, ())))
    while waiting:
        id_ = waiting.pop()
        order.append(id_)
        waiting.extend(reversed(children.get(id_, ())))
    return order


def _depths(order: list[str], parents: Mapping[str, str | None]) -> dict[str, int]:
    depths: dict[str, int] = {}
    for id_ in order:
        parent = parents[id_]
        depths[id_] = 0 if parent is None else depths[parent] + 1
    return depths


def _own(row: TreeRow, depth: int) -> Own:
    latency = None if row.end_time is None else row.end_time - row.start_time
    return Own(cost=row.total_cost, tokens=row.total_tokens, latency=latency, errors=_errors(row), depth=depth)


def _errors(row: TreeRow) -> int:
    return 1 if row.level == "ERROR" else 0


class _Sums:
    """The figures of a subtree while they grow."""

    __slots__ = ("cost", "end", "errors", "levels", "observations", "start", "tokens")

    def __init__(self, row: TreeRow) -> None:
        self.cost = row.total_cost if row.counted and row.total_cost is not None else Decimal(0)
        self.tokens = row.total_tokens if row.counted else 0
        self.errors = _errors(row)
        self.observations = 1
        self.levels = 1
        self.start = row.start_time
        self.end = row.start_time if row.end_time is None else max(row.start_time, row.end_time)

    def add(self, child: "_Sums") -> None:
        self.cost = MONEY.add(self.cost, child.cost)
        self.tokens += child.tokens
        self.errors += child.errors
        self.observations += child.observations
        self.levels = max(self.levels, child.levels + 1)
        self.start = min(self.start, child.start)
        self.end = max(self.end, child.end)


def _sum_subtrees(
    order: list[str], parents: Mapping[str, str | None], known: Mapping[str, TreeRow]
) -> dict[str, Subtree]:
    """From the leaves up: when a node's turn comes in reversed order, all its children have been added to it."""
    sums = {id_: _Sums(known[id_]) for id_ in order}
    for id_ in reversed(order):
        parent = parents[id_]
        if parent is not None:
            sums[parent].add(sums[id_])
    return {
        id_: Subtree(
            cost=one.cost,
            tokens=one.tokens,
            latency=one.end - one.start,
            errors=one.errors,
            observations=one.observations,
            depth=one.levels,
        )
        for id_, one in sums.items()
    }
