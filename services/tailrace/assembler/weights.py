"""How much memory the assembler's state takes: entities in, an estimate of their bytes out, within a factor of 2 of what Python allocates.

Texts, objects and lists are weighed as they are; what every entity has besides them is a constant, measured with tracemalloc.
"""

from collections.abc import Mapping
from sys import getsizeof
from typing import Any, Final

from tailrace.assembler.entities import ObservationState, ScoreState, TraceState
from tailrace.core.merge import Folded
from tailrace.core.metadata import Node

SMALL_BYTES: Final = 900
"""A user, a session or a cost part, with its key."""

_entity_bytes: Final = 900
_contribution_bytes: Final = 500
_day_bytes: Final = 80
_member_bytes: Final = 400
_node_bytes: Final = 160
_number_bytes: Final = 32
_key_bytes: Final = 25
_decimal_bytes: Final = 104


def weigh_observation(state: ObservationState) -> int:
    """An observation with its price, whose figures are mostly those that the sender provided."""
    return _weigh_folded(state.folded) + weigh_value(state.priced.cost_details) // 2


def weigh_trace(state: TraceState) -> int:
    """A trace with its roll-up."""
    roll_up = _contribution_bytes * len(state.contributions) + _day_bytes * len(state.days)
    return _weigh_folded(state.folded) + roll_up + _member_bytes * len(state.members or ())


def weigh_score(state: ScoreState) -> int:
    """A score."""
    return _weigh_folded(state.folded)


def weigh_value(value: Any) -> int:  # noqa: PLR0911 - one for each kind of value
    """What JSON can hold, a Decimal, or a tree of metadata. A key weighs half: mostly it is shared with other objects."""
    kind: type[object] = value.__class__
    if kind is str:
        return getsizeof(value)
    if kind is int or kind is float:
        return _number_bytes
    if value is None or kind is bool:
        return 0
    if kind is dict:
        return _weigh_items(value)
    if kind is list:
        return getsizeof(value) + sum(map(weigh_value, value))
    if kind is Node:
        children = 0 if value.children is None else weigh_value(value.children)
        return _node_bytes + children + weigh_value(value.value)
    return _decimal_bytes


def _weigh_items(items: Mapping[str, Any]) -> int:
    weight = getsizeof(items)
    for key, value in items.items():
        # Most are texts and numbers, and a call for each of them would take longer than all else here.
        kind: type[object] = value.__class__
        if kind is str:
            weight += getsizeof(value)
        elif kind is int:
            weight += _number_bytes
        else:
            weight += weigh_value(value)
        weight += _key_bytes + len(key) // 2
    return weight


def _weigh_folded(folded: Folded) -> int:
    weight = _entity_bytes + getsizeof(folded.wins)
    for value in folded.values.values():
        kind: type[object] = value.__class__
        if kind is str:
            weight += getsizeof(value)
        elif kind is not int and kind is not bool:
            weight += weigh_value(value)
    metadata = folded.metadata
    if metadata is not None:
        weight += weigh_value(metadata) if isinstance(metadata, Node) else _weigh_items(metadata.value)
    return weight
