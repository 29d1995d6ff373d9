"""What must be stored, in plain Python values: rows by key, and the sums over them. The verdict of a run is a comparison with this.

Fields of `Observation`, `Trace` and `Score` are named like the columns that must hold them. Nothing here is the product's.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal, localcontext
from typing import Any, Final, NamedTuple

MONEY_DIGITS: Final = 90
"""Digits that a sum of amounts may have here: more than any has, so that nothing is rounded."""


@dataclass(slots=True)
class Observation:
    """An observation as it must be once all its events are in.

    No columns: `as_root`: it counts as a root, whatever its parent; `declares_repeat`: it is told as one that repeats what is below it.
    """

    trace_id: str
    id: str
    type: str
    start_time: datetime
    name: str | None = None
    parent_observation_id: str | None = None
    end_time: datetime | None = None
    completion_start_time: datetime | None = None
    environment: str = "default"
    level: str = "DEFAULT"
    status_message: str | None = None
    version: str | None = None
    is_app_root: bool = False
    model: str | None = None
    model_id: str | None = None
    model_parameters: dict[str, Any] | None = None
    usage_details: dict[str, int] = field(default_factory=dict[str, int])
    provided_cost_details: dict[str, Decimal] | None = None
    cost_details: dict[str, Decimal] = field(default_factory=dict[str, Decimal])
    total_cost: Decimal | None = None
    input_price: Decimal | None = None
    output_price: Decimal | None = None
    unit: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    counted: bool = True
    prompt_name: str | None = None
    prompt_version: int | None = None
    warnings: list[str] = field(default_factory=list[str])
    input: str | None = None
    output: str | None = None
    metadata: dict[str, Any] | None = None
    as_root: bool = field(default=False, metadata={"column": False})
    declares_repeat: bool = field(default=False, metadata={"column": False})


@dataclass(slots=True)
class Trace:
    """A trace as its own events must leave it; what its observations add is `RollUp`."""

    id: str
    timestamp: datetime
    name: str | None = None
    user_id: str | None = None
    session_id: str | None = None
    release: str | None = None
    version: str | None = None
    environment: str = "default"
    public: bool = False
    external_id: str | None = None
    tags: list[str] = field(default_factory=list[str])
    warnings: list[str] = field(default_factory=list[str])
    input: str | None = None
    output: str | None = None
    metadata: dict[str, Any] | None = None


@dataclass(slots=True)
class RollUp:
    """What a trace's row sums up of its observations."""

    observation_count: int = 0
    error_count: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    total_cost: Decimal = Decimal(0)
    first_start: datetime | None = None
    last_end: datetime | None = None
    ended_roots: int = 0
    root_ended: bool = False


@dataclass(slots=True)
class Score:
    """A score as it must be once all its events are in."""

    id: str
    timestamp: datetime
    name: str
    data_type: str
    value: float = 0.0
    string_value: str | None = None
    long_string_value: str | None = None
    source: str = "API"
    comment: str | None = None
    metadata: dict[str, Any] | None = None
    trace_id: str | None = None
    observation_id: str | None = None
    session_id: str | None = None
    environment: str = "default"


@dataclass(slots=True)
class Seen:
    """When a user or a session was named first and last, and in which environment first."""

    first: datetime
    last: datetime
    environment: str


class WindowKey(NamedTuple):
    """A cost window: whose, of which model (None: the trace itself, and observations without one), and when."""

    user_id: str | None
    model: str | None
    bucket: str
    bucket_start: datetime


@dataclass(slots=True)
class Figures:
    """What a window must hold."""

    cost: Decimal = Decimal(0)
    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    generations: int = 0
    errors: int = 0
    traces: int = 0

    def any(self) -> bool:
        return bool(self.cost or self.total_tokens or self.generations or self.errors or self.traces) or bool(
            self.input_tokens or self.output_tokens
        )


class DeadEvent(NamedTuple):
    """An event on the log that nobody can use: the reason and the entity that its letters must name."""

    reason: str
    entity: str | None


