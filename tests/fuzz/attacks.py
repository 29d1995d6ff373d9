"""The attacks: for each endpoint, classes of bad requests, each a Hypothesis strategy of exact bytes.

A class is named after what is wrong. What is sent is mostly right, so that it comes as far as it can.
"""

import gzip
import zlib
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from tests.fuzz import bodies, protobuf
from tests.fuzz.http import Framing, Request
from tests.fuzz.values import ANYTHING, NUMBERS, TEXTS, TIMES, Pairs, deep, encode
from tests.fuzz.values import Literal as Json

Endpoint = Literal["otlp protobuf", "otlp json", "ingestion", "one score", "scores", "metrics"]
ENDPOINTS: tuple[Endpoint, ...] = ("otlp protobuf", "otlp json", "ingestion", "one score", "scores", "metrics")

TRACES_PATH = b"/api/public/otel/v1/traces"
INGESTION_PATH = b"/api/public/ingestion"
SCORES_PATH = b"/api/public/scores"
METRICS_PATH = b"/api/public/otel/v1/metrics"
_PATHS: Mapping[Endpoint, bytes] = {
    "otlp protobuf": TRACES_PATH,
    "otlp json": TRACES_PATH,
    "ingestion": INGESTION_PATH,
    "one score": SCORES_PATH,
    "scores": SCORES_PATH,
    "metrics": METRICS_PATH,
}
_PROTOBUF = (b"Content-Type", b"application/x-protobuf")
_JSON = (b"Content-Type", b"application/json")
_MEGABYTE = 1024 * 1024


class Attack(NamedTuple):
    """A class of bad requests to an endpoint. `weight`: the share of the usual number of examples that it is worth."""

    endpoint: Endpoint
    name: str
    requests: SearchStrategy[Request]
    weight: float = 1.0

    @property
    def project(self) -> str:
        """The project that bears it; no other attack sends there."""
        return f"fuzz-{self.endpoint}-{self.name}".replace(" ", "-")


def all_attacks() -> list[Attack]:
    """Every class against every endpoint that it can be sent to."""
    return [attack for endpoint in ENDPOINTS for attack in _attacks_on(endpoint)]


def _attacks_on(endpoint: Endpoint) -> list[Attack]:
    def attack(name: str, bodies_: SearchStrategy[bytes], weight: float = 1.0) -> Attack:
        return Attack(endpoint, name, bodies_.map(lambda body: _request(endpoint, body)), weight)

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
        attack("size", _large_bodies(endpoint), 0.4),
        Attack(endpoint, "compression", _compressed(endpoint)),
        Attack(endpoint, "http", _strange_http(endpoint), 2),
        Attack(endpoint, "authorization", _strange_authorization(endpoint)),
    ]


def good_body(endpoint: Endpoint) -> bytes:
    """A body that is taken whole."""
    match endpoint:
        case "otlp protobuf":
            return protobuf.request(protobuf.span({"user.id": "u", "gen_ai.request.model": "gpt-4o-mini"}))
        case "otlp json":
            return encode(bodies.spans(bodies.SPAN))
        case "ingestion":
            kinds = ("trace-create", "generation-create", "span-update", "sdk-log")
            return encode(bodies.batch(*(bodies.event(kind, bodies.BODIES[kind]) for kind in kinds)))
        case "one score":
            return encode(bodies.SCORE)
        case "scores":
            return encode([bodies.SCORE, {**bodies.SCORE, "id": "score-2", "dataType": "BOOLEAN", "value": 1}])
        case "metrics":
            return encode(bodies.METRICS)


def _request(endpoint: Endpoint, body: bytes, **more: Any) -> Request:
    kind = _PROTOBUF if endpoint == "otlp protobuf" else _JSON
    return Request(_PATHS[endpoint], body, headers=more.pop("headers", (kind,)), **more)


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
        attributes[draw(st.sampled_from(bodies.ATTRIBUTES))] = _storable(choice)
    ids = st.sampled_from([protobuf.TRACE_ID, b"\x00" * 16, b"\x01", b"i" * 400, b"i" * 401, b"i" * _MEGABYTE, b""])
    moment = draw(st.sampled_from([0, 1, 10**18, 2**63, 2**64 - 1])).to_bytes(8, "little")
    times = protobuf.tag(7, protobuf.FIXED64) + moment + protobuf.tag(8, protobuf.FIXED64) + moment[::-1]
    heavy = st.sampled_from([b"", protobuf.chunk(9, protobuf.pair("service.version", "\x00\ud800"))])
    trace_id = draw(ids) if not draw(st.integers(0, 4)) else protobuf.TRACE_ID
    span_id = draw(ids) if not draw(st.integers(0, 4)) else protobuf.SPAN_ID
    spans = [protobuf.span(attributes, trace_id=trace_id, span_id=span_id, more=times), protobuf.span(attributes)]
    return protobuf.request(*spans, resource=draw(heavy), scope=draw(heavy))


def _storable(value: Any) -> Any:
    """Texts with escaped bytes become the same bytes again in protobuf."""
    return value


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


