"""Everything that one partition's owner holds in memory, and what it must ask Postgres for before it can fold a record. No I/O."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from tailrace.assembler.entities import ObservationState, ScoreState, Sighting, TraceState
from tailrace.assembler.shelf import Shelf
from tailrace.assembler.weights import SMALL_BYTES, weigh_observation, weigh_score, weigh_trace
from tailrace.core.contributions import Amounts, PartKey
from tailrace.core.merge import Change

TraceKey = tuple[str, str]
ObservationKey = tuple[str, str, str]
ScoreKey = tuple[str, str]
UserKey = tuple[str, str]
SessionKey = tuple[str, str]


class PartState:
    """The amounts of a cost part."""

    __slots__ = ("amounts", "last_origin")

    def __init__(self, amounts: Amounts, last_origin: int) -> None:
        self.amounts = amounts
        self.last_origin = last_origin


class EntityKeys(NamedTuple):
    """What to load before folding: entities that are not in memory."""

    traces: set[TraceKey]
    observations: set[ObservationKey]
    scores: set[ScoreKey]

    def slices(self, most: int) -> Iterator["EntityKeys"]:
        """The same in slices of at most so many keys of each kind."""
        kinds = (sorted(self.traces), sorted(self.observations), sorted(self.scores))
        for start in range(0, max(map(len, kinds)), most):
            traces, observations, scores = kinds
            end = start + most
            yield EntityKeys(set(traces[start:end]), set(observations[start:end]), set(scores[start:end]))


class SharedKeys(NamedTuple):
    """What to load before the totals can be told: rows that the partitions share."""

    users: set[UserKey]
    sessions: set[SessionKey]
    parts: set[PartKey]


class PartitionState:
    """The state of one raw partition."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self.traces: Shelf[TraceKey, TraceState] = Shelf(weigh_trace)
        self.observations: Shelf[ObservationKey, ObservationState] = Shelf(weigh_observation)
        self.scores: Shelf[ScoreKey, ScoreState] = Shelf(weigh_score)
        self.users: Shelf[UserKey, Sighting] = Shelf(lambda _: SMALL_BYTES)
        self.sessions: Shelf[SessionKey, Sighting] = Shelf(lambda _: SMALL_BYTES)
        self.parts: Shelf[PartKey, PartState] = Shelf(lambda _: SMALL_BYTES)
        self._members: dict[TraceKey, set[str]] = {}

    @property
    def bytes(self) -> int:
        """An estimate of the memory in use."""
        return sum(shelf.bytes for shelf in self._shelves())

    def place_observation(self, state: ObservationState) -> None:
        """Put a new observation that is not complete yet: `keep_observation` weighs it."""
        self.observations.place((state.project_id, state.trace_id, state.id), state)
        self._members.setdefault((state.project_id, state.trace_id), set()).add(state.id)

    def keep_observation(self, state: ObservationState) -> int:
        """Weigh an observation, again where it has changed; it becomes the most recently used. Returns what it weighs."""
        return self.observations.keep((state.project_id, state.trace_id, state.id), state)

    def members(self, trace: TraceKey) -> list[ObservationState]:
        """The observations of a trace that are in memory."""
        found = (self.observations.get((*trace, member)) for member in self._members.get(trace, ()))
        return [state for state in found if state is not None]

    def missing_entities(self, changes: Iterable[Change]) -> EntityKeys:
        """What `changes` touch and is not in memory."""
        keys = EntityKeys(set(), set(), set())
        for change in changes:
            if change.kind == "score":
                keys.scores.add((change.project_id, change.id))
                continue
            keys.traces.add((change.project_id, change.trace_id))
            if change.kind == "observation":
                keys.observations.add((change.project_id, change.trace_id, change.id))
        return EntityKeys(
            {key for key in keys.traces if key not in self.traces},
            {key for key in keys.observations if key not in self.observations},
            {key for key in keys.scores if key not in self.scores},
        )

    def missing_shared(self, wanted: SharedKeys) -> SharedKeys:
        """Of `wanted`, what is not in memory."""
        return SharedKeys(
            {key for key in wanted.users if key not in self.users},
            {key for key in wanted.sessions if key not in self.sessions},
            {key for key in wanted.parts if key not in self.parts},
        )

    def evict(self, applied_origin: int) -> None:
        """Let applied state go, the least recently used first, until the bound holds."""
        total = self.bytes
        if total <= self._max_bytes:
            return
        share = self._max_bytes * 3 // 4 / total
        for project_id, trace_id, member in self.observations.evict(
            applied_origin, int(self.observations.bytes * share)
        ):
            members = self._members[(project_id, trace_id)]
            members.discard(member)
            if not members:
                del self._members[(project_id, trace_id)]
        for shelf in (self.traces, self.scores, self.users, self.sessions, self.parts):
            shelf.evict(applied_origin, int(shelf.bytes * share))

    def _shelves(
        self,
    ) -> tuple[
        Shelf[TraceKey, TraceState]
        | Shelf[ObservationKey, ObservationState]
        | Shelf[ScoreKey, ScoreState]
        | Shelf[UserKey, Sighting]
        | Shelf[PartKey, PartState],
        ...,
    ]:
        return (self.traces, self.observations, self.scores, self.users, self.sessions, self.parts)
