"""Bodies that are large, or small and of very many parts. They are built when they are drawn."""

from collections.abc import Callable

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from tests.fuzz import bodies, protobuf
from tests.fuzz.endpoints import Endpoint
from tests.fuzz.values import Literal as Json
from tests.fuzz.values import encode

_MEGABYTE = 1024 * 1024


def large_bodies(endpoint: Endpoint) -> SearchStrategy[bytes]:
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
            lambda: protobuf.chunk(1, protobuf.chunk(2, b"\x12\x00" * 8 * _MEGABYTE)),
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