def _large_bodies(endpoint: Endpoint) -> SearchStrategy[bytes]:
    """Built when they are drawn: they are large."""
    makers: dict[Endpoint, list[Callable[[], bytes]]] = {
        "otlp protobuf": [
            lambda: protobuf.request(protobuf.span({"langfuse.observation.input": "x" * 50 * _MEGABYTE})),
            lambda: protobuf.request(protobuf.span({"langfuse.observation.input": "x" * 65 * _MEGABYTE})),
            lambda: protobuf.request(protobuf.span({"langfuse.observation.input": "\x01" * 3 * _MEGABYTE})),
            lambda: protobuf.request(protobuf.span({f"key.{number}": number for number in range(100_000)})),
            lambda: protobuf.request(
                protobuf.span({f"langfuse.trace.metadata.k{number}": "v" for number in range(20_000)})
            ),
            lambda: protobuf.request(
                protobuf.span({f"gen_ai.prompt.{number}.content": "v" for number in range(20_000)})
            ),
            lambda: protobuf.request(*(protobuf.span({}, span_id=b"%08d" % number) for number in range(20_000))),
            lambda: protobuf.request(*(protobuf.span({}, trace_id=b"%016d" % number) for number in range(2_000))),
            lambda: protobuf.request(protobuf.span({}, more=protobuf.chunk(11, b"") * 300_000)),
            lambda: protobuf.chunk(1, b"") * 1_000_000,
        ],
        "otlp json": [
            lambda: encode(bodies.spans({**bodies.SPAN, "name": "x" * 50 * _MEGABYTE})),
            lambda: b" " * 66 * _MEGABYTE,
            lambda: encode(
                bodies.spans(
                    {**bodies.SPAN, "attributes": [{"key": f"k{n}", "value": {"intValue": n}} for n in range(100_000)]}
                )
            ),
            lambda: encode(
                bodies.spans(*({**bodies.SPAN, "spanId": f"{n:016x}", "attributes": []} for n in range(5_000)))
            ),
            lambda: encode({"resourceSpans": [{}] * 500_000}),
            lambda: encode({"resourceSpans": Json(b"[" + b"1," * 5_000_000 + b"1]")}),
        ],
        "ingestion": [
            lambda: encode(bodies.batch(*[{}] * 100_000)),
            lambda: encode(
                bodies.batch(*(bodies.event("span-create", {"id": f"s{n}", "traceId": "t"}) for n in range(30_000)))
            ),
            lambda: encode(
                bodies.batch(bodies.event("trace-create", {"id": "t", "tags": [f"tag{n}" for n in range(100_000)]}))
            ),
            lambda: encode(
                bodies.batch(
                    bodies.event("trace-create", {"id": "t", "metadata": {f"k{n}": n for n in range(200_000)}})
                )
            ),
            lambda: encode(bodies.batch(bodies.event("span-create", {"id": "s", "input": "x" * 4 * _MEGABYTE}))),
            lambda: encode(bodies.batch(bodies.event("span-create", {"id": "s", "input": "x" * 50 * _MEGABYTE}))),
            lambda: encode(bodies.batch(*[1] * 2_000_000)),
        ],
        "one score": [
            lambda: encode({**bodies.SCORE, "comment": "c" * 4 * _MEGABYTE}),
            lambda: encode({**bodies.SCORE, "comment": "c" * 50 * _MEGABYTE}),
            lambda: encode({**bodies.SCORE, "metadata": {f"k{n}": n for n in range(200_000)}}),
        ],
        "scores": [
            lambda: encode([{**bodies.SCORE, "id": f"s{n}"} for n in range(10_000)]),
            lambda: encode([1] * 1_000_000),
            lambda: encode([{**bodies.SCORE, "comment": "c" * 5 * _MEGABYTE}]),
        ],
        "metrics": [lambda: b"m" * 50 * _MEGABYTE, lambda: b""],
    }
    return st.sampled_from(makers[endpoint]).map(lambda make: make())


@st.composite
def _compressed(draw: DrawFn, endpoint: Endpoint) -> Request:
    good = good_body(endpoint)
    packed = gzip.compress(good)
    cut = draw(st.integers(0, len(packed)))
    bodies_: dict[str, bytes] = {
        "whole": packed,
        "cut": packed[:cut],
        "damaged": packed[:cut] + b"\xff" + packed[cut + 1 :],
        "members": gzip.compress(good[:20]) + gzip.compress(b"") + gzip.compress(good[20:]),
        "tail of zeros": packed + b"\x00" * 512,
        "tail of junk": packed + b"junk",
        "twice": gzip.compress(packed),
        "zlib": zlib.compress(good),
        "raw deflate": zlib.compress(good)[2:-4],
        "plain": good,
        "empty": b"",
        "bomb": draw(_bombs) if draw(st.booleans()) else packed,
    }
    encodings = (
        b"gzip",
        b"gzip",
        b"gzip",
        b"deflate",
        b"GZIP",
        b" gzip ",
        b"gzip, gzip",
        b"br",
        b"zstd",
        b"identity",
        b"",
        b"*",
        b"\xff",
    )
    body = bodies_[draw(st.sampled_from(sorted(bodies_)))]
    kind = _PROTOBUF if endpoint == "otlp protobuf" else _JSON
    return _request(endpoint, body, headers=(kind, (b"Content-Encoding", draw(st.sampled_from(encodings)))))


