"""The stamps of a folded entity as compact JSON data, kept beside its row so that a late event merges like an early one.

Shape: `{"w": [[at_us, phase, event_id, digest, rank, fields], …], "v": {field: value}, "m": metadata}`. `v` has the values that the row
does not show as they are (a trace's timestamp is the explicit one, else the earliest start; an end is never before its start).
`fields` is a bit set over the field names of the
entity's rules in their order, which is therefore append-only. `m` is the index of one entry of `w` when one event gave all metadata,
else a tree: an index for a value, `{key: …}` for an object, `[index, {key: …}]` for an object that also beat an older value.
An observation whose usage was estimated has the vocabulary under `e` besides: that usage was told by nobody.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, cast

from tailrace.core.merge import ORDINARY, RULES, EntityKind, Folded, Win
from tailrace.core.metadata import Metadata, Node, Uniform
from tailrace.core.stamp import Stamp


def dump_stamps(folded: Folded, kind: EntityKind, hidden: Mapping[str, Any]) -> dict[str, Any]:
    """The stamps of `folded`, ready for JSON. `hidden`: values of fields that the row does not show as they are."""
    masks = _masks(folded.wins, _bits(kind))
    wins = sorted(masks) if len(masks) > 1 else list(masks)
    if folded.metadata is not None and not _is_of_first(folded.metadata, wins):
        known = {win.stamp for win in wins}
        extra = {Win(ORDINARY, stamp) for stamp in _stamps_of(folded.metadata) if stamp not in known}
        if extra:
            wins = sorted(masks.keys() | extra)
    index = {win.stamp: number for number, win in enumerate(wins)}
    dumped: dict[str, Any] = {"w": [[*win.stamp, win.rank, masks.get(win, 0)] for win in wins]}
    if folded.metadata is not None:
        dumped["m"] = _dump_metadata(folded.metadata, index)
    if hidden:
        dumped["v"] = dict(hidden)
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
    kept: dict[str, Any] = {}
    for field, rule in rules.items():
        if field in wins or (rule in ("any", "union") and values[field] is not None):
            kept[field] = values[field]
    kept.update(dumped.get("v", {}))
    state = _load_metadata(dumped["m"], metadata, stamps) if "m" in dumped else None
    return Folded(kept, wins, state)


def _masks(wins: Mapping[str, Win], bits: Mapping[str, int]) -> dict[Win, int]:
    """The fields that each win decided, as a bit set."""
    masks: dict[Win, int] = {}
    last: Win | None = None
    mask = 0
    for field, win in wins.items():
        if win is last:  # as nearly always: one event decided all
            mask |= bits[field]
            continue
        if last is not None:
            masks[last] = mask
        last, mask = win, masks.get(win, 0) | bits[field]
    if last is not None:
        masks[last] = mask
    return masks


@cache
def _bits(kind: EntityKind) -> dict[str, int]:
    return {field: 1 << position for position, field in enumerate(RULES[kind])}


def _is_of_first(state: Metadata, wins: Sequence[Win]) -> bool:
    """Whether the event of the first win gave all metadata: nearly always, as one event gave everything."""
    return isinstance(state, Uniform) and bool(wins) and state.stamp is wins[0].stamp


def _stamps_of(state: Metadata | None) -> Iterator[Stamp]:
    if isinstance(state, Uniform):
        yield state.stamp
    elif state is not None:
        if state.floor is not None:
            yield state.floor
        for child in (state.children or {}).values():
            yield from _stamps_of(child)


def _dump_metadata(state: Metadata, index: Mapping[Stamp, int]) -> Any:
    if isinstance(state, Uniform):
        return index[state.stamp]
    return {key: _dump_node(child, index) for key, child in (state.children or {}).items()}


def _dump_node(node: Node, index: Mapping[Stamp, int]) -> Any:
    if not node.children:
        return {} if node.floor is None else index[node.floor]
    children = {key: _dump_node(child, index) for key, child in node.children.items()}
    return children if node.floor is None else [index[node.floor], children]


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
