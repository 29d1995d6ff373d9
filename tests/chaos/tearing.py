"""Tearing: the final values of one entity in, several partial events out that merge back to just these values, whatever their order.

By the merge rules of the batch API: events count in the order of their timestamps, a create before an update of the same time, then by
event id. For most fields the latest word wins, an explicit null too where null is a value; an absent field says nothing. Every event
but the one that decides a field may say something stale about it, on the side of time that loses.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple, cast

Rule = Literal["latest", "first", "truthy", "any", "union", "deep"]

CREATE: Final = 0
UPDATE: Final = 1
ABSENT: Final = object()


class Field(NamedTuple):
    """A field of a body. `value`: the final one as it is sent; `stale`: draws what a losing event says instead.

    `nothing`: what a later event may say without saying anything, as null or an empty object.
    """

    names: tuple[str, ...]
    value: Any
    rule: Rule
    stale: Callable[[], Any]
    nothing: tuple[Any, ...] = ()
    only_in: Callable[["Telling"], bool] | None = None


@dataclass(slots=True)
class Telling:
    """One event to be: when it speaks, as what, and what it says. `at_us`: its own time; `counts_at_us`: what it counts as.

    `counts_at_us` is later than its own time for an update that stands in one batch with a later create.
    """

    id: str
    type: str
    at_us: int
    phase: int
    counts_at_us: int
    body: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def order(self) -> tuple[int, int, str]:
        return self.counts_at_us, self.phase, self.id


def tear(rng: random.Random, tellings: Sequence[Telling], fields: Sequence[Field]) -> None:
    """Put the fields into the bodies of `tellings`, which stand in the order in which they count."""
    for one in fields:
        if one.rule == "union":
            _tear_union(rng, tellings, one)
        elif one.rule == "deep":
            _tear_deep(rng, tellings, one)
        else:
            _tear_plain(rng, [telling for telling in tellings if one.only_in is None or one.only_in(telling)], one)


def _tear_plain(rng: random.Random, tellings: Sequence[Telling], one: Field) -> None:
    decider = 0 if one.rule == "first" and rng.random() < 0.8 else rng.randrange(len(tellings))
    for place, telling in enumerate(tellings):
        said = one.value if place == decider else _aside(rng, one, before=place < decider)
        if said is not ABSENT:
            values = said if len(one.names) > 1 else (said,)
            telling.body.update(zip(one.names, values, strict=True))


def _aside(rng: random.Random, one: Field, *, before: bool) -> Any:
    """What an event says that does not decide the field."""
    chance = rng.random()
    if one.rule == "any":
        return ABSENT if chance < 0.5 else False
    if before != (one.rule == "first"):
        return one.stale() if chance < 0.5 else ABSENT
    if one.rule != "first" and chance < 0.15:
        return one.value
    return rng.choice(one.nothing) if one.nothing and chance < 0.4 else ABSENT


def _tear_union(rng: random.Random, tellings: Sequence[Telling], one: Field) -> None:
    name = one.names[0]
    for item in one.value:
        for telling in rng.sample(tellings, rng.randint(1, min(2, len(tellings)))):
            telling.body.setdefault(name, []).insert(0, item)


def _tear_deep(rng: random.Random, tellings: Sequence[Telling], one: Field) -> None:
    """Each key has its own decider; of an object below a key, its keys have."""
    for key, value in one.value.items():
        if isinstance(value, dict) and value and rng.random() < 0.5:
            for name, item in cast("dict[str, Any]", value).items():
                _put_deep(rng, tellings, (one.names[0], key, name), item)
        else:
            _put_deep(rng, tellings, (one.names[0], key), value)


def _put_deep(rng: random.Random, tellings: Sequence[Telling], path: tuple[str, ...], value: Any) -> None:
    decider = rng.randrange(len(tellings))
    for place, telling in enumerate(tellings[: decider + 1]):
        if place == decider or rng.random() < 0.3:
            at = telling.body
            for name in path[:-1]:
                at = at.setdefault(name, {})
            at[path[-1]] = value if place == decider else _stale_leaf(rng, value)


def _stale_leaf(rng: random.Random, value: Any) -> Any:
    """Another value in the place: what the newer one replaces, an object by a plain value and the other way round."""
    if isinstance(value, dict):
        return "stale"
    return rng.choice((0, "stale", None, [1], True, {"gone": {"deep": 1}}))