def _bomb(unit: bytes) -> bytes:
    """300 MiB in a third of one."""
    return gzip.compress(unit * (_MEGABYTE // len(unit)), 9) * 300


_bombs = st.sampled_from([b"\x00", b" ", b"\x0a\x00", b"[]", b'{"a":']).map(_bomb)

_HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"Content-Type", b""),
    (b"Content-Type", b"text/plain"),
    (b"Content-Type", b"application/json; charset=utf-16"),
    (b"Content-Type", b"\xff\xfe"),
    (b"Content-Type", b"multipart/form-data; boundary=x"),
    (b"x-langfuse-sdk-name", b"\xff\xfe\x80"),
    (b"x-langfuse-sdk-name", b"n" * 5000),
    (b"x_langfuse_sdk_version", b"\xc3\x28/"),
    (b"x-langfuse-ingestion-version", b"5"),
    (b"x-langfuse-ingestion-version", b"-1"),
    (b"x-langfuse-ingestion-version", b"\xd9\xa3"),
    (b"x-langfuse-ingestion-version", b"9" * 5000),
    (b"x-langfuse-public-key", b"pk-lf-other"),
    (b"x-tailrace-project", b"neighbour"),
    (b"Host", b"["),
    (b"Host", b""),
    (b"Host", b"\xff:99999"),
    (b"X-Forwarded-For", b"1.2.3.4"),
    (b"Expect", b"100-continue"),
    (b"Upgrade", b"websocket"),
    (b"Origin", b"null"),
    (b"Access-Control-Request-Headers", b"\xff"),
    (b"Cookie", b"\x01\x02"),
    (b"X-Bare\tName", b"x"),
    (b"", b"x"),
    (b"X-Long", b"x" * 70_000),
    (b"Content-Length", b"5"),
    (b"Content-Length", b"-5"),
    (b"Content-Length", b"18446744073709551617"),
    (b"Transfer-Encoding", b"identity"),
)
_METHODS = (
    b"GET",
    b"PUT",
    b"PATCH",
    b"DELETE",
    b"HEAD",
    b"OPTIONS",
    b"TRACE",
    b"CONNECT",
    b"post",
    b"BREW",
    b"\xff",
    b"PRI",
)
_TARGETS = (
    *(
        b"/",
        b"//",
        b"/api",
        b"/api/public",
        b"/api/public/traces",
        b"/api/public/ingestion/",
        b"/api/public/otel/v1/logs",
    ),
    *(
        b"/api/public/ingestion?x=\xff",
        b"/api/public/%ff%00",
        b"/api/public/\xc5\xbc",
        b"/..%2f..%2fetc/passwd",
        b"*",
        b"http://x/y",
    ),
    *(
        b"/api/public/ingestion#f",
        b"/api//public/ingestion",
        b"/" + b"a" * 20_000,
        b"/%",
        b"/%zz",
        b"/;a=b",
        b"relative",
        b"/\x01",
    ),
)
_FRAMINGS: tuple[Framing, ...] = ("length", "chunked", "stops", "chunks stop", "bad chunks", "none")


@st.composite
def _strange_http(draw: DrawFn, endpoint: Endpoint) -> Request:
    request = _request(endpoint, good_body(endpoint))
    match draw(st.integers(0, 3)):
        case 0:
            return request._replace(
                headers=(*request.headers, draw(st.sampled_from(_HEADERS)), draw(st.sampled_from(_HEADERS)))
            )
        case 1:
            return request._replace(
                method=draw(st.sampled_from(_METHODS)), headers=(*request.headers, draw(st.sampled_from(_HEADERS)))
            )
        case 2:
            return request._replace(
                target=draw(st.sampled_from(_TARGETS)), method=draw(st.sampled_from([b"POST", b"GET"]))
            )
        case _:
            return request._replace(framing=draw(st.sampled_from(_FRAMINGS)))


_AUTHORIZATIONS = (
    *(
        b"",
        b" ",
        b"Basic",
        b"Basic ",
        b"Basic \xe9",
        b"Basic !!!",
        b"Basic Og==",
        b"Basic cGstbGYtOg==",
        b"Basic OnNr",
        b"Bearer",
    ),
    *(
        b"Bearer \xff",
        b"Bearer pk-lf-unknown",
        b"Bearer pk-lf-\x7f",
        b"Digest x",
        b"basic cGs6c2s=",
        b"BASIC\tcGs6c2s=",
        b"\xff\xfe",
    ),
    *(
        b"Basic " + b"A" * 60_000,
        b"Basic /////w==",
        b"Basic cGsAOnNr",
        b"Bearer " + b"p" * 60_000,
        b"Basic cGs6c2s= extra",
        b"Token x",
    ),
)


def _strange_authorization(endpoint: Endpoint) -> SearchStrategy[Request]:
    good = _request(endpoint, good_body(endpoint))
    return st.sampled_from(_AUTHORIZATIONS).map(lambda value: good._replace(authorization=value))
