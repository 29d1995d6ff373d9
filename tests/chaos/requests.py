"""Requests: spans, batch events and scores in, the bodies that clients post out, shuffled and mixed, each twice or more if asked.

What must stand together in one request, or alone in one, is a unit. Nothing here decides what is right.
"""

import gzip
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import orjson

from tests.chaos.spans import Span, encode_json, encode_protobuf
from tests.chaos.texts import dirty_json

OTLP_PATH: Final = "/api/public/otel/v1/traces"
BATCH_PATH: Final = "/api/public/ingestion"
SCORES_PATH: Final = "/api/public/scores"
MAX_EVENTS: Final = 40
LATE_FROM: Final = 0.8
"""What is late is sent in the last fifth of a round, all of its deliveries."""

_MAX_BATCH_BYTES: Final = 3_000_000


@dataclass(frozen=True)
class Request:
    """One delivery of a body. `events`: how many of its events the edge accepts. `at`: when in the round it is sent, 0 to 1."""

    path: str
    body: bytes
    content_type: str
    content_encoding: str
    events: int
    at: float
    number: int
    """Which request it is; deliveries of one body share it."""


@dataclass(frozen=True, slots=True)
class Unit:
    """Events that go into one request. `accepted`: how many of them the edge takes. `alone`: nothing else goes with them."""

    kind: Literal["spans", "batch", "scores"]
    parts: Sequence[Span | bytes]
    accepted: int
    late: bool = False
    alone: bool = False


def make_requests(
    rng: random.Random, units: Sequence[Unit], *, twice: bool, stream: Sequence[Unit] = ()
) -> list[Request]:
    """All deliveries in the order of sending. `stream`: units that are sent in their order, one request each."""
    bodies = [*_make_bodies(rng, units)]
    deliveries: list[Request] = []
    for number, (late, body) in enumerate(bodies):
        for _ in range(_copies(rng, twice=twice)):
            at = rng.uniform(LATE_FROM, 1) if late else rng.random()
            deliveries.append(replace(body, at=at, number=number))
    for place, unit in enumerate(stream):
        body = _finish(rng, unit.kind, [unit])
        at = place / max(len(stream), 1)
        for _ in range(_copies(rng, twice=twice)):
            deliveries.append(replace(body, at=at, number=len(bodies) + place))
            at = rng.uniform(at, 1)
    return sorted(deliveries, key=lambda request: request.at)


def _copies(rng: random.Random, *, twice: bool) -> int:
    return 2 + (rng.random() < 0.2) if twice else 1


def _make_bodies(rng: random.Random, units: Sequence[Unit]) -> Iterable[tuple[bool, Request]]:
    for kind in ("spans", "batch", "scores"):
        for late in (False, True):
            mixed = [unit for unit in units if unit.kind == kind and unit.late == late]
            rng.shuffle(mixed)
            for group in _groups(rng, mixed):
                yield late, _finish(rng, kind, group)


def _groups(rng: random.Random, units: Sequence[Unit]) -> Iterable[list[Unit]]:
    """Groups of 1 to MAX_EVENTS events."""
    group: list[Unit] = []
    room, size = rng.randint(1, MAX_EVENTS), 0
    for unit in units:
        if unit.alone:
            yield [unit]
            continue
        group.append(unit)
        room -= len(unit.parts)
        size += sum(len(part) for part in unit.parts if isinstance(part, bytes))
        if room <= 0 or size > _MAX_BATCH_BYTES:
            yield group
            group, room, size = [], rng.randint(1, MAX_EVENTS), 0
    if group:
        yield group


def _finish(rng: random.Random, kind: str, units: Sequence[Unit]) -> Request:
    accepted = sum(unit.accepted for unit in units)
    if kind == "spans":
        spans = [part for unit in units for part in unit.parts if isinstance(part, Span)]
        return _spans_request(rng, spans, accepted)
    events = [part for unit in units for part in unit.parts if isinstance(part, bytes)]
    if kind == "batch":
        body = b'{"batch":[%b],"metadata":{"batch_size":%d}}' % (b",".join(events), len(events))
        return Request(BATCH_PATH, body, "application/json", "", accepted, 0, 0)
    single = len(events) == 1 and rng.random() < 0.5
    body = events[0] if single else b"[%b]" % b",".join(events)
    return Request(SCORES_PATH, body, "application/json", "", accepted, 0, 0)


_ENCODINGS: Final[tuple[tuple[Callable[[Sequence[Span]], bytes], str, str], ...]] = (
    (encode_protobuf, "application/x-protobuf", ""),
    (encode_protobuf, "application/x-protobuf", "gzip"),
    (encode_json, "application/json", ""),
    (encode_json, "application/json", "gzip"),
)


def _spans_request(rng: random.Random, spans: Sequence[Span], accepted: int) -> Request:
    encode, content_type, encoding = rng.choice(_ENCODINGS)
    if any(span.only_json for span in spans):
        encode, content_type = encode_json, "application/json"
    body = encode(spans)
    if encoding:
        body = gzip.compress(body, compresslevel=1, mtime=0)
    return Request(OTLP_PATH, body, content_type, encoding, accepted, 0, 0)


def event_bytes(event: object) -> bytes:
    """An event of a batch, or a score, as it is sent."""
    return dirty_json(orjson.dumps(event))
