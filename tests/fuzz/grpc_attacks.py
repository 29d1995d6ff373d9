"""What is wrong about calls over gRPC: their frames, heads, messages, compression, ends and keys. Strategies of exact bytes."""

import gzip
import zlib

from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    PushPromiseFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from tests.fuzz.endpoints import good_body
from tests.fuzz.grpc_client import TRACE_SERVICE, Call, Ending, Headers, frame_message

_MEGABYTE = 1024 * 1024
GOOD = frame_message(good_body("otlp protobuf"))


def calls_of(messages: SearchStrategy[bytes]) -> SearchStrategy[Call]:
    """Legal calls with these messages, in pieces of several sizes."""
    sizes = st.sampled_from([16_384, 16_384, 1_000, 5])
    return st.tuples(messages, sizes).map(
        lambda drawn: Call(frame_message(drawn[0]), piece_bytes=drawn[1] if len(drawn[0]) < 2_000 else 16_384)
    )


@st.composite
def strange_messages(draw: DrawFn) -> Call:
    """Lengths that lie, flags that nobody knows, no message, and several."""
    message = good_body("otlp protobuf")
    lengths = st.sampled_from([0, 1, len(message) - 1, len(message) + 1, 2**16, 2**26, 2**26 + 1, 2**31, 2**32 - 1])
    body = draw(
        st.one_of(
            lengths.map(lambda size: frame_message(message, size=size)),
            st.integers(0, 255).map(lambda flag: frame_message(message, flag=flag)),
            st.integers(0, 5).map(lambda end: frame_message(message)[:end]),
            st.just(frame_message(message) * 2),
            st.just(frame_message(b"")),
            st.binary(max_size=30),
        )
    )
    return Call(body, piece_bytes=draw(st.sampled_from([16_384, 1, 3])))


