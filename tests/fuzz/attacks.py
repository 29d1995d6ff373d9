"""The attacks: for each endpoint, classes of bad requests, each a Hypothesis strategy of exact bytes.

A class is named after what is wrong. What is sent is mostly right, so that it comes as far as it can.
"""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from tests.fuzz import bodies, protobuf
from tests.fuzz.endpoints import ENDPOINTS, Endpoint, good_body, request_to
from tests.fuzz.grpc_attacks import (
    GOOD,
    calls_of,
    compressed_calls,
    strange_ends,
    strange_frames,
    strange_heads,
    strange_messages,
)
from tests.fuzz.grpc_client import Call
from tests.fuzz.http import Request
from tests.fuzz.sizes import large_bodies
from tests.fuzz.transport import AUTHORIZATIONS, compressed, strange_authorization, strange_http
from tests.fuzz.values import ANYTHING, NUMBERS, TEXTS, TIMES, Pairs, deep, encode
from tests.fuzz.values import Literal as Json

_MEGABYTE = 1024 * 1024


class Attack(NamedTuple):
    """A class of bad requests to an endpoint. `weight`: the share of the usual number of examples that it is worth."""

    endpoint: Endpoint | Literal["otlp grpc"]
    name: str
    requests: SearchStrategy[Request] | SearchStrategy[Call]
    weight: float = 1.0

    @property
    def project(self) -> str:
        """The project that bears it; no other attack sends there."""
        return f"fuzz-{self.endpoint}-{self.name}".replace(" ", "-")


def all_attacks() -> list[Attack]:
    """Every class against every endpoint that it can be sent to."""
    return [*(attack for endpoint in ENDPOINTS for attack in _attacks_on(endpoint)), *_attacks_on_grpc()]


def _attacks_on_grpc() -> list[Attack]:
    def attack(name: str, calls: SearchStrategy[Call], weight: float = 1.0) -> Attack:
        return Attack("otlp grpc", name, calls, weight)

    keys = st.sampled_from([key for key in AUTHORIZATIONS if len(key) < 10_000])
    return [
        attack("protobuf shapes", calls_of(protobuf.nearly_requests())),
        attack("wrong types", calls_of(_protobuf_spans(ANYTHING))),
        attack("texts and ids", calls_of(_protobuf_spans(TEXTS))),
        attack("damaged bytes", calls_of(_damaged(good_body("otlp protobuf")))),
        attack("size", calls_of(large_bodies("otlp protobuf")), 0.3),
        attack("messages", strange_messages(), 2),
        attack("compression", compressed_calls(), 2),
        attack("heads", strange_heads(), 2),
        attack("frames", strange_frames(), 4),
        attack("ends", strange_ends()),
        attack("authorization", keys.map(lambda key: Call(GOOD, authorization=key, is_legal=key == key.strip()))),
    ]


def _attacks_on(endpoint: Endpoint) -> list[Attack]:
    def attack(name: str, bodies_: SearchStrategy[bytes], weight: float = 1.0) -> Attack:
        return Attack(endpoint, name, bodies_.map(lambda body: request_to(endpoint, body)), weight)

    own: list[Attack] = []
    if endpoint == "otlp protobuf":
        own = [attack("protobuf shapes", protobuf.nearly_requests(), 3)]
    if endpoint != "metrics":
        own += [
            attack("wrong types", _bodies(endpoint, ANYTHING), 3),
            attack("numbers", _bodies(endpoint, NUMBERS), 2),
            attack("texts and ids", _bodies(endpoint, TEXTS), 2),
            attack("times", _bodies(endpoint, TIMES)),
            attack("depth", _deep_bodies(endpoint)),
        ]
    return [
        *own,
        attack("damaged bytes", _damaged(good_body(endpoint)), 2),
        attack("size", large_bodies(endpoint), 0.4),
        Attack(endpoint, "compression", compressed(endpoint)),
        Attack(endpoint, "http", strange_http(endpoint), 2),
        Attack(endpoint, "authorization", strange_authorization(endpoint)),
    ]


def _bodies(endpoint: Endpoint, hostile: SearchStrategy[Any]) -> SearchStrategy[bytes]:
    """Bodies of good shape, in which one to three values are hostile."""
    match endpoint:
        case "otlp protobuf":
            return _protobuf_spans(hostile)
        case "otlp json":
            return st.one_of(_json_spans(hostile), _attributed_spans(hostile))
        case "ingestion":
            return _batches(hostile)
        case _:
            scores = _changed(bodies.SCORE, hostile)
            one = scores.map(encode)
            return one if endpoint == "one score" else st.lists(scores, max_size=3).map(encode) | hostile.map(encode)


