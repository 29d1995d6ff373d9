"""A world: what clients send in one run, from a seed, and what must be stored in the end.

The truth is drawn first, then torn into requests; so the right answer is known without asking the product anything. A world's requests
must be all that a project ever gets: then every row of that project is accounted for.
"""

import random
from dataclasses import dataclass, replace
from typing import Final

from tests.chaos.drawing import (
    DAY_US,
    ENVIRONMENTS,
    HOUR_US,
    MINUTE_US,
    SESSIONS,
    USERS,
    Drawing,
    Family,
    hex_id,
    instant,
    with_other_prices,
)
from tests.chaos.expected import Expected, Observation, Seen, Trace
from tests.chaos.requests import Request, Unit, make_requests
from tests.chaos.traced import end_early, tell_span, tell_trace

__all__ = ["Expected", "Request", "Shape", "World"]

SKEW_US: Final = 10 * MINUTE_US


@dataclass(frozen=True)
class Shape:
    """What a world has. `twice`: each request is delivered two times or more. `dead`: events that must not become rows.

    `big_trace_spans`: one trace of so many spans, children first. `late_users`: users that are named last, after the cost.
    `skewed_clocks`: senders whose clocks are up to ten minutes wrong. `an_hour_late`: spans of an hour ago at the end.
    """

    traces: int = 60
    spans_per_trace: int = 10
    twice: bool = True
    big_trace_spans: int = 0
    text_bytes: int = 500
    dead: int = 6
    late_users: bool = True
    skewed_clocks: bool = True
    an_hour_late: bool = True
    scores: int = 40
    price_change: bool = False


class World:
    """All requests and the right answer. `base_us`: now, in microseconds since 1970; what is told happened before it."""

    def __init__(self, seed: int, shape: Shape, *, base_us: int) -> None:
        self.seed, self.shape = seed, shape
        self.expected = Expected()
        self._rng = random.Random(seed)
        self._base_us = base_us
        self._drawing = Drawing(self._rng, text_bytes=shape.text_bytes)
        self._units: list[Unit] = []
        for _ in range(shape.traces):
            self._add_traced()
        if shape.price_change:
            self.expected.other_prices = {
                key: with_other_prices(one) for key, one in self.expected.observations.items() if one.model_id
            }
        self._requests = make_requests(self._rng, self._units, twice=shape.twice)

    def requests(self) -> list[Request]:
        """All deliveries, in the order of sending."""
        return self._requests

    def _add_traced(self) -> None:
        rng = self._rng
        late = self.shape.an_hour_late and rng.random() < 0.1
        family = self._family(late=late, span_ids=True)
        service = rng.randrange(3)
        trace = self._trace(family)
        told = replace(trace, tags=list(trace.tags))
        tree = self._drawing.tree(family, max(1, int(rng.gauss(self.shape.spans_per_trace, 2))))
        spans = [tell_span(rng, one, service) for one in tree]
        for span, one in zip(spans, tree, strict=True):
            if rng.random() < 0.02:
                end_early(span, one)
            tell_trace(span, told, as_root=span.parent_id is None)
            self._name(told, span.start_us, span.start_us)
        root = tree[0]
        trace.timestamp = min(one.start_time for one in tree)
        trace.name = trace.name or root.name
        trace.input = root.input if trace.input is None else trace.input
        trace.output = root.output if trace.output is None else trace.output
        trace.metadata = {**(root.metadata or {}), **(trace.metadata or {})}
        self._keep(trace, tree)
        self._units += [Unit("spans", [span], 1, late=late) for span in spans]

    def _family(self, *, late: bool, span_ids: bool) -> Family:
        rng = self._rng
        length_us = rng.choice((2_000_000, 20_000_000, 5 * MINUTE_US, 90 * MINUTE_US))
        start_us = self._base_us - rng.randrange(30 * MINUTE_US) - length_us
        chance = rng.random()
        if late:
            start_us, length_us = self._base_us - HOUR_US - rng.randrange(MINUTE_US), 50_000_000
        elif chance < 0.1:
            start_us, length_us = self._base_us - self._base_us % DAY_US - 2_000_000, 4_000_000
        skew = (-SKEW_US, 0, 0, SKEW_US, rng.randrange(-SKEW_US, SKEW_US))
        clocks = tuple(rng.choices(skew, k=2)) if self.shape.skewed_clocks and rng.random() < 0.4 else (0,)
        environment = rng.choice(ENVIRONMENTS)
        version = rng.choice((None, "1.4.2"))
        trace_id = hex_id(rng, 16) if span_ids else f"trace-{hex_id(rng, 10)}"
        return Family(trace_id, start_us, length_us, environment, version, clocks, span_ids, floats=not span_ids)

    def _trace(self, family: Family) -> Trace:
        rng, texts = self._rng, self._drawing.texts
        return Trace(
            family.trace_id,
            instant(family.start_us),
            name=rng.choice((None, "request", "🛒 checkout")),
            user_id=None if rng.random() < 0.2 else f"user-{rng.randrange(USERS)}",
            session_id=None if rng.random() < 0.4 else f"session-{rng.randrange(SESSIONS)}",
            release=rng.choice((None, "r1")),
            version=family.version,
            environment=family.environment,
            public=rng.random() < 0.2,
            tags=sorted(rng.sample(("a", "b", "beta", "日本"), rng.randrange(3))),
            input=texts.body() if rng.random() < 0.3 else None,
            metadata=texts.metadata("t") if rng.random() < 0.3 else None,
        )

    def _name(self, told: Trace, first_us: int, last_us: int) -> None:
        """Note that an event names a user and a session."""
        for sightings, name in ((self.expected.users, told.user_id), (self.expected.sessions, told.session_id)):
            if name is not None:
                _see(sightings, name, Seen(instant(first_us), instant(last_us), told.environment))

    def _keep(self, trace: Trace, tree: list[Observation]) -> None:
        self.expected.traces[trace.id] = trace
        for one in tree:
            self.expected.observations[one.trace_id, one.id] = one


def _see(sightings: dict[str, Seen], name: str, seen: Seen) -> None:
    known = sightings.get(name)
    if known is None:
        sightings[name] = seen
        return
    known.first, known.environment = min((known.first, known.environment), (seen.first, seen.environment))
    known.last = max(known.last, seen.last)
