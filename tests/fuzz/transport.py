"""What is wrong around a body: its compression, the headers and the framing, who sends it."""

import gzip
import zlib

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from tests.fuzz.endpoints import JSON_TYPE, PROTOBUF_TYPE, Endpoint, good_body, request_to
from tests.fuzz.http import Framing, Request

_MEGABYTE = 1024 * 1024


@st.composite
def compressed(draw: DrawFn, endpoint: Endpoint) -> Request:
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
    kind = PROTOBUF_TYPE if endpoint == "otlp protobuf" else JSON_TYPE
    return request_to(endpoint, body, headers=(kind, (b"Content-Encoding", draw(st.sampled_from(encodings)))))


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
def strange_http(draw: DrawFn, endpoint: Endpoint) -> Request:
    request = request_to(endpoint, good_body(endpoint))
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


AUTHORIZATIONS = (
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


def strange_authorization(endpoint: Endpoint) -> SearchStrategy[Request]:
    good = request_to(endpoint, good_body(endpoint))
    return st.sampled_from(AUTHORIZATIONS).map(lambda value: good._replace(authorization=value))