@st.composite
def _changed(draw: DrawFn, good: Mapping[str, Any], hostile: SearchStrategy[Any]) -> Pairs:
    """`good` with some fields hostile, missing, twice, or one level deeper."""
    pairs = Pairs(good.items())
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(pairs) - 1))
        name, value = pairs[at]
        match draw(st.integers(0, 7)):
            case 0:
                pairs.append((name, draw(hostile)))
            case 1:
                pairs.append((draw(TEXTS), draw(hostile)))
            case 2 if len(pairs) > 1:
                del pairs[at]
            case 3 | 4 if isinstance(value, dict):
                pairs[at] = (name, draw(_changed(value, hostile)))  # pyright: ignore[reportUnknownArgumentType]
            case 3 | 4 if isinstance(value, list):
                pairs[at] = (name, [draw(hostile), draw(hostile)])
            case _:
                pairs[at] = (name, draw(hostile))
    return pairs


@st.composite
def _batches(draw: DrawFn, hostile: SearchStrategy[Any]) -> bytes:
    """One event in four is good, so that bad ones have neighbours; one in eight has a bad head."""
    events: list[Any] = []
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(list(bodies.BODIES)))
        good = bodies.event(kind, bodies.BODIES[kind])
        match draw(st.integers(0, 7)):
            case 0 | 1:
                events.append(good)
            case 2:
                events.append(draw(_changed(good, hostile)))
            case _:
                events.append({**good, "body": draw(_changed(bodies.BODIES[kind], hostile))})
    return encode(
        draw(_changed(bodies.batch(*events), hostile)) if not draw(st.integers(0, 9)) else bodies.batch(*events)
    )


@st.composite
def _json_spans(draw: DrawFn, hostile: SearchStrategy[Any]) -> bytes:
    spans = [draw(_changed(bodies.SPAN, hostile)) for _ in range(draw(st.integers(1, 3)))]
    heads: list[Any] = [None, None]
    if draw(st.booleans()):
        heads[draw(st.integers(0, 1))] = draw(_changed({"attributes": [], "name": "x"}, hostile))
    return encode(bodies.spans(*spans, bodies.SPAN, resource=heads[0], scope=heads[1]))


_VALUE_KINDS = (
    "stringValue",
    "stringValue",
    "intValue",
    "doubleValue",
    "boolValue",
    "bytesValue",
    "arrayValue",
    "kvlistValue",
    "other",
)


@st.composite
def _attributed_spans(draw: DrawFn, hostile: SearchStrategy[Any]) -> bytes:
    """Spans whose attributes have known names and hostile values, of any kind, also as the text that JSON in a text would be."""
    pairs: list[Any] = []
    for _ in range(draw(st.integers(1, 6))):
        value = draw(hostile)
        if draw(st.booleans()):
            value = encode(value).decode("utf-8", "replace")
        if draw(st.booleans()):
            value = encode({"input": Json(encode(value)), "k": 1}).decode("utf-8", "replace")
        wrapped = {"values": [{"stringValue": value}, {"key": "a", "value": {"stringValue": value}}]}
        kind = draw(st.sampled_from(_VALUE_KINDS))
        content = wrapped if kind in ("arrayValue", "kvlistValue") else value
        pairs.append({"key": draw(st.sampled_from(bodies.ATTRIBUTES)), "value": {kind: content}})
    places: dict[str, Any] = {"attributes": []}
    if draw(st.booleans()):
        places = {"attributes": pairs}
    span = {**bodies.SPAN, "attributes": pairs, "events": [{"name": "gen_ai.user.message", "attributes": pairs}]}
    scope = {"name": draw(st.sampled_from(["langfuse-sdk", "other", ""])), "version": "3.1", "attributes": pairs[:1]}
    return encode(bodies.spans(span, resource=places, scope=scope))


