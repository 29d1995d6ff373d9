"""Requests of very many parts are known before they are parsed, and common ones are never taken for them."""

import pytest

from tailrace.wire import density
from tailrace.wire.otlp import OtlpError, OtlpKind, SplitRule, split_request
from tests.fuzz import protobuf

MAX_PARTS = MAX_VALUES = 20_000
RULE = SplitRule(len, max_span_bytes=1 << 24)
PREFIX = b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"a","spanId":"b","attributes":['

EMPTY_SPANS = protobuf.chunk(1, protobuf.chunk(2, b"\x12\x00" * (MAX_PARTS // 4 + 1)))
DENSE: dict[str, tuple[OtlpKind, bytes]] = {
    "resources": ("otlp-protobuf", b"\x0a\x00" * (MAX_PARTS // 4 + 1)),
    "spans": ("otlp-protobuf", EMPTY_SPANS),
    "spans whose tags are longer than they need": (
        "otlp-protobuf",
        protobuf.chunk(1, protobuf.chunk(2, b"\x92\x80\x00\x00" * (MAX_PARTS // 4 + 1))),
    ),
    "attributes": ("otlp-protobuf", protobuf.request(protobuf.span({}, more=b"\x4a\x00" * (MAX_PARTS + 1)))),
    "values of a list": (
        "otlp-protobuf",
        protobuf.request(
            protobuf.span({}, more=protobuf.chunk(9, protobuf.chunk(2, protobuf.chunk(5, b"\x0a\x00" * MAX_PARTS))))
        ),
    ),
    "spans behind a group": ("otlp-protobuf", protobuf.group(99, b"") + EMPTY_SPANS),
    "spans behind a number without an end": ("otlp-protobuf", b"\x80" * 20 + EMPTY_SPANS),
    "values in JSON": ("otlp-json", PREFIX + b"1," * (MAX_VALUES + 1) + b"1]}]}]}]}"),
}


@pytest.fixture(autouse=True)
def small_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real ones take seconds to reach."""
    monkeypatch.setattr(density, "MAX_PARTS", MAX_PARTS)
    monkeypatch.setattr(density, "MAX_VALUES", MAX_VALUES)
    monkeypatch.setattr(density, "HARMLESS", 5_000)


@pytest.mark.parametrize("name", DENSE)
def test_a_request_of_too_many_parts_is_refused(name: str) -> None:
    with pytest.raises(OtlpError, match="expected at most"):
        split_request(*DENSE[name], RULE)


def test_a_large_request_of_common_density_is_taken() -> None:
    text = '{"role": "user", "content": "2 * 2 = \\"4\\"\n"} Jazz' * 40
    spans = [
        protobuf.span({"input": text, **{f"key-{number}": number for number in range(20)}}, span_id=b"%08d" % at)
        for at in range(200)
    ]

    split = split_request("otlp-protobuf", protobuf.request(*spans), RULE)

    assert (sum(part.spans for part in split.parts), split.rejected) == (200, {})


def test_text_in_json_counts_as_one_value() -> None:
    body = PREFIX + b'{"key":"k","value":{"stringValue":"' + b"[,{" * (MAX_VALUES // 3 + 1) + b'"}}]}]}]}]}'

    assert [part.spans for part in split_request("otlp-json", body, RULE).parts] == [1]
