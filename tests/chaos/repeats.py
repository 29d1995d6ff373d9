"""Which observations repeat what is below them, told from the top down: a reference that knows nothing of how the product finds them."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from tests.chaos.expected import Observation

MOST_COMPARED: Final = 2_000
"""In larger traces nothing is compared: there only what declares itself a repeat is one."""


def mark_repeats(trace: Sequence[Observation]) -> None:
    """Say of each observation of a trace without circles whether it counts."""
    if len(trace) > MOST_COMPARED:
        for one in trace:
            one.counted = not one.declares_repeat
        return
    for one in trace:
        below = nearest_with_figures(one, trace) if _has_figures(one) else []
        one.counted = not below or not (one.declares_repeat or _says_the_same(one, below))


def nearest_with_figures(one: Observation, trace: Sequence[Observation]) -> list[Observation]:
    """On each way down from `one`, the first observation that has tokens or a cost of its sender's."""
    found: list[Observation] = []
    for child in trace:
        if child.parent_observation_id == one.id and child is not one:
            found += [child] if _has_figures(child) else nearest_with_figures(child, trace)
    return found


def _says_the_same(one: Observation, below: Sequence[Observation]) -> bool:
    total = sum(other.total_tokens for other in below)
    if one.total_tokens or total:
        return one.total_tokens == total and one.input_tokens in (0, sum(other.input_tokens for other in below))
    costs = sum((_given_cost(other) for other in below), Decimal(0))
    return _given_cost(one) == costs != 0


def _has_figures(one: Observation) -> bool:
    return bool(one.input_tokens or one.output_tokens or one.total_tokens or _given_cost(one))


def _given_cost(one: Observation) -> Decimal:
    return (one.total_cost or Decimal(0)) if one.provided_cost_details else Decimal(0)