@st.composite
def _protobuf_spans(draw: DrawFn, hostile: SearchStrategy[Any]) -> bytes:
    """The same in protobuf, where a text may be no text."""
    attributes: dict[str, Any] = {}
    for _ in range(draw(st.integers(1, 6))):
        value = draw(hostile)
        text = encode(value).decode("utf-8", "surrogateescape")
        inner = encode({"input": Json(encode(value)), "k": 1}).decode("utf-8", "surrogateescape")
        plain = value if isinstance(value, str | bool | float) else text
        choice = draw(st.sampled_from([plain, text, inner, [plain, text], {"k": plain, "": [text]}, b"\xff\x00"]))
        attributes[draw(st.sampled_from(bodies.ATTRIBUTES))] = choice
    ids = st.sampled_from([protobuf.TRACE_ID, b"\x00" * 16, b"\x01", b"i" * 400, b"i" * 401, b"i" * _MEGABYTE, b""])
    moment = draw(st.sampled_from([0, 1, 10**18, 2**63, 2**64 - 1])).to_bytes(8, "little")
    times = protobuf.tag(7, protobuf.FIXED64) + moment + protobuf.tag(8, protobuf.FIXED64) + moment[::-1]
    heavy = st.sampled_from([b"", protobuf.chunk(9, protobuf.pair("service.version", "\x00\ud800"))])
    trace_id = draw(ids) if not draw(st.integers(0, 4)) else protobuf.TRACE_ID
    span_id = draw(ids) if not draw(st.integers(0, 4)) else protobuf.SPAN_ID
    spans = [protobuf.span(attributes, trace_id=trace_id, span_id=span_id, more=times), protobuf.span(attributes)]
    return protobuf.request(*spans, resource=draw(heavy), scope=draw(heavy))


def _deep_bodies(endpoint: Endpoint) -> SearchStrategy[bytes]:
    levels = st.sampled_from([10, 60, 95, 100, 120, 199, 200, 201, 255, 500, 1000, 1100, 10_000, 100_001])
    shapes = st.sampled_from([(b"[", b"]"), (b'{"a":', b"}"), (b'[{"a":', b"}]"), (b" [ ", b" ] ")])
    texts = st.tuples(levels, shapes).map(lambda drawn: deep(drawn[0], *drawn[1]))
    match endpoint:
        case "otlp protobuf":
            nests = st.tuples(st.integers(1, 60) | st.sampled_from([100, 1000, 5000]), st.booleans())
            return st.one_of(nests.map(_deep_protobuf), texts.map(_deep_text_in_protobuf))
        case "otlp json":
            return st.one_of(
                st.tuples(levels, st.booleans()).map(_deep_otlp), _json_spans(texts), _attributed_spans(texts)
            )
        case "ingestion":
            return _batches(texts) | texts.map(encode) | texts.map(lambda text: encode(bodies.batch(text)))
        case _:
            return _bodies(endpoint, texts) | texts.map(encode)


def _deep_protobuf(drawn: tuple[int, bool]) -> bytes:
    levels, lists = drawn
    pair = protobuf.chunk(1, b"langfuse.observation.input") + protobuf.chunk(2, protobuf.nested(levels, lists=lists))
    return protobuf.request(protobuf.span({}, more=protobuf.chunk(9, pair)))


def _deep_text_in_protobuf(text: Json) -> bytes:
    keys = (
        "langfuse.observation.input",
        "langfuse.observation.metadata",
        "langfuse.observation.metadata.k",
        "gen_ai.input.messages",
    )
    keys += (
        "langfuse.observation.usage_details",
        "langfuse.observation.cost_details",
        "langfuse.trace.tags",
        "model_config",
    )
    return protobuf.request(protobuf.span(dict.fromkeys(keys, text.decode())))


def _deep_otlp(drawn: tuple[int, bool]) -> bytes:
    levels, lists = drawn
    opening = b'{"arrayValue":{"values":[' if lists else b'{"kvlistValue":{"values":[{"key":"k","value":'
    value = deep(levels, opening, b"]}}" if lists else b"}]}}")
    attributes = [
        {"key": "langfuse.observation.input", "value": value},
        {"key": "langfuse.trace.metadata.k", "value": value},
    ]
    return encode(bodies.spans({**bodies.SPAN, "attributes": attributes}))


@st.composite
def _damaged(draw: DrawFn, good: bytes) -> bytes:
    """Cut, flipped, doubled, or with bytes in it that belong elsewhere."""
    start = draw(st.integers(0, len(good)))
    end = draw(st.integers(start, min(len(good), start + 30)))
    match draw(st.integers(0, 3)):
        case 0:
            return good[:start]
        case 1:
            return good[:start] + draw(st.binary(max_size=6)) + good[end:]
        case 2:
            return good[:end] + good[start:]
        case _:
            return good[:start] + bytes(byte ^ draw(st.integers(1, 255)) for byte in good[start:end]) + good[end:]
