"""Batch events (`trace-create`, `generation-update`, …): checked events flow in, changes of traces, observations and scores flow out.

An absent field says nothing. An explicit null is a value, but for the fields in `NULL_IS_ABSENT`. How events of one entity merge is
decided by their stamps, later; here an update is only made at least as late as the creates of the same entity in its batch.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from tailrace.assembler.mapping.langfuse import prompt_version
from tailrace.assembler.mapping.mapped import ConfiguredScore, Mapped, reject_record
from tailrace.assembler.mapping.scores import configured_score, reject_error, score_change, stamp_of
from tailrace.assembler.mapping.values import (
    cut_key,
    dump_json,
    level_of,
    normalise_environment,
    object_of,
    parse_object,
    put_key,
    storable,
    warn,
)
from tailrace.core.merge import Change
from tailrace.core.model import OBSERVATION_TYPES
from tailrace.core.stamp import UPDATE, Stamp
from tailrace.core.usage import normalise_usage, parse_cost_details
from tailrace.wire.events import EnvelopeError, Event, decode_batch
from tailrace.wire.topics import RawHeaders

NULL_IS_ABSENT: Final = frozenset(
    {
        "timestamp",
        "start_time",
        "end_time",
        "completion_start_time",
        "status_message",
        "parent_observation_id",
        "version",
        "environment",
        "public",
        "tags",
        "input",
        "output",
        "metadata",
    }
)

_ANY_TYPE: Final = "observation"
_WEAK_TYPE: Final = frozenset({"type"})
_WEAK_START: Final = frozenset({"start_time"})

Creations = Mapping[tuple[str, str, str], int]
"""(kind, partition id, entity id) → when the last create of a batch speaks, microseconds since 1970."""


def map_batch(headers: RawHeaders, payload: bytes) -> Mapped:
    """The changes that a batch makes. A log line of an SDK counts as an event and makes none."""
    try:
        batch = decode_batch(payload)
    except EnvelopeError as error:
        return reject_record(str(error), payload, headers.events)
    mapped = Mapped([], [reject_error(error) for error in batch.errors], sum(map(len, batch)))
    creations = _creations_in(batch.events)
    judged: list[ConfiguredScore] = []
    for event in batch.events:
        if event.kind == "score":
            configured = configured_score(len(mapped.changes), event)
            if configured is not None:
                judged.append(configured)
            mapped.changes.append(score_change(headers, event))
        elif event.kind == "trace":
            mapped.changes.append(_trace_change(headers, event))
        else:
            mapped.changes.extend(_observation_changes(headers, event, creations))
    return mapped._replace(configured=judged)


def _creations_in(events: Iterable[Event]) -> Creations:
    creations: dict[tuple[str, str, str], int] = {}
    for event in events:
        if event.kind == "observation" and not _is_update(event) and event.at_us is not None:
            key = (event.kind, event.partition_id, event.entity_id)
            creations[key] = max(event.at_us, creations.get(key, event.at_us))
    return creations


def _is_update(event: Event) -> bool:
    return event.type.endswith("-update")


def _trace_change(headers: RawHeaders, event: Event) -> Change:
    stamp = stamp_of(event, headers.received_at_us)
    given = _without_absent(event.fields())
    fields: dict[str, Any] = {"earliest": given.get("timestamp", stamp.at_us)}
    for name, value in given.items():
        _put(fields, name, value)
    return Change("trace", headers.project_id, event.entity_id, event.entity_id, stamp, fields)


def _observation_changes(headers: RawHeaders, event: Event, creations: Creations) -> tuple[Change, Change]:
    stamp = _observation_stamp(event, headers.received_at_us, creations)
    given = _without_absent(event.fields())
    fields: dict[str, Any] = {}
    weak = _put_type(fields, event, given.pop("type", None))
    if "start_time" not in given:
        fields["start_time"] = stamp.at_us if event.at_us is None else event.at_us
        weak |= _WEAK_START
    _put_usage(fields, given)
    _put_prompt(fields, given)
    for name, value in given.items():
        _put(fields, name, value)
    trace_fields: dict[str, Any] = {"earliest": fields["start_time"]}
    if "environment" in fields:
        trace_fields["environment"] = fields["environment"]
    project_id, trace_id = headers.project_id, event.partition_id
    return (
        Change("observation", project_id, trace_id, event.entity_id, stamp, fields, weak),
        Change("trace", project_id, trace_id, trace_id, stamp, trace_fields),
    )


def _observation_stamp(event: Event, received_at_us: int, creations: Creations) -> Stamp:
    stamp = stamp_of(event, received_at_us)
    if not _is_update(event):
        return stamp
    created_us = creations.get((event.kind, event.partition_id, event.entity_id), stamp.at_us)
    return stamp._replace(at_us=max(stamp.at_us, created_us), phase=UPDATE)


def _without_absent(given: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value is not None or name not in NULL_IS_ABSENT}


def _put_type(fields: dict[str, Any], event: Event, body_type: Any) -> frozenset[str]:
    """The type is the create's: an agent may be updated by a span-update. Returns the fields that are weak by that."""
    word = event.type.rpartition("-")[0]
    name = (body_type if isinstance(body_type, str) else "") if word == _ANY_TYPE else word
    if name.upper() not in OBSERVATION_TYPES:
        return frozenset()
    fields["type"] = name.upper()
    return _WEAK_TYPE if _is_update(event) else frozenset()


