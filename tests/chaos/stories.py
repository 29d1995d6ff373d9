"""Stories: traces drawn whole, then told in spans, in batch events or in both, with late users, stale ones and lost roots."""

import random
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, NamedTuple

from tests.chaos.batched import Teller
from tests.chaos.drawing import (
    MINUTE_US,
    Drawing,
    Family,
    hex_id,
    instant,
    microseconds,
)
from tests.chaos.expected import Observation, Trace
from tests.chaos.outlines import SKEW_US, USERS, Outlines
from tests.chaos.requests import Unit
from tests.chaos.shape import Shape
from tests.chaos.spans import SERVICES, Span
from tests.chaos.tearing import Telling
from tests.chaos.traced import end_early, interim, seal, tell_foreign_span, tell_span, tell_trace

BIG_REQUEST_SPANS: Final = 500
_SECOND_US: Final = 1_000_000
_FOREIGN: Final = len(SERVICES) - 1


class Named(NamedTuple):
    """An event that names a user and a session, and from when to when it says they were there, in microseconds since 1970."""

    user_id: str | None
    session_id: str | None
    environment: str
    first_us: int
    last_us: int


@dataclass
class Story:
    """One trace: what must be stored of it, and all that is said of it."""

    trace: Trace
    observations: list[Observation]
    units: list[Unit] = field(default_factory=list[Unit])
    named: list[Named] = field(default_factory=list[Named])
    late: bool = False
    last_us: int = 0
    """After all that is said of the trace."""


