"""Merging: partial events of one entity in, one folded entity out, the same for any order, grouping and repetition.

A `Change` is what one event says of one entity. A `Folded` is what all changes so far say: for each field the value that won and
the stamp it won with. Both live in one join-semilattice: `fold(a, b)` is commutative, associative and idempotent, and an absent
field never erases a present one. Rules by field are in `rules`; sources: the wire contract's merge rules.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple

EntityKind = Literal["trace", "observation", "score"]


class Stamp(NamedTuple):
    """When an event speaks: effective time in microseconds since 1970, phase (create 0, update 1), event id, digest of the body.

    Stamps are totally ordered; two events with one stamp are the same event.
    """

    at_us: int
    phase: int
    event_id: str
    digest: str


class Change(NamedTuple):
    """What one event says of one entity. A field that is not in `fields` is absent; None is an explicit null.

    `weak`: the fields that any other event's value beats, whatever its time (a name that is only a fallback).
    """

    kind: EntityKind
    project_id: str
    trace_id: str
    id: str
    stamp: Stamp
    fields: Mapping[str, Any]
    weak: frozenset[str] = frozenset()


NO_FIELDS: Final[frozenset[str]] = frozenset()
