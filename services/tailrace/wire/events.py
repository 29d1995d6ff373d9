"""Batch events and scores as the SDKs post them: bytes in, checked events out, each with the sender's own bytes.

An event that cannot be used never harms its neighbours: it comes out as an error with its reason. What the fields of an event mean
for a trace, and how events of one entity merge, is not decided here.
"""

import hashlib
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final, Literal, NamedTuple, TypeVar

import msgspec
from msgspec import Raw

from tailrace.wire.event_bodies import (
    MAX_ID_CHARACTERS,
    Body,
    InvalidBodyError,
    Issue,
    ObservationBody,
    ScoreBody,
    Timestamp,
    TraceBody,
    check_body,
    fields_of_body,
    issue_of,
    microseconds,
)
from tailrace.wire.ids import MAX_ID_BYTES, is_usable_id
from tailrace.wire.lenient_json import MAX_DEPTH, NotJsonError, is_clean, is_deep, repair_json

EntityKind = Literal["trace", "observation", "score"]

OBSERVATION_WORDS: Final = (
    "span",
    "generation",
    "event",
    "agent",
    "tool",
    "chain",
    "retriever",
    "evaluator",
    "embedding",
    "guardrail",
    "observation",
)
"""What stands before `-create` in the type of an observation's event; `observation` says its type in the body."""

KIND_OF_TYPE: Final[dict[str, EntityKind]] = {
    "trace-create": "trace",
    "score-create": "score",
    **{f"{word}-create": "observation" for word in OBSERVATION_WORDS},
    "span-update": "observation",
    "generation-update": "observation",
    "observation-update": "observation",
}
LOG_TYPE: Final = "sdk-log"
MAX_EVENTS: Final = 50_000
"""Events, or scores, in one request."""


class EnvelopeError(ValueError):
    """The body is not a batch, or not scores; `issues` say what is wrong with it."""

    def __init__(self, issues: list[Issue]) -> None:
        super().__init__("; ".join(issue.message for issue in issues))
        self.issues = issues


class Event(NamedTuple):
    """A checked event.

    `entity_id`: the id of the trace, observation or score that it speaks of. `partition_id`: the id that decides its partition, which
    is the trace id, and for a score its own id. `at_us`: when the event speaks, microseconds since 1970; None when the sender
    does not say. `raw`: the event's JSON. A missing id derives from the event's id, or from the hash of a score's bytes.
    """

    id: str
    type: str
    kind: EntityKind
    entity_id: str
    partition_id: str
    at_us: int | None
    raw: bytes
    body: Body

    def fields(self) -> dict[str, Any]:
        """What the body says, by name in snake case; absent fields are absent, None is an explicit null.

        Times are microseconds since 1970; `input`, `output` and `model_parameters` are the text to store (a string itself,
        else JSON text); metadata, usage and costs are plain JSON values; unknown fields are left out. A score has `data_type`,
        `value`, `string_value` and `long_string_value` as they are to be stored.
        """
        return fields_of_body(self.body)


class EventError(NamedTuple):
    """An event that cannot be used. `id`: the event's, or "unknown". `error`: the reasons in words."""

    id: str
    issues: list[Issue]
    raw: bytes

    @property
    def error(self) -> str:
        return "; ".join(issue.message for issue in self.issues)


class Batch(NamedTuple):
    """A batch: what can be used, what cannot, and the ids of SDK logs, which are acknowledged and not kept."""

    events: list[Event]
    errors: list[EventError]
    logs: list[str]


class Scores(NamedTuple):
    """Posted scores. `is_list`: whether they came as a list."""

    events: list[Event]
    errors: list[EventError]
    is_list: bool


def decode_batch(data: bytes) -> Batch:
    """The events of `{"batch": [...]}`. Raises EnvelopeError."""
    return _decode(_decode_batch, data, cut_level=5)


def encode_batch(events: Iterable[Event]) -> bytes:
    """A batch of the events' own bytes."""
    return b'{"batch":[%b]}' % b",".join([event.raw for event in events])


def decode_scores(data: bytes, *, eval_allowed: bool = False) -> Scores:
    """The scores of a JSON list, or a single one. Raises EnvelopeError."""
    decode_list = data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"["
    decode = partial(_decode_scores, is_list=decode_list, eval_allowed=eval_allowed)
    return _decode(decode, data, cut_level=3 if decode_list else 2)


def encode_scores(scores: Iterable[Event]) -> bytes:
    """A list of the scores' own bytes."""
    return b"[%b]" % b",".join([score.raw for score in scores])


class _Envelope(msgspec.Struct):
    batch: list[Raw]


class _Head(msgspec.Struct):
    id: str
    type: str
    timestamp: Timestamp
    body: Raw


class _Identity(msgspec.Struct):
    id: str


_envelope_decoder = msgspec.json.Decoder(_Envelope)
_head_decoder = msgspec.json.Decoder(_Head)
_identity_decoder = msgspec.json.Decoder(_Identity)
_list_decoder = msgspec.json.Decoder(list[Raw])
_object_decoder = msgspec.json.Decoder(dict[str, Raw])
_score_decoder = msgspec.json.Decoder(ScoreBody)
_body_decoders: Final[dict[EntityKind, msgspec.json.Decoder[Any]]] = {
    "trace": msgspec.json.Decoder(TraceBody),
    "observation": msgspec.json.Decoder(ObservationBody),
    "score": _score_decoder,
}