class Stories:
    """Draws and tells. `base_us`: now; what is told happened in the hours before it."""

    def __init__(self, rng: random.Random, shape: Shape, drawing: Drawing, teller: Teller, *, base_us: int) -> None:
        self._rng = rng
        self._shape = shape
        self._drawing = drawing
        self._teller = teller
        self._outlines = Outlines(rng, shape, drawing.texts, base_us=base_us)

    def any(self) -> Story:
        """A trace of any kind."""
        chance = self._rng.random()
        if chance < 0.5:
            return self.traced()
        if chance < 0.85:
            return self.batched()
        return self.mixed() if chance < 0.95 else self.lonely()

    def traced(self) -> Story:
        """A trace in spans only, but for a user that may come by the batch API."""
        rng = self._rng
        story = self._draw(self._outlines.family(span_ids=True))
        trace, root = story.trace, story.observations[0]
        service = rng.randrange(len(SERVICES))
        if service == _FOREIGN:
            _forget_what_only_langfuse_says(trace)
        lost_root = len(story.observations) > 1 and rng.random() < 0.06
        if lost_root:
            _forget_what_only_the_root_says(trace)
            del story.observations[0]
        elif service != _FOREIGN:
            self._be_root(root)
        told = replace(trace)
        self._be_late(story, told)
        spans = [self._tell_span(one, service) for one in story.observations]
        self._tell_trace(story, spans, told, lost_root=lost_root)
        if not lost_root:
            _lend_from_root(trace, root)
        elif trace.name or told.user_id or trace.session_id or trace.tags:
            trace.version = story.observations[0].version
        else:
            trace.version = trace.release = None
        return story

    def batched(self) -> Story:
        """A trace in batch events only; a few have no event of their own."""
        rng = self._rng
        story = self._draw(self._outlines.family(span_ids=False))
        trace = story.trace
        has_trace_events = rng.random() < 0.9
        if not has_trace_events:
            story.trace = trace = Trace(trace.id, trace.timestamp, environment=trace.environment)
        self._teller.oldest_us = microseconds(min(one.start_time for one in story.observations))
        self._tell_observations(story, same_clock=not has_trace_events)
        if not has_trace_events:
            trace.timestamp = min(one.start_time for one in story.observations)
            return story
        trace.external_id = rng.choice((None, "ext-1"))
        told = replace(trace)
        self._be_late(story, told)
        self._tell_trace_events(story, told, from_us=self._teller.oldest_us - rng.randrange(1, MINUTE_US))
        trace.timestamp = told.timestamp
        return story

    def mixed(self) -> Story:
        """A trace of which some services send spans and others batch events."""
        rng = self._rng
        story = self._draw(replace(self._outlines.family(span_ids=True), floats=True))
        trace, tree = story.trace, story.observations
        trace.name = trace.name or "mixed"
        middle = rng.randint(1, len(tree))
        whole, story.observations = tree, tree[middle:]
        self._teller.oldest_us = microseconds(min(one.start_time for one in whole))
        self._tell_observations(story, same_clock=False)
        told = replace(trace)
        self._be_late(story, told)
        self._tell_trace_events(story, told, from_us=self._teller.oldest_us - _SECOND_US)
        trace.timestamp = told.timestamp
        story.observations = whole
        spans = [self._tell_span(one, 0) for one in whole[:middle]]
        self._seal_all(story, spans)
        root = tree[0]
        trace.input = root.input if trace.input is None else trace.input
        trace.output = root.output if trace.output is None else trace.output
        trace.metadata = {**(root.metadata or {}), **(trace.metadata or {})}
        return story

    def lonely(self) -> Story:
        """An observation that names no trace: it is a trace of its own."""
        family = self._outlines.family(span_ids=False)
        one = self._drawing.observation(replace(family, clocks=(0,)), None)
        one.trace_id = one.id
        units = self._teller.observation(one, late=False, same_clock=True, with_trace=False)
        return Story(Trace(one.id, one.start_time, environment=one.environment), [one], units)

    def big(self, size: int) -> Story:
        """One trace of very many spans, children first, so that its root is the last of all."""
        family = replace(self._outlines.family(span_ids=True), clocks=(0,))
        drawing = Drawing(self._rng, text_bytes=20)
        tree = drawing.tree(family, size)
        trace = Trace(
            family.trace_id,
            tree[0].start_time,
            user_id="user-0",
            environment=family.environment,
            version=family.version,
        )
        story = Story(trace, tree)
        spans = [tell_span(self._rng, one, 0) for one in tree]
        tell_trace(spans[0], trace, as_root=True)
        story.named.append(_named(trace, spans[0].start_us))
        for span, one in zip(spans, tree, strict=True):
            seal(span, one)
        spans.reverse()
        for start in range(0, size, BIG_REQUEST_SPANS):
            part = spans[start : start + BIG_REQUEST_SPANS]
            story.units.append(Unit("spans", part, len(part), alone=True))
        trace.timestamp = min(one.start_time for one in tree)
        _lend_from_root(trace, tree[0])
        return story

    def _draw(self, family: Family) -> Story:
        rng = self._rng
        size = max(1, int(rng.gauss(self._shape.spans_per_trace, self._shape.spans_per_trace / 5)))
        tree = self._drawing.tree(family, size)
        last_us = max(microseconds(one.end_time or one.start_time) for one in tree) + 2 * SKEW_US
        return Story(self._outlines.trace(family), tree, late=self._outlines.is_late(family), last_us=last_us)

    def _be_late(self, story: Story, told: Trace) -> None:
        """Let the trace's last word on its user come last, after the cost; what was told before is nobody or somebody else."""
        rng = self._rng
        if not self._shape.late_users or rng.random() > 0.3:
            return
        told.user_id = rng.choice((None, "user-mistaken", f"user-{rng.randrange(USERS)}"))
        body: dict[str, object] = {"id": story.trace.id, "userId": story.trace.user_id}
        if story.trace.environment != "default":
            body["environment"] = story.trace.environment
        at_us = story.last_us + rng.randrange(_SECOND_US)
        story.units.append(self._teller.unit(self._teller.telling("trace-create", at_us, body), late=True))
        if story.trace.user_id is not None:
            story.named.append(Named(story.trace.user_id, None, story.trace.environment, at_us, at_us))

    def _be_root(self, root: Observation) -> None:
        """Some roots have a parent in a process that sends nothing, and say that they are roots all the same."""
        root.is_app_root = self._rng.random() < 0.2
        if self._rng.random() < 0.1:
            root.parent_observation_id, root.as_root = hex_id(self._rng, 8), True

    def _tell_span(self, one: Observation, service: int) -> Span:
        span = tell_foreign_span(self._rng, one, service) if service == _FOREIGN else tell_span(self._rng, one, service)
        if self._rng.random() < 0.02:
            end_early(span, one)
        return span

    def _tell_trace(self, story: Story, spans: list[Span], told: Trace, *, lost_root: bool) -> None:
        """Each span, or only the root, speaks of the trace; spans that started before the last may name a wrong user."""
        rng = self._rng
        newest = max(spans, key=lambda span: (span.start_us, span.span_id))
        everywhere = lost_root or rng.random() < 0.8
        mistaken = everywhere and told.user_id is not None and rng.random() < 0.15
        for span in spans:
            is_root = span is spans[0] and not lost_root
            if not (everywhere or is_root):
                continue
            says = replace(told, user_id="user-early") if mistaken and span is not newest else told
            tell_trace(span, says, as_root=is_root)
            story.named.append(_named(says, span.start_us))
        story.trace.timestamp = min(one.start_time for one in story.observations)
        self._seal_all(story, spans)

    def _seal_all(self, story: Story, spans: list[Span]) -> None:
        for span, one in zip(spans, story.observations, strict=False):
            seal(span, one)
            story.units.append(Unit("spans", [span], 1, late=story.late))
            is_root = span.parent_id is None or one.as_root
            earlier = None if is_root or self._rng.random() > 0.05 else interim(self._rng, span, one)
            if earlier is not None and span.service != _FOREIGN:
                story.units.append(Unit("spans", [earlier], 1, late=story.late))

    def _tell_observations(self, story: Story, *, same_clock: bool) -> None:
        for one in story.observations:
            if one.end_time is not None and self._rng.random() < 0.02:
                one.end_time = instant(microseconds(one.start_time) - _SECOND_US)
            story.units += self._teller.observation(one, late=story.late, same_clock=same_clock)

    def _tell_trace_events(self, story: Story, told: Trace, *, from_us: int) -> None:
        units, tellings = self._teller.trace(told, from_us=from_us, late=story.late, explicit=self._rng.random() < 0.7)
        story.units += units
        story.named += [_named_by(telling, told.environment) for telling in tellings]


def _named(trace: Trace, at_us: int) -> Named:
    return Named(trace.user_id, trace.session_id, trace.environment, at_us, at_us)


def _named_by(telling: Telling, environment: str) -> Named:
    body = telling.body
    told = body.get("timestamp")
    first_us = min(telling.at_us, microseconds(datetime.fromisoformat(told))) if told else telling.at_us
    return Named(body.get("userId"), body.get("sessionId"), environment, first_us, telling.at_us)


def _lend_from_root(trace: Trace, root: Observation) -> None:
    """What a trace has of its root where it has none of its own."""
    trace.name = trace.name or root.name
    trace.input = root.input if trace.input is None else trace.input
    trace.output = root.output if trace.output is None else trace.output
    trace.version = trace.version or root.version
    trace.metadata = {**(root.metadata or {}), **(trace.metadata or {})}


def _forget_what_only_the_root_says(trace: Trace) -> None:
    trace.input = trace.output = trace.metadata = None
    trace.public = False


def _forget_what_only_langfuse_says(trace: Trace) -> None:
    trace.name = trace.release = trace.input = trace.output = trace.metadata = None
    trace.public, trace.tags = False, []
