"""Scores, posted or in batches: checked scores flow in, one change each flows out. Their configs are not looked at here."""

from hashlib import blake2b
from typing import Any, Final

from tailrace.assembler.mapping.mapped import Mapped, Reject, reject_record
from tailrace.assembler.mapping.values import cut_key, normalise_environment, object_of
from tailrace.core.merge import Change
from tailrace.core.stamp import CREATE, Stamp
from tailrace.wire.events import EnvelopeError, Event, EventError, decode_scores
from tailrace.wire.topics import RawHeaders

KEYS: Final = ("name", "trace_id", "observation_id", "session_id", "dataset_run_id", "config_id", "queue_id")
"""Texts that indexes hold; an empty one, and an explicit null, is absent: a score never changes its target."""

NO_TRACE: Final = ""
"""The trace id of a score's change: its identity is its own id, the trace is one of its fields."""

_DIGEST_BYTES: Final = 8
_WEAK_TIME: Final = frozenset({"timestamp"})
_MAX_DETAIL_CHARACTERS: Final = 1000


def map_scores(headers: RawHeaders, payload: bytes) -> Mapped:
    """The changes of posted scores, a list or a single one."""
    try:
        scores = decode_scores(payload)
    except EnvelopeError as error:
        return reject_record(str(error), payload, headers.events)
    changes = [score_change(headers, event) for event in scores.events]
    rejects = [reject_error(error) for error in scores.errors]
    return Mapped(changes, rejects, len(changes) + len(rejects))


def score_change(headers: RawHeaders, event: Event) -> Change:
    """A score without a time is as old as its receipt, until another event tells its time."""
    stamp = stamp_of(event, headers.received_at_us)
    given = event.fields()
    timestamp, environment = given.pop("timestamp", None), given.pop("environment", None)
    fields: dict[str, Any] = {"timestamp": stamp.at_us if timestamp is None else timestamp}
    for name in KEYS:
        text = given.pop(name, None)
        if text:
            fields[name] = cut_key(text)
    if environment:
        fields["environment"] = normalise_environment(environment)
    metadata = object_of(given.pop("metadata", None))
    if metadata:
        fields["metadata"] = metadata
    fields |= given
    weak = _WEAK_TIME if timestamp is None and event.at_us is None else frozenset[str]()
    return Change("score", headers.project_id, NO_TRACE, event.entity_id, stamp, fields, weak)


def stamp_of(event: Event, received_at_us: int) -> Stamp:
    """The stamp of a create. The same bytes have the same stamp, however often they come."""
    digest = blake2b(event.raw, digest_size=_DIGEST_BYTES).hexdigest()
    return Stamp(received_at_us if event.at_us is None else event.at_us, CREATE, event.id, digest)


def reject_error(error: EventError) -> Reject:
    """An event that is not as the API asks."""
    entity = None if error.id == "unknown" else error.id
    return Reject("invalid_event", error.error[:_MAX_DETAIL_CHARACTERS], entity, error.raw)
