"""Metadata: JSON objects merged key by key, in any order of events with one result.

A state is either *uniform*, (value, stamp): one event's object, untouched, or a tree of nodes. A node keeps `floor`, the newest
stamp at which this path was set to something other than a non-empty object, with that value, and the children that are newer than
the floor. Older children are gone for good, so nothing that lost can come back, whatever arrives later.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, cast

from tailrace.core.stamp import Stamp

MAX_DEPTH: Final = 24
"""Objects below this depth are one value: deep enough for people, shallow enough for every recursion here."""


class Uniform(NamedTuple):
    """One event's object."""

    value: Mapping[str, Any]
    stamp: Stamp


class Node:
    """One path of merged metadata."""

    __slots__ = ("children", "floor", "value")

    def __init__(self, floor: Stamp | None, value: Any, children: "dict[str, Node] | None") -> None:
        self.floor = floor
        self.value = value
        self.children = children

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Node):
            return NotImplemented
        return (self.floor, self.value, self.children) == (other.floor, other.value, other.children)

    __hash__ = None  # type: ignore[assignment]


Metadata = Uniform | Node


def merge_metadata(one: Metadata, other: Metadata) -> Metadata:
    """The join of two states: commutative, associative, idempotent."""
    if isinstance(one, Uniform) and isinstance(other, Uniform):
        if one.stamp == other.stamp:
            return one
        if one.value == other.value and _same_types(one.value, other.value):
            return max(one, other, key=_stamp_of)
    return _merge_nodes(as_node(one), as_node(other))


def read_metadata(state: Metadata) -> dict[str, Any]:
    """The object that the state stands for."""
    if isinstance(state, Uniform):
        return dict(state.value)
    return {key: _read(child) for key, child in (state.children or {}).items()}


def as_node(state: Metadata) -> Node:
    """The tree form of a state."""
    if isinstance(state, Node):
        return state
    return Node(None, None, {key: _lift(value, state.stamp, 1) for key, value in state.value.items()})


def newest_stamp(node: Node) -> Stamp | None:
    """The newest stamp anywhere in `node`."""
    stamps = [stamp for child in (node.children or {}).values() if (stamp := newest_stamp(child)) is not None]
    if node.floor is not None:
        stamps.append(node.floor)
    return max(stamps, default=None)


def _stamp_of(state: Uniform) -> Stamp:
    return state.stamp


def _same_types(one: Any, other: Any) -> bool:
    """Whether equal values are also of equal types: 1, 1.0 and True are equal in Python and differ in JSON."""
    if isinstance(one, dict):
        return all(_same_types(value, other[key]) for key, value in one.items())  # pyright: ignore[reportUnknownVariableType]
    if isinstance(one, list):
        return all(map(_same_types, one, other))  # pyright: ignore[reportUnknownArgumentType]
    return type(one) is type(other)


def _lift(value: Any, stamp: Stamp, depth: int) -> Node:
    if isinstance(value, dict) and depth < MAX_DEPTH:
        items = cast("dict[str, Any]", value).items()
        return Node(None, None, {key: _lift(child, stamp, depth + 1) for key, child in items})
    return Node(stamp, value, None)


def _merge_nodes(one: Node, other: Node) -> Node:
    if one.floor is None or (other.floor is not None and other.floor > one.floor):
        floor, value = other.floor, other.value
    else:
        floor, value = one.floor, one.value
    children = dict(one.children or {})
    for key, child in (other.children or {}).items():
        mine = children.get(key)
        children[key] = child if mine is None else _merge_nodes(mine, child)
    return _above_floor(floor, value, children)


def _above_floor(floor: Stamp | None, value: Any, children: dict[str, Node]) -> Node:
    if floor is None:
        return Node(None, None, children)
    alive = {key: kept for key, child in children.items() if (kept := _prune(child, floor)) is not None}
    return Node(floor, None, alive) if alive else Node(floor, value, None)


def _prune(node: Node, floor: Stamp) -> Node | None:
    """What of `node` is newer than `floor`. An empty object has no stamp of its own and yields to any value."""
    own = node.floor if node.floor is not None and node.floor > floor else None
    children = {key: kept for key, child in (node.children or {}).items() if (kept := _prune(child, floor)) is not None}
    if own is None and not children:
        return None
    return Node(own, None if children else node.value, children or None)


def _read(node: Node) -> Any:
    if node.children:
        return {key: _read(child) for key, child in node.children.items()}
    return {} if node.floor is None else node.value
