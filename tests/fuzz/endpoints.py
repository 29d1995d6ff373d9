"""The write endpoints: where each is, what it takes, and a request to it that is good."""

from collections.abc import Mapping
from typing import Any, Literal

from tests.fuzz import bodies, protobuf
from tests.fuzz.http import Request
from tests.fuzz.values import encode

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
PROTOBUF_TYPE = (b"Content-Type", b"application/x-protobuf")
JSON_TYPE = (b"Content-Type", b"application/json")


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


def request_to(endpoint: Endpoint, body: bytes, **more: Any) -> Request:
    kind = PROTOBUF_TYPE if endpoint == "otlp protobuf" else JSON_TYPE
    return Request(_PATHS[endpoint], body, headers=more.pop("headers", (kind,)), **more)
