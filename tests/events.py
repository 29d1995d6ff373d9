"""A seeded story of many traces as batch events: creates, updates, late users, errors and costs, in the senders' own words."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

Event = dict[str, Any]

_first = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
_models = ("gpt-4o-mini", "gpt-4o", "claude-sonnet-4-5", "a-model-nobody-knows")


def make_events(seed: int, *, traces: int) -> list[Event]:
    """The events of `traces` traces, in the order in which a well-behaved sender would send them."""
    rng = random.Random(seed)
    return [event for number in range(traces) for event in _trace_events(rng, seed, number)]


def _trace_events(rng: random.Random, seed: int, number: int) -> list[Event]:
    trace_id = f"trace-{seed}-{number}"
    start = _first + timedelta(seconds=rng.randrange(4 * 3600))
    clock = _Clock(rng, f"{seed}-{number}", start)
    events = [clock.event("trace-create", {"id": trace_id, "timestamp": _iso(start), "name": "answer", "tags": ["a"]})]
    parents: list[str | None] = [None]
    for index in range(rng.randrange(1, 8)):
        span_id = f"span-{number}-{index}"
        events += _observation_events(
            rng, clock, {"id": span_id, "traceId": trace_id, "parentObservationId": rng.choice(parents)}
        )
        parents.append(span_id)
    if rng.random() < 0.7:
        late = {
            "id": trace_id,
            "userId": f"user-{rng.randrange(5)}",
            "sessionId": f"session-{rng.randrange(4)}",
            "tags": ["b"],
        }
        events.append(clock.event("trace-create", late))
    if rng.random() < 0.2:
        events.append(
            clock.event("trace-create", {"id": trace_id, "userId": "user-moved", "metadata": {"moved": True}})
        )
    return events


def _observation_events(rng: random.Random, clock: "_Clock", identity: Event) -> list[Event]:
    is_generation = rng.random() < 0.6
    kind = "generation" if is_generation else "span"
    start = clock.now
    create = {**identity, "name": kind, "startTime": _iso(start), "metadata": {"step": rng.randrange(9)}}
    update: Event = {
        **identity,
        "endTime": _iso(start + timedelta(milliseconds=rng.randrange(1, 90_000))),
        "output": "done",
    }
    if is_generation:
        create |= {"model": rng.choice(_models), "input": [{"role": "user", "content": "hello"}]}
        update |= {"usage": {"input": rng.randrange(5000), "output": rng.randrange(900)}}
        if rng.random() < 0.2:
            update["costDetails"] = {"total": round(rng.random(), rng.randrange(1, 12))}
    if rng.random() < 0.2:
        update |= {"level": "ERROR", "statusMessage": "it broke"}
    events = [clock.event(f"{kind}-create", create), clock.event(f"{kind}-update", update)]
    if is_generation and rng.random() < 0.3:
        events.append(
            clock.event(
                "generation-update", {**identity, "model": rng.choice(_models), "usage": {"input": 7, "output": 9}}
            )
        )
    return events


class _Clock:
    """Gives each event of a trace a later time and an id of its own."""

    def __init__(self, rng: random.Random, prefix: str, start: datetime) -> None:
        self._rng = rng
        self._prefix = prefix
        self._count = 0
        self.now = start

    def event(self, kind: str, body: Event) -> Event:
        self._count += 1
        self.now += timedelta(milliseconds=self._rng.randrange(1, 20_000))
        return {"id": f"event-{self._prefix}-{self._count}", "type": kind, "timestamp": _iso(self.now), "body": body}


def _iso(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
