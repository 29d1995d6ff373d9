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


def anything_json() -> SearchStrategy[Any]:
    """JSON of any kind, with texts, numbers and names that real events have."""
    leaves = (
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False)
        | st.text(max_size=5)
        | st.sampled_from(["2026-01-01T00:00:00Z", "span-create", "sdk-log", "\x00", "\ud800", 2**70, ""])
    )
    names = st.sampled_from(["batch", "resourceSpans", "scopeSpans", "spans", "id", "body", "type", "value"]) | st.text(
        max_size=3
    )
    return st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4), max_leaves=8
    )


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


_TIMES = ["2026-01-01T00:00:00Z", "2026-01-01T00:00:01.5Z", "2026-01-01T03:00:00+02:00"]
_TEXTS: SearchStrategy[Any] = st.none() | st.sampled_from(["", "a", "b"])
_OBJECTS: SearchStrategy[Any] = st.none() | st.just("text") | json_objects(st.integers(0, 1) | st.none())
_COMMON_BODY: Mapping[str, SearchStrategy[Any]] = {
    "name": _TEXTS,
    "input": _TEXTS | _OBJECTS,
    "output": _TEXTS,
    "metadata": _OBJECTS,
    "version": _TEXTS,
    "environment": _TEXTS,
}
_TRACE_BODY: Mapping[str, SearchStrategy[Any]] = {
    **_COMMON_BODY,
    "timestamp": st.none() | st.sampled_from(_TIMES),
    "userId": _TEXTS,
    "sessionId": _TEXTS,
    "public": st.none() | st.booleans(),
    "tags": st.none() | st.lists(st.sampled_from("xyz"), max_size=2),
}
_OBSERVATION_BODY: Mapping[str, SearchStrategy[Any]] = {
    **_COMMON_BODY,
    "traceId": st.just("t"),
    "startTime": st.none() | st.sampled_from(_TIMES),
    "endTime": st.none() | st.sampled_from(_TIMES),
    "level": st.none() | st.sampled_from(["ERROR", "info", "loud"]),
    "parentObservationId": st.none() | st.sampled_from(["", "p", "q"]),
    "model": _TEXTS,
    "modelParameters": st.none() | st.dictionaries(st.just("t"), st.integers(0, 1)),
    "usageDetails": st.none() | st.dictionaries(st.sampled_from(["input", "output"]), st.integers(0, 2)),
    "costDetails": st.none() | st.dictionaries(st.just("total"), st.sampled_from([0.1, 2])),
}
_SCORE_BODY: Mapping[str, SearchStrategy[Any]] = {
    "metadata": _OBJECTS,
    "comment": _TEXTS,
    "environment": _TEXTS,
    "timestamp": st.none() | st.sampled_from(_TIMES),
}
_OBSERVATION_TYPES = ["span-create", "generation-create", "agent-create", "span-update", "generation-update"]


@st.composite
def batch_events(draw: st.DrawFn) -> dict[str, Any]:
    """An event of the batch endpoint that is good, about one of very few entities."""
    kind = draw(st.sampled_from(["trace-create", "score-create", *_OBSERVATION_TYPES]))
    if kind == "trace-create":
        body = {"id": "t"} | _some(draw, _TRACE_BODY)
    elif kind == "score-create":
        body = {"id": "s", "name": "n", "value": draw(st.integers(0, 2)), "traceId": "t"} | _some(draw, _SCORE_BODY)
    else:
        body = {"id": draw(st.sampled_from("op"))} | _some(draw, _OBSERVATION_BODY)
    return {"id": draw(st.sampled_from("ef")), "type": kind, "timestamp": draw(st.sampled_from(_TIMES)), "body": body}


_SPAN_ATTRIBUTES: Mapping[str, SearchStrategy[Any]] = {
    "langfuse.observation.type": st.sampled_from(["span", "generation", "agent"]),
    "langfuse.observation.input": st.sampled_from(["", "a", "b"]),
    "langfuse.observation.output": st.sampled_from(["", "a", "b"]),
    "langfuse.observation.level": st.sampled_from(["ERROR", "loud"]),
    "langfuse.observation.model.name": st.sampled_from(["m", "n"]),
    "langfuse.observation.usage_details": st.sampled_from(['{"input": 1}', "{broken"]),
    "langfuse.observation.metadata.k": st.sampled_from(["1", '{"a": 1}', '{"b": 2}']),
    "langfuse.trace.name": st.sampled_from(["", "a", "b"]),
    "langfuse.trace.tags": st.lists(st.sampled_from("xyz"), max_size=2),
    "langfuse.trace.public": st.booleans(),
    "langfuse.trace.input": st.sampled_from(["", "c"]),
    "langfuse.trace.metadata.k": st.sampled_from(["1", '{"a": 1}', '{"b": 2}']),
    "langfuse.environment": st.sampled_from(["prod", "not good", ""]),
    "user.id": st.sampled_from(["", "u", "v"]),
}


@st.composite
def span_contents(draw: st.DrawFn) -> dict[str, Any]:
    """What differs between the spans of a test: attributes in plain form, and OTLP's own fields."""
    return {
        "attributes": _some(draw, _SPAN_ATTRIBUTES),
        "spanId": draw(st.sampled_from(["01", "02"])),
        "parentSpanId": draw(st.sampled_from([None, "01", "03"])),
        "startTimeUnixNano": draw(st.none() | st.sampled_from([1_000, 2_000])),
        "endTimeUnixNano": draw(st.none() | st.sampled_from([1_000, 3_000])),
    }


def _some(draw: st.DrawFn, fields: Mapping[str, SearchStrategy[Any]]) -> dict[str, Any]:
    names = draw(st.lists(st.sampled_from(list(fields)), unique=True, max_size=5))
    return {name: draw(fields[name]) for name in names}
