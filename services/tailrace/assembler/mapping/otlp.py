"""OTLP trace requests: spans flow in, one change of an observation and one of its trace flow out for each.

A span says nothing of other spans here: trees, prices and totals are made later.
"""

from hashlib import blake2b
from typing import Final, NamedTuple

import msgspec

from tailrace.assembler.mapping.group import Group
from tailrace.assembler.mapping.mapped import Mapped, Reject, reject_record
from tailrace.assembler.mapping.span_observation import read_observation
from tailrace.assembler.mapping.span_trace import read_trace
from tailrace.core.merge import Change
from tailrace.core.model import MAX_TIME_US
from tailrace.core.stamp import CREATE, Stamp
from tailrace.wire.ids import MAX_ID_BYTES, is_usable_id
from tailrace.wire.otlp import OtlpError, OtlpKind, SpanData, decode_spans
from tailrace.wire.topics import RawHeaders

_DIGEST_BYTES: Final = 8
_FIRST_OWN_FIELD: Final = SpanData._fields.index("parent_span_id")


class Times(NamedTuple):
    """When a span started and ended, microseconds since 1970, never the other way round."""

    start_us: int
    end_us: int


def map_spans(headers: RawHeaders, kind: OtlpKind, payload: bytes) -> Mapped:
    """The changes that a request's spans make."""
    try:
        spans = list(decode_spans(kind, payload))
    except OtlpError as error:
        return reject_record(str(error), payload, headers.events)
    changes: list[Change] = []
    rejects: list[Reject] = []
    group: Group | None = None
    for span in spans:
        if not (is_usable_id(span.trace_id) and is_usable_id(span.span_id)):
            rejects.append(_reject(span))
            continue
        if group is None or not group.holds(span.resource, span.scope):
            group = Group(span.resource, span.scope)
        changes += _changes_of(span, group, headers)
    return Mapped(changes, rejects, len(spans))


def times_of(span: SpanData, received_at_us: int) -> Times:
    """A missing side is the other one, both are the time of receipt; a time after the year 9999 is missing."""
    start_us, end_us = span.start_us, span.end_us
    if start_us is not None and start_us >= MAX_TIME_US:
        start_us = None
    if end_us is not None and end_us >= MAX_TIME_US:
        end_us = None
    if start_us is None:
        start_us = received_at_us if end_us is None else end_us
    return Times(start_us, start_us if end_us is None else max(start_us, end_us))


def _changes_of(span: SpanData, group: Group, headers: RawHeaders) -> tuple[Change, Change]:
    start_us, end_us = times_of(span, headers.received_at_us)
    trace_id, span_id, project_id = span.trace_id, span.span_id, headers.project_id
    content = msgspec.json.encode(span[_FIRST_OWN_FIELD:])
    digest = blake2b(content, digest_size=_DIGEST_BYTES, key=group.digest_key).hexdigest()
    reading = read_observation(span, group)
    reading.fields["start_time"] = start_us
    reading.fields["end_time"] = end_us
    trace = read_trace(span, group, reading)
    trace.fields["earliest"] = start_us
    # A span that is exported while it is open comes again with a later end: what it says then is what counts.
    version = f"{end_us:020d}/{span_id}"
    return (
        Change("observation", project_id, trace_id, span_id, Stamp(end_us, CREATE, span_id, digest), reading.fields),
        Change(
            "trace", project_id, trace_id, trace_id, Stamp(start_us, CREATE, version, digest), trace.fields, trace.weak
        ),
    )


def _reject(span: SpanData) -> Reject:
    detail = f"expected a trace id and a span id of 1 to {MAX_ID_BYTES} bytes"
    return Reject("invalid_event", detail, span.span_id[:MAX_ID_BYTES] or None, msgspec.json.encode(span))
