"""Scores, posted or in batches: checked scores flow in, one change each flows out. Configs, where scores name them, judge them here."""

from collections.abc import Callable
from hashlib import blake2b
from typing import Any, Final

import msgspec

from tailrace.assembler.mapping.mapped import ConfiguredScore, Mapped, Reject, reject_record
from tailrace.assembler.mapping.values import cut_key, normalise_environment, object_of
from tailrace.core.merge import Change
from tailrace.core.score_configs import ConfigError, ConfigVersion
from tailrace.core.stamp import CREATE, Stamp
from tailrace.wire.event_bodies import InvalidBodyError, ScoreBody, fields_of_body
from tailrace.wire.events import EnvelopeError, Event, EventError, decode_scores
from tailrace.wire.topics import RawHeaders

KEYS: Final = ("name", "trace_id", "observation_id", "session_id", "dataset_run_id", "config_id", "queue_id")
"""Texts that indexes hold; an empty one, and an explicit null, is absent: a score never changes its target."""

NO_TRACE: Final = ""
"""The trace id of a score's change: its identity is its own id, the trace is one of its fields."""

FindConfig = Callable[[str], ConfigVersion | None]
"""The version of a config, by its id, that holds for a record."""

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
    configured = [one for at, event in enumerate(scores.events) if (one := configured_score(at, event)) is not None]
    return Mapped(changes, rejects, len(changes) + len(rejects), configured)


def configured_score(at: int, event: Event) -> ConfiguredScore | None:
    """The score as one that a config is to judge, if it names one. `at`: the place of its change."""
    config_id = event.body.config_id if isinstance(event.body, ScoreBody) else None
    return ConfiguredScore(at, event, cut_key(config_id)) if config_id else None


def judge_scores(headers: RawHeaders, mapped: Mapped, find: FindConfig) -> Mapped:
    """The same once the configs have judged: what one refuses is a reject, the others have the name and the number that it gives."""
    changes: list[Change | None] = list(mapped.changes)
    rejects = list(mapped.rejects)
    for at, event, config_id in mapped.configured:
        try:
            changes[at] = score_change(headers, event, _config_of(find, config_id))
        except (ConfigError, InvalidBodyError) as error:
            changes[at] = None
            rejects.append(Reject("refused_by_config", str(error)[:_MAX_DETAIL_CHARACTERS], event.id, event.raw))
    return Mapped([change for change in changes if change is not None], rejects, mapped.events)


def _config_of(find: FindConfig, config_id: str) -> ConfigVersion:
    config = find(config_id)
    if config is None:
        raise ConfigError(f"there was no score config {config_id} when the score was received")
    return config


def score_change(headers: RawHeaders, event: Event, config: ConfigVersion | None = None) -> Change:
    """A score without a time is as old as its receipt, until another event tells its time.

    Raises ConfigError and InvalidBodyError when it is not as its config asks.
    """
    stamp = stamp_of(event, headers.received_at_us)
    given = event.fields() if config is None else _fields_by_config(event, config)
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


def _fields_by_config(event: Event, config: ConfigVersion) -> dict[str, Any]:
    """What the score says, read as its config has it. Raises ConfigError and InvalidBodyError."""
    body = event.body
    if not isinstance(body, ScoreBody):
        raise TypeError(f"expected a score, got a {event.kind}")
    config.check_type(body.data_type or None)
    given = fields_of_body(msgspec.structs.replace(body, data_type=config.data_type))
    number = config.number_of(given["value"], given["string_value"])
    return {**given, "name": config.name, "value": number}


def stamp_of(event: Event, received_at_us: int) -> Stamp:
    """The stamp of a create. The same bytes have the same stamp, however often they come."""
    digest = blake2b(event.raw, digest_size=_DIGEST_BYTES).hexdigest()
    return Stamp(received_at_us if event.at_us is None else event.at_us, CREATE, event.id, digest)


def reject_error(error: EventError) -> Reject:
    """An event that is not as the API asks."""
    entity = None if error.id == "unknown" else error.id
    return Reject("invalid_event", error.error[:_MAX_DETAIL_CHARACTERS], entity, error.raw)
