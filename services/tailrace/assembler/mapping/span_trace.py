"""What a span says of its trace: a root much, a span with attributes of the trace some, any other only that the trace is."""

from typing import Any, Final, NamedTuple

from tailrace.assembler.mapping import langfuse
from tailrace.assembler.mapping.group import Group
from tailrace.assembler.mapping.shape import Shape
from tailrace.assembler.mapping.span_observation import Reading
from tailrace.assembler.mapping.values import put_key, tags_of, text_of
from tailrace.wire.otlp import SpanData

_NOTHING_WEAK: Final[frozenset[str]] = frozenset()


class TraceReading(NamedTuple):
    """`fields`: all but the time. `weak`: those that are only the root span's own."""

    fields: dict[str, Any]
    weak: frozenset[str]


def read_trace(span: SpanData, group: Group, observation: Reading) -> TraceReading:
    """Everything but the time."""
    fields: dict[str, Any] = {}
    if "environment" in observation.fields:
        fields["environment"] = observation.fields["environment"]
    is_update = bool(observation.metadata.trace) or observation.shape.updates_trace
    if not (observation.is_root or is_update):
        return TraceReading(fields, _NOTHING_WEAK)
    weak: set[str] = set()
    _put_identity(fields, span, observation.shape)
    _put_release(fields, weak, span, group)
    _put_explicit(fields, span)
    metadata = {**group.trace_metadata, **observation.metadata.trace}
    if observation.is_root:
        _put_root(fields, weak, observation)
        metadata = {
            **group.trace_metadata,
            **observation.metadata.observation,
            **observation.metadata.trace,
            **observation.technical,
        }
    if metadata:
        fields["metadata"] = metadata
    return TraceReading(fields, frozenset(weak) if weak else _NOTHING_WEAK)


def _put_identity(fields: dict[str, Any], span: SpanData, shape: Shape) -> None:
    attributes = span.attributes
    put_key(fields, "user_id", langfuse.read_id(attributes, shape.user_ids))
    put_key(fields, "session_id", langfuse.read_id(attributes, shape.session_ids))
    for key in shape.tags:
        tags = tags_of(attributes[key])
        if tags:
            fields["tags"] = tags
            break
    if any(langfuse.is_true(attributes[key]) for key in shape.public):
        fields["public"] = True


def _put_release(fields: dict[str, Any], weak: set[str], span: SpanData, group: Group) -> None:
    release = text_of(span.attributes.get(langfuse.RELEASE)) or group.release
    if release:
        fields["release"] = release
    version = text_of(span.attributes.get(langfuse.VERSION)) or group.version
    if version:
        fields["version"] = version
    elif group.service_version:
        fields["version"] = group.service_version
        weak.add("version")


def _put_explicit(fields: dict[str, Any], span: SpanData) -> None:
    attributes = span.attributes
    put_key(fields, "name", text_of(attributes.get(langfuse.TRACE_NAME)))
    for field, key in (("input", langfuse.TRACE_INPUT), ("output", langfuse.TRACE_OUTPUT)):
        given = attributes.get(key)
        if given is not None:
            fields[field] = text_of(given)


def _put_root(fields: dict[str, Any], weak: set[str], observation: Reading) -> None:
    """The root lends its name and bodies to a trace that has none of its own."""
    for field in ("name", "input", "output"):
        if not fields.get(field) and field in observation.fields:
            fields[field] = observation.fields[field]
            weak.add(field)
