"""The plain forms of OTLP: what a span is once decoded, and what a request is once divided. No behaviour."""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

OtlpKind = Literal["otlp-protobuf", "otlp-json"]


class OtlpError(ValueError):
    """The request cannot be used; the message names the defect."""


class SpanEvent(NamedTuple):
    """An event inside a span. `time_us`: microseconds since 1970, None when the sender gave none."""

    name: str
    attributes: dict[str, Any]
    time_us: int | None = None


class Scope(NamedTuple):
    """The instrumentation scope of a span."""

    name: str
    version: str
    attributes: dict[str, Any]


class SpanData(NamedTuple):
    """A span. `resource` and `scope` are shared by the spans of a group: do not change them.

    Attribute values are str, bool, int, float or lists of these (and None in lists); NaN and infinities are the strings "NaN",
    "Infinity" and "-Infinity"; key-value lists and bytes are JSON text; keys without a value are left out.
    Times are microseconds since 1970, None when the sender gave none. `kind` and `status_code` are OTLP's numbers (2 is an error).
    """

    resource: dict[str, Any]
    scope: Scope
    trace_id: str
    span_id: str
    parent_span_id: str | None
    name: str
    kind: int
    start_us: int | None
    end_us: int | None
    attributes: dict[str, Any]
    events: list[SpanEvent]
    status_code: int
    status_message: str


class Part(NamedTuple):
    """A request that holds only spans of one partition."""

    partition: int
    body: bytes
    spans: int


class Split(NamedTuple):
    """A request, divided. `rejected`: how many spans were left out, by reason."""

    parts: list[Part]
    rejected: dict[str, int]


class SplitRule(NamedTuple):
    """How to divide: the partition of a trace id, the largest span, the size that a part has where it can be, and its most spans."""

    partition_of: Callable[[str], int]
    max_span_bytes: int
    part_bytes: int = 8 * 1024 * 1024
    part_spans: int = 10_000

    def is_one_part(self, body: bytes, spans: int) -> bool:
        """Whether a body of so many spans need not be divided."""
        return len(body) <= min(self.part_bytes, self.max_span_bytes) and spans <= self.part_spans
