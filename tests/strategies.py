"""What Hypothesis draws from: partial changes of every kind of entity, and the raw events and spans that senders write.

The alphabets are small on purpose, so that ids, keys, stamps and values meet often.
"""

import hashlib
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, get_args

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from tailrace.core.merge import RULES, Change, EntityKind, Rule
from tailrace.core.stamp import CREATE, UPDATE, Stamp

KINDS: tuple[EntityKind, ...] = get_args(EntityKind)
KEYS = "abc"
LEAVES: SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(0, 3),
    st.sampled_from(["", "a", "b", 1.0, Decimal(1)]),
    st.lists(st.integers(0, 1), max_size=2),
)
EMPTY_OBJECTS: SearchStrategy[dict[str, Any]] = st.builds(dict[str, Any])
_FIELD_VALUES: Mapping[str, SearchStrategy[Any]] = {
    "usage_details": st.dictionaries(st.sampled_from(["input", "output", "total"]), st.integers(0, 3)),
    "provided_cost_details": st.none()
    | st.dictionaries(st.just("total"), st.sampled_from([Decimal("0.1"), Decimal(2)])),
}


def json_objects(leaves: SearchStrategy[Any] = LEAVES, min_size: int = 0) -> SearchStrategy[dict[str, Any]]:
    """JSON objects, nested; of `min_size` 1 without empty objects in them."""

    def object_of(values: SearchStrategy[Any]) -> SearchStrategy[dict[str, Any]]:
        return st.dictionaries(st.sampled_from(KEYS), values, min_size=min_size, max_size=3)

    return st.recursive(object_of(leaves), lambda inner: object_of(leaves | inner), max_leaves=5)


_PLAIN_VALUES: SearchStrategy[Any] = st.none() | st.sampled_from(["", "p", "q", 0, 1])
_RULE_VALUES: Mapping[Rule, SearchStrategy[Any]] = {
    "deep": json_objects(LEAVES | EMPTY_OBJECTS),
    "union": st.lists(st.sampled_from("xyz"), max_size=3),
    "any": st.booleans(),
    "least": st.integers(0, 5),
}


def stamps() -> SearchStrategy[Stamp]:
    """Few enough to be equal now and then."""
    return st.builds(
        Stamp, st.integers(0, 3), st.sampled_from([CREATE, UPDATE]), st.sampled_from("uv"), st.sampled_from("01")
    )


@st.composite
def changes(draw: st.DrawFn, kind: EntityKind) -> Change:
    """A partial event of one entity. Two that differ have different stamps, as two different events do."""
    rules = RULES[kind]
    names = draw(st.lists(st.sampled_from(list(rules)), unique=True, max_size=6))
    fields = {name: draw(_values_of(name, rules[name])) for name in names}
    weak = frozenset(names[:1]) if draw(st.booleans()) else frozenset[str]()
    content = repr((sorted(fields.items(), key=_name_of), sorted(weak)))
    stamp = draw(stamps())._replace(digest=hashlib.blake2b(content.encode(), digest_size=4).hexdigest())
    return Change(kind, "p", "t", "e", stamp, fields, weak)


@st.composite
def histories(draw: st.DrawFn, min_size: int, max_size: int) -> list[Change]:
    """Events of one entity of any kind."""
    return draw(st.lists(changes(draw(st.sampled_from(KINDS))), min_size=min_size, max_size=max_size))


def _name_of(item: tuple[str, Any]) -> str:
    return item[0]


def _values_of(name: str, rule: Rule) -> SearchStrategy[Any]:
    if name in _FIELD_VALUES:
        return _FIELD_VALUES[name]
    return _RULE_VALUES.get(rule, _PLAIN_VALUES)