def _put_usage(fields: dict[str, Any], given: dict[str, Any]) -> None:
    """Usage and cost; nulls and what holds no number say nothing."""
    old, details, costs = (given.pop(name, None) for name in ("usage", "usage_details", "cost_details"))
    if old is not None or details is not None:
        usage = normalise_usage(old, details)
        if usage.details:
            fields["usage_details"] = usage.details
        if usage.unit:
            fields["unit"] = usage.unit
        for warning in usage.warnings:
            warn(fields, warning)
        if usage.service_tier:
            _put_service_tier(given, usage.service_tier)
    if old is not None or costs is not None:
        cost = parse_cost_details(costs, old)
        if cost:
            fields["provided_cost_details"] = cost


def _put_service_tier(given: dict[str, Any], tier: str) -> None:
    """Among the parameters of the model if this event has some, else in the metadata: parameters of another event would be lost."""
    name = "model_parameters" if given.get("model_parameters") else "metadata"
    told = parse_object(given[name]) if name == "model_parameters" else object_of(given.get(name))
    given[name] = {**(told or {}), "service_tier": tier}


def _put_prompt(fields: dict[str, Any], given: dict[str, Any]) -> None:
    """Only a generation links to a prompt, by name and version together. An event that says no type may be of one."""
    name, version = given.pop("prompt_name", None), prompt_version(given.pop("prompt_version", None))
    if name and version is not None and fields.get("type", "GENERATION") == "GENERATION":
        fields["prompt_name"], fields["prompt_version"] = name, version


def _put_text_key(fields: dict[str, Any], name: str, value: Any) -> None:
    """A text that indexes hold. An empty one is absent, a null is a null."""
    if value is None:
        fields[name] = None
    else:
        put_key(fields, name, value)


def _put_nonempty(fields: dict[str, Any], name: str, value: Any) -> None:
    if value:
        fields[name] = value


def _put_tags(fields: dict[str, Any], name: str, value: list[str]) -> None:
    _put_nonempty(fields, name, [cut_key(tag) for tag in value if tag])


def _put_environment(fields: dict[str, Any], name: str, value: str) -> None:
    if value:
        fields[name] = normalise_environment(value)


def _put_level(fields: dict[str, Any], name: str, value: Any) -> None:
    level = level_of(value)
    if level or value is None:
        fields[name] = level


def _put_metadata(fields: dict[str, Any], name: str, value: Any) -> None:
    _put_nonempty(fields, name, object_of(value))


def _put_parameters(fields: dict[str, Any], name: str, value: Any) -> None:
    """Written again, because Postgres refuses numbers that JSON allows. An empty object says nothing."""
    parameters = parse_object(value)
    if value is None:
        fields[name] = None
    elif parameters:
        fields[name] = dump_json(storable(parameters))


_PUTS: Final[Mapping[str, Callable[[dict[str, Any], str, Any], None]]] = {
    "name": _put_text_key,
    "user_id": _put_text_key,
    "session_id": _put_text_key,
    "model": _put_text_key,
    "parent_observation_id": _put_nonempty,
    "tags": _put_tags,
    "environment": _put_environment,
    "level": _put_level,
    "metadata": _put_metadata,
    "model_parameters": _put_parameters,
}


def _put(fields: dict[str, Any], name: str, value: Any) -> None:
    """Set what a body says under `name`, unless it says nothing."""
    put = _PUTS.get(name)
    if put is not None:
        put(fields, name, value)
    elif name not in _NOT_STORED:
        fields[name] = value


_NOT_STORED: Final = frozenset({"trace_id"})
"""Part of the identity, not of the fields."""
