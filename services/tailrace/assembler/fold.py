"""The fold: one mapped raw record and the partition's state in; changed rows and changes of the users' windows out.

Deterministic and without I/O: the state holds all that the record touches before it starts (`PartitionState.missing_entities`).
It mutates the state, so a fold that raised leaves a state that must be thrown away.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from tailrace.assembler.entities import ObservationState, ScoreState, Seen, TraceState, day_of
from tailrace.assembler.estimates import SHORT_CHARACTERS, Estimate, Outcome, Question, answer, question_of
from tailrace.assembler.price_list import PriceList, PricesOfProject
from tailrace.assembler.rows import observation_body_row, observation_row, score_row, trace_body_row, trace_row
from tailrace.assembler.state import ObservationKey, PartitionState, SessionKey, SharedKeys, TraceKey, UserKey
from tailrace.core.contributions import (
    NOTHING,
    ONE_TRACE,
    Amounts,
    Contributions,
    PartKey,
    Place,
    add_amounts,
    minute_of,
    part_keys,
)
from tailrace.core.merge import Change, Folded, lift, take
from tailrace.core.repeats import MOST_MEMBERS, find_declared, find_repeats
from tailrace.wire.records import ObservationBodyRow, ObservationRow, ScoreRow, TraceBodyRow, TraceRow

_NO_BODIES: Final = (None, None, None)
_BODIES: Final = frozenset({"input", "output", "metadata"})

QUIET_US: Final = 60_000_000
"""A trace is complete when a root has ended and nothing was received for 60 s; what comes after that amends it."""


@dataclass(slots=True)
class TraceTouch:
    """A trace while one record is folded: what it was before, and what happened to it.

    `is_received`: by a sender's event, and not by a correction alone. `turned`: members that became repeats, or are none now.
    """

    state: TraceState
    user_before: str | None
    before: Contributions
    place_before: Place | None
    had_ended: bool
    changed: bool = False
    is_received: bool = False
    body_changed: bool = False
    shrunk: bool = False
    turned: frozenset[str] = frozenset()


@dataclass(slots=True)
class FoldedRecord:
    """What one raw record did.

    `bytes`: what the entities of the rows weigh in memory. `deltas`: changes of cost parts. `unknown`: how many observations were given no
    price, by project and model. `estimates`: how many usages were to be estimated, by what became of it.
    """

    observations: list[ObservationRow] = field(default_factory=list[ObservationRow])
    observation_bodies: list[ObservationBodyRow] = field(default_factory=list[ObservationBodyRow])
    traces: list[TraceRow] = field(default_factory=list[TraceRow])
    trace_bodies: list[TraceBodyRow] = field(default_factory=list[TraceBodyRow])
    scores: list[ScoreRow] = field(default_factory=list[ScoreRow])
    bytes: int = 0
    deltas: dict[PartKey, Amounts] = field(default_factory=dict[PartKey, Amounts])
    users: list[tuple[UserKey, Seen]] = field(default_factory=list[tuple[UserKey, Seen]])
    sessions: list[tuple[SessionKey, Seen]] = field(default_factory=list[tuple[SessionKey, Seen]])
    unknown: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    estimates: Counter[Outcome] = field(default_factory=Counter[Outcome])

    def wants(self) -> SharedKeys:
        """The shared rows that must be in memory before the totals can be told."""
        return SharedKeys({key for key, _ in self.users}, {key for key, _ in self.sessions}, set(self.deltas))


class Overflow(NamedTuple):
    """An observation that its trace has no room for."""

    change: Change
    spans: int


class Fold:
    """The fold of one raw record: `apply` each change, `estimate_usage`, `find_turned`, then `finish`."""

    def __init__(
        self, state: PartitionState, prices: PriceList, *, origin: int, received_us: int, max_spans: int
    ) -> None:
        self._state = state
        self._prices = prices.as_of(received_us)
        self._tokens = prices.tokens
        self._origin = origin
        self._received_us = received_us
        self._max_spans = max_spans
        self._touched: dict[TraceKey, TraceTouch] = {}
        self._observations: dict[int, tuple[ObservationState, bool]] = {}
        self._scores: dict[int, ScoreState] = {}
        self._unknown: Counter[tuple[str, str]] = Counter()
        self._untold: dict[int, ObservationState] = {}
        self._estimates: Counter[Outcome] = Counter()
        self._users: list[tuple[UserKey, Seen]] = []
        self._sessions: list[tuple[SessionKey, Seen]] = []

    def has_room_for(self, change: Change) -> bool:
        """Whether the change's trace may hold its observation."""
        if change.kind != "observation" or change.is_correction:
            return True
        trace = self._state.traces.get((change.project_id, change.trace_id))
        known = (change.project_id, change.trace_id, change.id) in self._state.observations
        return known or trace is None or trace.observation_count < self._max_spans

    def apply(self, change: Change) -> None:
        """Take in one change."""
        if change.kind == "score":
            self._apply_score(change)
        elif change.kind == "trace":
            self._apply_trace(change)
        else:
            self._apply_observation(change)

    def shrunk_traces(self) -> list[TraceState]:
        """Traces whose first start or last end has moved inwards: the caller looks up the other observations' extremes."""
        return [touch.state for touch in self._touched.values() if touch.shrunk]

    @property
    def counting_takes_long(self) -> bool:
        """Whether `estimate_usage` would keep an event loop from others."""
        tokens = self._tokens
        asked = [question for _, question in self._open_questions() if question is not None]
        if tokens is None or not asked:
            return False
        is_long = sum(question.characters for question in asked) > SHORT_CHARACTERS
        return is_long or not all(tokens.is_ready(question.vocabulary) for question in asked)

    def estimate_usage(self) -> None:
        """Estimate the usage of what this record has touched and nobody told it of, and let go of estimates that were told since."""
        questions = self._open_questions()
        asked = [question for _, question in questions if question is not None]
        answers = iter(answer(self._tokens, asked) if self._tokens is not None and asked else ())
        for state, question in questions:
            estimate = None
            if question is not None:
                estimate, outcome = next(answers)
                self._estimates[outcome] += 1
            self._set_estimate(state, estimate)

    def find_turned(self) -> set[ObservationKey]:
        """Find what this record makes a repeat of others, or one no more; returns those that must be loaded before `finish`."""
        missing: set[ObservationKey] = set()
        for touch in self._touched.values():
            members = touch.state.members
            if not touch.changed or members is None:
                continue
            before = {id_ for id_, member in members.items() if member.is_repeat}
            if len(members) > MOST_MEMBERS:
                touch.state.members = None
                now = find_declared(members)
            else:
                now = find_repeats(members)
            touch.turned = frozenset(before ^ now)
            keys = ((touch.state.project_id, touch.state.id, id_) for id_ in touch.turned)
            missing.update(key for key in keys if key not in self._state.observations)
        return missing

    def finish(self) -> FoldedRecord:
        """The rows as they are after this record, and what it does to the windows."""
        result = FoldedRecord(
            users=self._users, sessions=self._sessions, unknown=self._unknown, estimates=self._estimates
        )
        for touch in self._touched.values():
            self._turn(touch)
            self._finish_trace(touch, result)
        for state, body_changed in self._observations.values():
            result.observations.append(observation_row(state))
            if body_changed:
                result.observation_bodies.append(observation_body_row(state))
            result.bytes += self._state.keep_observation(state)
        for score in self._scores.values():
            result.scores.append(score_row(score))
            result.bytes += self._state.scores.keep((score.project_id, score.id), score)
        return result

    def _apply_score(self, change: Change) -> None:
        key = (change.project_id, change.id)
        state = self._state.scores.get(key)
        if state is None:
            state = ScoreState(*key, lift(change), self._received_us, self._received_us)
            self._state.scores.keep(key, state)
        elif state.is_deleted or not take(state.folded, change):
            return
        if state.is_deleted:
            state.forget()
        state.updated_us, state.last_origin = self._received_us, self._origin
        self._scores[id(state)] = state

    def _apply_trace(self, change: Change) -> None:
        touch = self._touch((change.project_id, change.trace_id))
        self._note_sightings(change)
        folded = touch.state.folded
        bodies = None if _BODIES.isdisjoint(change.fields) else _bodies(folded)
        if take(folded, change):
            touch.changed = touch.is_received = True
            touch.body_changed |= bodies is not None and _bodies(folded) != bodies

    def _apply_observation(self, change: Change) -> None:
        state = self._state.observations.get((change.project_id, change.trace_id, change.id))
        if state is None:
            if not change.is_correction:
                self._add_observation(self._touch((change.project_id, change.trace_id)), change)
            return
        touch = self._touch((change.project_id, change.trace_id))
        start_us, end_us = _extent(state)
        place, amounts, ended = state.place, state.amounts(), state.has_ended_as_root
        bodies = _bodies(state.folded)
        prices = self._prices.of_project(change.project_id)
        inputs = state.inputs_of_price(prices)
        if not take(state.folded, change):
            return
        if state.inputs_of_price(prices) != inputs:
            self._price(state, prices)
        trace = touch.state
        if trace.members is None:
            state.is_repeat = state.is_declared_repeat
        add_amounts(trace.contributions, place, amounts.negated())
        trace.ended_roots -= ended
        new_start_us, new_end_us = _extent(state)
        touch.shrunk |= new_start_us > start_us == trace.first_start_us or new_end_us < end_us == trace.last_end_us
        touch.is_received |= not change.is_correction
        self._include(touch, state, body_changed=_bodies(state.folded) != bodies)

    def _add_observation(self, touch: TraceTouch, change: Change) -> None:
        received = self._received_us
        state = ObservationState(
            change.project_id, change.trace_id, change.id, lift(change), received, received, day_of(received)
        )
        state.day = day_of(state.start_us)
        self._price(state, self._prices.of_project(change.project_id))
        if touch.state.members is None:
            state.is_repeat = state.is_declared_repeat
        self._state.place_observation(state)
        touch.state.observation_count += 1
        touch.is_received = True
        self._include(touch, state, body_changed=_bodies(state.folded) != _NO_BODIES)

    def _price(self, state: ObservationState, prices: PricesOfProject) -> None:
        state.price(prices)
        if state.is_of_unknown_model:
            self._unknown[state.project_id, state.folded.values["model"]] += 1

    def _include(self, touch: TraceTouch, state: ObservationState, *, body_changed: bool) -> None:
        """Count an observation, new or changed, into its trace."""
        trace = touch.state
        start_us, end_us = _extent(state)
        add_amounts(trace.contributions, state.place, state.amounts())
        trace.ended_roots += state.has_ended_as_root
        trace.days.add(state.day)
        trace.first_start_us = start_us if trace.first_start_us is None else min(trace.first_start_us, start_us)
        trace.last_end_us = end_us if trace.last_end_us is None else max(trace.last_end_us, end_us)
        if trace.members is not None:
            trace.members[state.id] = state.as_member()
        touch.changed = True
        if state.may_need_estimate:
            self._untold[id(state)] = state
        state.updated_us, state.last_origin = self._received_us, self._origin
        _, before = self._observations.get(id(state), (state, False))
        self._observations[id(state)] = (state, before or body_changed)

    def _open_questions(self) -> list[tuple[ObservationState, Question | None]]:
        """The touched observations whose estimate is not the one that they should have, and what to count for it."""
        found: list[tuple[ObservationState, Question | None]] = []
        for state in self._untold.values():
            question = None if self._tokens is None else question_of(state.folded.values)
            if question != (None if state.estimate is None else state.estimate.question):
                found.append((state, question))
        return found

    def _set_estimate(self, state: ObservationState, estimate: Estimate | None) -> None:
        """Give an observation another estimate, with the price that follows from it; its trace has it in its sums."""
        trace = self._touched[state.project_id, state.trace_id].state
        prices = self._prices.of_project(state.project_id)
        inputs = state.inputs_of_price(prices)
        place, amounts = state.place, state.amounts()
        state.estimate = estimate
        if state.inputs_of_price(prices) != inputs:
            state.price(prices)
        add_amounts(trace.contributions, place, amounts.negated())
        add_amounts(trace.contributions, state.place, state.amounts())
        if trace.members is not None:
            trace.members[state.id] = state.as_member()

    def _turn(self, touch: TraceTouch) -> None:
        """Take what became a repeat out of the trace's sums, and what is none any more back into them."""
        trace = touch.state
        for id_ in touch.turned:
            state = self._state.observations.get((trace.project_id, trace.id, id_))
            if state is None:
                raise LookupError(f"the observation {id_} was to be loaded before the fold is finished")
            add_amounts(trace.contributions, state.place, state.amounts().negated())
            state.is_repeat = not state.is_repeat
            add_amounts(trace.contributions, state.place, state.amounts())
            if trace.members is not None:
                trace.members[id_] = state.as_member()
            state.updated_us, state.last_origin = self._received_us, self._origin
            self._observations.setdefault(id(state), (state, False))

    def _touch(self, key: TraceKey) -> TraceTouch:
        touch = self._touched.get(key)
        if touch is not None:
            return touch
        state = self._state.traces.get(key)
        if state is None:
            received = self._received_us
            state = TraceState(*key, Folded({}, {}, None), received, received, received)
            self._state.traces.place(key, state)
            touch = TraceTouch(state, None, {}, None, had_ended=False)
        else:
            touch = TraceTouch(
                state, state.user_id, dict(state.contributions), _place_of(state), had_ended=state.ended_roots > 0
            )
        self._touched[key] = touch
        return touch

    def _finish_trace(self, touch: TraceTouch, result: FoldedRecord) -> None:
        state = touch.state
        if not touch.changed:
            return
        values = state.folded.values
        if "timestamp" not in values and "earliest" not in values:
            values["earliest"] = state.first_start_us or self._received_us
        if touch.is_received:
            self._note_receipt(state, had_ended=touch.had_ended)
        state.updated_us, state.last_origin = self._received_us, self._origin
        self._count_trace(touch)
        _add_deltas(result.deltas, state, touch)
        result.traces.append(trace_row(state))
        if touch.body_changed:
            result.trace_bodies.append(trace_body_row(state))
        result.bytes += self._state.traces.keep((state.project_id, state.id), state)

    def _note_receipt(self, state: TraceState, *, had_ended: bool) -> None:
        received_us = self._received_us
        if had_ended and received_us - state.last_received_us >= QUIET_US:
            state.amended = True
        state.last_received_us = max(state.last_received_us, received_us)

    def _count_trace(self, touch: TraceTouch) -> None:
        """Let the trace itself stand at the minute of its timestamp."""
        place = _place_of(touch.state)
        if place == touch.place_before:
            return
        contributions = touch.state.contributions
        if touch.place_before is not None:
            add_amounts(contributions, touch.place_before, ONE_TRACE.negated())
        add_amounts(contributions, place, ONE_TRACE)

    def _note_sightings(self, change: Change) -> None:
        """Whom the event names, whether or not another event's word counts in the end."""
        fields = change.fields
        user_id, session_id = fields.get("user_id"), fields.get("session_id")
        if not (user_id or session_id):
            return
        first_us = at_us = change.stamp.at_us
        for time_us in (fields.get("timestamp"), fields.get("earliest")):
            if time_us is not None and time_us < first_us:
                first_us = time_us
        seen = Seen(first_us, at_us, fields.get("environment") or "default")
        if user_id:
            self._users.append(((change.project_id, user_id), seen))
        if session_id:
            self._sessions.append(((change.project_id, session_id), seen))


def _add_deltas(deltas: dict[PartKey, Amounts], state: TraceState, touch: TraceTouch) -> None:
    """What the trace's change does to the windows: its user's places before are taken back, those after are added."""
    for user_id, contributions, sign in (
        (touch.user_before, touch.before, -1),
        (state.user_id, state.contributions, 1),
    ):
        other = state.contributions if sign < 0 else touch.before
        same_user = touch.user_before == state.user_id
        for place, amounts in contributions.items():
            if same_user and other.get(place) == amounts:
                continue
            for key in part_keys(state.project_id, user_id, place):
                change = amounts.negated() if sign < 0 else amounts
                deltas[key] = deltas.get(key, NOTHING).plus(change)


def _place_of(state: TraceState) -> Place:
    return Place(None, minute_of(state.timestamp_us))


def _extent(state: ObservationState) -> tuple[int, int]:
    start_us, end_us = state.start_us, state.end_us
    return start_us, start_us if end_us is None else end_us


def _bodies(folded: Folded) -> tuple[object, object, object]:
    return folded.values.get("input"), folded.values.get("output"), folded.metadata
