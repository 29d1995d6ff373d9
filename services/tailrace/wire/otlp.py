"""OTLP trace requests: a sender's bytes in, its spans in one plain form out, or the same request divided by partition.

Protobuf and JSON mean the same here. Nothing in a text makes a request fail: U+0000 is dropped, what is not UTF-8 is replaced.
What a span means (types, models, usage, trees) is not decided here.
"""

from collections.abc import Iterator

from tailrace.wire import otlp_json, otlp_protobuf
from tailrace.wire.otlp_shapes import (
    OtlpError,
    OtlpKind,
    Part,
    Scope,
    SpanData,
    SpanEvent,
    Split,
    SplitRule,
)

__all__ = [
    "OtlpError",
    "OtlpKind",
    "Part",
    "Scope",
    "SpanData",
    "SpanEvent",
    "Split",
    "SplitRule",
    "decode_spans",
    "split_request",
]


def decode_spans(kind: OtlpKind, body: bytes) -> Iterator[SpanData]:
    """The spans of a request, one by one, in the sender's order. Raises OtlpError when it cannot be read at all."""
    return otlp_protobuf.decode_spans(body) if kind == "otlp-protobuf" else otlp_json.decode_spans(body)


def split_request(kind: OtlpKind, body: bytes, rule: SplitRule) -> Split:
    """Check a request and divide it by the partition of its spans' traces; where all go to one, the sender's own bytes.

    Raises OtlpError when the request breaks a rule that refuses it whole.
    """
    read = otlp_protobuf.split_request if kind == "otlp-protobuf" else otlp_json.split_request
    return read(body, rule)
