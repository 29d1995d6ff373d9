"""What mapping gives back: the changes that a raw record makes, and what of it cannot be used."""

from collections.abc import Sequence
from typing import NamedTuple

from tailrace.core.merge import Change
from tailrace.core.model import DiscardReason
from tailrace.wire.events import Event


class Reject(NamedTuple):
    """An event that cannot be used. `payload`: its bytes, or those of its record if that cannot be divided into events."""

    reason: DiscardReason
    detail: str
    entity: str | None
    payload: bytes


class ConfiguredScore(NamedTuple):
    """A score that names a config, which is to judge it before it is folded. `at`: the place of its change."""

    at: int
    event: Event
    config_id: str


class Mapped(NamedTuple):
    """What one raw record says.

    `events` (spans, batch events, scores) are either in `changes` or, one each, in `rejects`; an event may make several changes, or none
    (a log line of an SDK). `configured`: those of the changes that a config has still to judge.
    """

    changes: list[Change]
    rejects: list[Reject]
    events: int
    configured: Sequence[ConfiguredScore] = ()


def reject_record(detail: str, payload: bytes, events: int) -> Mapped:
    """A record that cannot be divided: as many rejects as it is said to hold events, its bytes kept once."""
    count = max(1, min(events, len(payload)))
    rejects = [Reject("invalid_payload", detail, None, payload)]
    rejects += [Reject("invalid_payload", detail, None, b"")] * (count - 1)
    return Mapped([], rejects, count)
