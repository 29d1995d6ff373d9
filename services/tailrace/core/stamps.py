"""The stamps of a folded entity as compact JSON data, kept beside its row so that a late event merges like an early one.

Shape: `{"w": [[at_us, phase, event_id, digest, rank, fields], …], "l": {field: value}, "m": metadata}`. `l` has the fields whose least
value counts, because a row may show another (a trace's timestamp is the explicit one, else the earliest start). `fields` is a bit set over the field names of the
entity's rules in their order, which is therefore append-only. `m` is the index of one entry of `w` when one event gave all metadata,
else a tree: an index for a value, `{key: …}` for an object, `[index, {key: …}]` for an object that also beat an older value.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, cast

from tailrace.core.merge import ORDINARY, RULES, EntityKind, Folded, Win
from tailrace.core.metadata import Metadata, Node, Uniform
from tailrace.core.stamp import Stamp


def dump_stamps(folded: Folded, kind: EntityKind) -> dict[str, Any]:
    """The stamps of `folded`, ready for JSON."""
    bits = _bits(kind)
    masks: dict[Win, int] = {}
    for field, win in folded.wins.items():
        masks[win] = masks.get(win, 0) | bits[field]
    wins = list(masks)
    index = {win.stamp: number for number, win in enumerate(wins)}
    dumped: dict[str, Any] = {}
    if folded.metadata is not None:
        dumped["m"] = _dump_metadata(folded.metadata, index, wins)
    least = {field: folded.values[field] for field in _least(kind) if field in folded.values}
    if least:
        dumped["l"] = least
    dumped["w"] = [[*win.stamp, win.rank, masks.get(win, 0)] for win in wins]
    return dumped


def load_folded(
    kind: EntityKind, values: dict[str, Any], metadata: Mapping[str, Any], dumped: Mapping[str, Any]
) -> Folded:
    """The state whose stamps were dumped. `values`: all that its row knows; fields that no event gave are left out of the state."""
    bits = _bits(kind)
    wins: dict[str, Win] = {}
    stamps: list[Stamp] = []
    for at_us, phase, event_id, digest, rank, mask in dumped["w"]:
        win = Win(rank, Stamp(at_us, phase, event_id, digest))
        stamps.append(win.stamp)
        wins.update((field, win) for field, bit in bits.items() if mask & bit)
    rules = RULES[kind]
    kept: dict[str, Any] = dict(dumped.get("l", {}))
    for field, rule in rules.items():
        if field in wins or (rule in ("any", "union") and values[field] is not None):
            kept[field] = values[field]
    state = _load_metadata(dumped["m"], metadata, stamps) if "m" in dumped else None
    return Folded(kept, wins, state)


@cache
def _bits(kind: EntityKind) -> dict[str, int]:
    return {field: 1 << position for position, field in enumerate(RULES[kind])}


@cache
def _least(kind: EntityKind) -> tuple[str, ...]:
    return tuple(field for field, rule in RULES[kind].items() if rule == "least")


def _dump_metadata(state: Metadata, index: dict[Stamp, int], wins: list[Win]) -> Any:
    if isinstance(state, Uniform):
        return _number(state.stamp, index, wins)
    return {key: _dump_node(child, index, wins) for key, child in (state.children or {}).items()}


def _dump_node(node: Node, index: dict[Stamp, int], wins: list[Win]) -> Any:
    if not node.children:
        return {} if node.floor is None else _number(node.floor, index, wins)
    children = {key: _dump_node(child, index, wins) for key, child in node.children.items()}
    return children if node.floor is None else [_number(node.floor, index, wins), children]


def _number(stamp: Stamp, index: dict[Stamp, int], wins: list[Win]) -> int:
    if stamp not in index:
        index[stamp] = len(wins)
        wins.append(Win(ORDINARY, stamp))
    return index[stamp]


def _load_metadata(dumped: Any, value: Mapping[str, Any], stamps: list[Stamp]) -> Metadata:
    if isinstance(dumped, int):
        return Uniform(value, stamps[dumped])
    return Node(None, None, {key: _load_node(child, value[key], stamps) for key, child in dumped.items()})


def _load_node(dumped: Any, value: Any, stamps: list[Stamp]) -> Node:
    if isinstance(dumped, int):
        return Node(stamps[dumped], value, None)
    floor: Stamp | None = None
    children: Mapping[str, Any] = dumped
    if isinstance(dumped, list):
        number, children = cast("tuple[int, Mapping[str, Any]]", dumped)
        floor = stamps[number]
    return Node(floor, None, {key: _load_node(child, value[key], stamps) for key, child in children.items()})