ObservationKey = tuple[str, str]
Costs = Mapping[ObservationKey, Decimal | None]


@dataclass
class Expected:
    """The right answer for one project that has had nothing but one world.

    `dead`: what must be a dead letter. No sender can bring one about, since the edge refuses what cannot be used; who puts a broken
    record on the log adds here what must become of it. `other_prices`: for observations that may have been priced by either of two tables, what they are by the second; a run in
    which prices change in the middle cannot say which table an observation met.
    """

    observations: dict[ObservationKey, Observation] = field(default_factory=dict[ObservationKey, Observation])
    traces: dict[str, Trace] = field(default_factory=dict[str, Trace])
    scores: dict[str, Score] = field(default_factory=dict[str, Score])
    users: dict[str, Seen] = field(default_factory=dict[str, Seen])
    sessions: dict[str, Seen] = field(default_factory=dict[str, Seen])
    dead: set[DeadEvent] = field(default_factory=set[DeadEvent])
    other_prices: dict[ObservationKey, Observation] = field(default_factory=dict[ObservationKey, Observation])

    def costs(self) -> dict[ObservationKey, Decimal | None]:
        """What each observation costs, where prices did not change."""
        return {key: one.total_cost for key, one in self.observations.items()}

    def roll_ups(self, costs: Costs | None = None) -> dict[str, RollUp]:
        """What each trace sums up. `costs`: what the observations cost, where prices changed."""
        costs = self.costs() if costs is None else costs
        found = {trace_id: RollUp() for trace_id in self.traces}
        with localcontext(prec=MONEY_DIGITS):
            for key, one in self.observations.items():
                _add_to_roll_up(found[one.trace_id], one, costs[key])
        return found

    def windows(self, costs: Costs | None = None) -> dict[WindowKey, Figures]:
        """Every window that must hold anything. `costs`: as for `roll_ups`."""
        costs = self.costs() if costs is None else costs
        found: defaultdict[WindowKey, Figures] = defaultdict(Figures)
        with localcontext(prec=MONEY_DIGITS):
            for trace in self.traces.values():
                for key in _windows_at(trace.user_id, None, trace.timestamp):
                    found[key].traces += 1
            for key, one in self.observations.items():
                user_id = self.traces[one.trace_id].user_id
                for window in _windows_at(user_id, one.model_id or one.model, one.start_time):
                    _add_to_window(found[window], one, costs[key])
        return {key: figures for key, figures in found.items() if figures.any()}


def _add_to_roll_up(total: RollUp, one: Observation, cost: Decimal | None) -> None:
    total.observation_count += 1
    total.error_count += one.level == "ERROR"
    if one.counted:
        total.input_tokens += one.input_tokens
        total.output_tokens += one.output_tokens
        total.total_tokens += one.total_tokens
        total.total_cost += cost or 0
    end = one.end_time or one.start_time
    total.first_start = one.start_time if total.first_start is None else min(total.first_start, one.start_time)
    total.last_end = end if total.last_end is None else max(total.last_end, end)
    if (one.as_root or one.parent_observation_id is None) and (one.end_time is not None or one.type == "EVENT"):
        total.ended_roots += 1
        total.root_ended = True


def _add_to_window(figures: Figures, one: Observation, cost: Decimal | None) -> None:
    figures.errors += one.level == "ERROR"
    if not one.counted:
        return
    figures.cost += cost or 0
    figures.input_tokens += one.input_tokens
    figures.output_tokens += one.output_tokens
    figures.total_tokens += one.total_tokens
    figures.generations += one.type == "GENERATION"


def _windows_at(user_id: str | None, model: str | None, at: datetime) -> Iterator[WindowKey]:
    minute = at - timedelta(seconds=at.second, microseconds=at.microsecond)
    hour = minute - timedelta(minutes=minute.minute)
    for bucket, start in (("minute", minute), ("hour", hour), ("day", hour - timedelta(hours=hour.hour))):
        yield WindowKey(user_id, model, bucket, start)