_JSON_SPACE: Final = b" \t\r\n"

Decoded = TypeVar("Decoded")


def _decode(decode: Callable[[bytes], Decoded], data: bytes, *, cut_level: int) -> Decoded:
    """What `decode` makes of `data`, after a repair where it needs one. Raises EnvelopeError."""
    try:
        if is_clean(data):
            return decode(data)
    except msgspec.ValidationError as error:
        raise EnvelopeError([issue_of(error)]) from None
    except (msgspec.DecodeError, RecursionError, _TooDeepError):
        pass
    try:
        return decode(repair_json(data, cut_level=cut_level))
    except msgspec.ValidationError as error:
        raise EnvelopeError([issue_of(error)]) from None
    except (NotJsonError, msgspec.DecodeError, _TooDeepError) as error:
        raise EnvelopeError([Issue([], str(error), "invalid_json")]) from None


class _TooDeepError(Exception):
    """An event is nested deeper than can be handed on."""


def _few(raws: list[Raw]) -> list[Raw]:
    """`raws`, unless they are too many: each takes far more memory, and room in the answer, than its bytes. Raises EnvelopeError."""
    if len(raws) > MAX_EVENTS:
        message = f"expected at most {MAX_EVENTS} events in one request, got {len(raws)}"
        raise EnvelopeError([Issue([], message, "too_big")])
    return raws


def _check_depth(raw: bytes) -> bytes:
    if is_deep(raw):
        raise _TooDeepError(f"expected JSON of at most {MAX_DEPTH} levels, got more")
    return raw


def _decode_batch(data: bytes) -> Batch:
    batch = Batch([], [], [])
    for raw in _few(_envelope_decoder.decode(data).batch):
        event = _decode_event(_check_depth(bytes(raw)))
        if isinstance(event, Event):
            batch.events.append(event)
        elif isinstance(event, EventError):
            batch.errors.append(event)
        else:
            batch.logs.append(event)
    return batch


def _decode_scores(data: bytes, *, is_list: bool, eval_allowed: bool) -> Scores:
    if is_list:
        raws = [bytes(raw) for raw in _few(_list_decoder.decode(data))]
    else:
        _object_decoder.decode(data)
        raws = [data.strip(_JSON_SPACE)]
    scores = Scores([], [], is_list)
    for raw in raws:
        event = _decode_score(_check_depth(raw), eval_allowed=eval_allowed)
        if isinstance(event, Event):
            scores.events.append(event)
        else:
            scores.errors.append(event)
    return scores


def _decode_event(raw: bytes) -> Event | EventError | str:
    """An event, why it cannot be used, or the id of an SDK's log."""
    try:
        head = _head_decoder.decode(raw)
        _check_event_id(head.id)
        at_us = microseconds(head.timestamp, "timestamp")
    except (msgspec.ValidationError, InvalidBodyError) as error:
        return EventError(_identity_of(raw), [issue_of(error)], raw)
    if head.type == LOG_TYPE:
        return head.id
    kind = KIND_OF_TYPE.get(head.type)
    if kind is None:
        error = InvalidBodyError("type", f"expected a known event type, got {head.type[:100]!r}")
        return EventError(head.id, [error.issue], raw)
    try:
        body = _body_decoders[kind].decode(head.body)
        check_body(body)
    except (msgspec.ValidationError, InvalidBodyError) as error:
        return EventError(head.id, [issue_of(error).under("body")], raw)
    entity_id = body.id or head.id
    partition_id = _partition_id(body, entity_id)
    for name, id_ in (("id", entity_id), ("traceId", partition_id)):
        if not is_usable_id(id_):
            return EventError(head.id, [_too_long(name).issue.under("body")], raw)
    return Event(head.id, head.type, kind, entity_id, partition_id, at_us, raw, body)


def _decode_score(raw: bytes, *, eval_allowed: bool) -> Event | EventError:
    try:
        body = _score_decoder.decode(raw)
        check_body(body, eval_allowed=eval_allowed)
    except (msgspec.ValidationError, InvalidBodyError) as error:
        return EventError(_identity_of(raw), [issue_of(error)], raw)
    score_id = body.id or hashlib.sha256(raw).hexdigest()[:32]
    if not is_usable_id(score_id):
        return EventError(_identity_of(raw), [_too_long("id").issue], raw)
    at_us = microseconds(body.timestamp, "timestamp") if body.timestamp else None
    return Event(score_id, "score-create", "score", score_id, score_id, at_us, raw, body)


def _partition_id(body: Body, entity_id: str) -> str:
    return body.trace_id or entity_id if isinstance(body, ObservationBody) else entity_id


def _check_event_id(event_id: str) -> None:
    if not 1 <= len(event_id) <= MAX_ID_CHARACTERS or "\r" in event_id:
        limit = f"1 to {MAX_ID_CHARACTERS} characters"
        raise InvalidBodyError("id", f"expected an id of {limit} without a carriage return, got another")


def _too_long(name: str) -> InvalidBodyError:
    return InvalidBodyError(name, f"expected an id of at most {MAX_ID_BYTES} bytes, got a longer one")


def _identity_of(raw: bytes) -> str:
    try:
        found = _identity_decoder.decode(raw).id
        _check_event_id(found)
    except (msgspec.ValidationError, InvalidBodyError):
        return "unknown"
    return found