@st.composite
def compressed_calls(draw: DrawFn) -> Call:
    good = good_body("otlp protobuf")
    packed = gzip.compress(good)
    messages = [
        packed,
        packed[: draw(st.integers(0, len(packed)))],
        zlib.compress(good),
        gzip.compress(packed),
        packed + b"junk",
        good,
        b"",
        gzip.compress(b"\x0a\x00" * (_MEGABYTE // 2), 9) * 200,  # 200 MiB in a fifth of one
        gzip.compress(bytes(_MEGABYTE), 9) * 100,
    ]
    encoding = draw(
        st.sampled_from([b"gzip", b"gzip", b"deflate", b"identity", b"", b"br", b"GZIP", b"\xff", b"g" * 5000])
    )
    body = frame_message(draw(st.sampled_from(messages)), flag=draw(st.sampled_from([1, 1, 1, 0])))
    return Call(body, ((b"grpc-encoding", encoding),))


_LEGAL_HEADERS: tuple[Headers, ...] = (
    ((b"content-type", b"application/grpc+proto"),),
    ((b"content-type", b"application/grpc+json"),),
    ((b"content-type", b"application/grpc-web"),),
    ((b"content-type", b"application/json"),),
    ((b"content-type", b"\xff"),),
    ((b"content-type", b""),),
    ((b":method", b"GET"),),
    ((b":method", b"PUT"),),
    ((b":method", b"\xff"),),
    ((b":path", b"/"),),
    ((b":path", TRACE_SERVICE + b"/"),),
    ((b":path", b"/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"),),
    ((b":path", b"/grpc.health.v1.Health/Check"),),
    ((b":path", b"/" + b"a" * 20_000),),
    ((b":path", b"/\xff%zz?\xff"),),
    ((b"grpc-timeout", b"1n"),),
    ((b"grpc-timeout", b"junk"),),
    ((b"x-langfuse-sdk-name", b"\xff" * 5_000),),
    ((b"x-langfuse-ingestion-version", b"9" * 5_000),),
    ((b"x-tailrace-project", b"neighbour"),),
    tuple((b"x-%d" % number, b"y") for number in range(1_000)),
    tuple((b"x", b"y" * 100) for _ in range(300)),
)
_ILLEGAL_HEADERS: tuple[Headers, ...] = (
    ((b"X-Upper", b"x"),),
    ((b"", b"x"),),
    ((b"connection", b"close"),),
    ((b"te", b"gzip"),),
    ((b":unknown", b"x"),),
    ((b":status", b"200"),),
    ((b":path", b""),),
    ((b"content-length", b"5"),),
    ((b"content-length", b"-5"),),
    ((b"x", b"a\r\nb"),),
    tuple((b"x-%d" % number, b"y" * 1_000) for number in range(15)) + tuple((b"z", b"z") for _ in range(2_000)),
)


def strange_heads() -> SearchStrategy[Call]:
    legal = st.sampled_from(_LEGAL_HEADERS).map(lambda headers: Call(GOOD, headers))
    illegal = st.sampled_from(_ILLEGAL_HEADERS).map(lambda headers: Call(GOOD, headers, is_legal=False))
    return legal | illegal


_FRAMES: tuple[bytes, ...] = (
    SettingsFrame(0, settings={4: 2**31 - 1}).serialize(),
    SettingsFrame(0, settings={4: 0, 5: 16_384}).serialize(),
    SettingsFrame(0, settings={1: 2**32 - 1}).serialize(),
    b"\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x04\xff\xff\xff\xff",  # a window larger than one may be
    b"\x00\x00\x05\x04\x00\x00\x00\x00\x00aaaaa",  # settings of five bytes
    b"\x00\x00\x04\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00",  # a window that grows by nothing
    b"\x00\x00\x04\x08\x00\x00\x00\x00\x01\x00\x00\x00\x00",
    WindowUpdateFrame(0, window_increment=2**31 - 1).serialize() * 2,
    WindowUpdateFrame(7, window_increment=1).serialize(),
    PingFrame(0, opaque_data=b"8 bytes!").serialize() * 50,
    PingFrame(0, opaque_data=b"8 bytes!").serialize() * 5_000,
    PingFrame(0, opaque_data=b"8 bytes!", flags=["ACK"]).serialize(),
    b"\x00\x00\x07\x06\x00\x00\x00\x00\x00seven!!",  # a ping of seven bytes
    PriorityFrame(1, depends_on=1, stream_weight=1).serialize(),
    PriorityFrame(3, depends_on=1, stream_weight=1).serialize() * 3_000,
    RstStreamFrame(9, error_code=8).serialize(),
    RstStreamFrame(1, error_code=8).serialize(),
    b"\x00\x00\x01\x00\x00\x00\x00\x00\x00x",  # a piece of the body of no request
    DataFrame(2, data=b"x").serialize(),
    DataFrame(1, data=b"").serialize() * 3_000,
    DataFrame(1, data=b"x", pad_length=200, flags=["PADDED"]).serialize(),
    b"\x00\x00\x02\x00\x08\x00\x00\x00\x01\xff\x00",  # more padding than frame
    HeadersFrame(3, data=b"\xff\xff\xff\xff\xff\xff", flags=["END_HEADERS"]).serialize(),
    HeadersFrame(3, data=b"\x82\x86", flags=[]).serialize(),
    HeadersFrame(2, data=b"\x82\x86", flags=["END_HEADERS"]).serialize(),
    ContinuationFrame(1, data=b"\x82", flags=["END_HEADERS"]).serialize(),
    PushPromiseFrame(1, promised_stream_id=2, data=b"\x82", flags=["END_HEADERS"]).serialize(),
    b"\x00\x00\x08\x07\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",  # a GOAWAY
    b"\x00\x00\x00\x5a\x00\x00\x00\x00\x00" * 10,  # frames that nobody knows
    b"\xff\xff\xff\x00\x00\x00\x00\x00\x01",  # one of 16 MiB
    b"\x00\x00",
    b"GET / HTTP/1.1\r\n\r\n",
)


def _many_heads(number: int) -> bytes:
    """Requests that never get a body, beside the call."""
    head = b"\x83\x86" + b"\x04\x01/" + b"\x01\x01x"
    return b"".join(HeadersFrame(3 + 2 * at, data=head, flags=["END_HEADERS"]).serialize() for at in range(number))


@st.composite
def strange_frames(draw: DrawFn) -> Call:
    frames = st.one_of(
        st.sampled_from(_FRAMES),
        st.binary(max_size=40),
        st.integers(1, 300).map(_many_heads),
        st.integers(1, 40).map(
            lambda number: b"".join(
                HeadersFrame(3, data=b"\x82" * 16_000).serialize()
                if at == 0
                else ContinuationFrame(3, data=b"\x82" * 16_000).serialize()
                for at in range(number)
            )
        ),
    )
    several = b"".join(draw(st.lists(frames, min_size=1, max_size=3)))
    if draw(st.booleans()):
        return Call(GOOD, before=several, is_legal=False)
    return Call(GOOD, amid=several, is_legal=False)


def strange_ends() -> SearchStrategy[Call]:
    endings: SearchStrategy[Ending] = st.sampled_from(("half closed", "given up", "broken off"))
    sizes = st.sampled_from([1, 7, 16_384])
    return st.tuples(endings, sizes).map(lambda drawn: Call(GOOD, ending=drawn[0], piece_bytes=drawn[1]))
