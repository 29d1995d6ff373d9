"""The OTLP endpoints: traces are checked, divided by partition and forwarded as they came; metrics are taken and dropped."""

import re
from typing import Final

from starlette.responses import Response

from tailrace.edge.answers import Refusal, json_answer, refuse
from tailrace.edge.body import drop_body
from tailrace.edge.endpoint import Call, Endpoint
from tailrace.runtime.kafka import MAX_REQUEST_BYTES
from tailrace.wire.otlp import OtlpError, OtlpKind, Split, SplitRule, split_request

_RECORD_OVERHEAD_BYTES: Final = 64 * 1024
_INTEGER: Final = re.compile(r"[+-]?\d{1,9}")
_REASONS: Final = {
    "observation_too_large": "larger than an observation may be",
    "id_too_long": "with an id that is too long",
}


async def take_traces(call: Call) -> Response:
    """`POST /api/public/otel/v1/traces`: 200 once the spans are in the log; spans that cannot be kept are counted in the answer."""
    _check_ingestion_version(call.request.headers.get("x-langfuse-ingestion-version", ""))
    kind = _kind_of(call.request.headers.get("content-type", ""))
    body = await call.read(call.edge.settings.edge.max_body_bytes)
    most = min(call.edge.settings.edge.max_observation_bytes, MAX_REQUEST_BYTES - _RECORD_OVERHEAD_BYTES)
    try:
        split = await call.run(len(body), split_request, kind, body, SplitRule(call.partition_of, max_span_bytes=most))
    except OtlpError as error:
        raise _bad_request(str(error)) from None
    await call.publish([call.record(kind, part.partition, part.body, part.spans) for part in split.parts])
    for reason, spans in split.rejected.items():
        call.reject(reason, spans)
    return json_answer(_answer(split))


async def drop_signal(call: Call) -> Response:
    """`POST /api/public/otel/v1/metrics`: 200, so that a generic exporter of what is not kept here does not fail."""
    await drop_body(call.request.stream(), most=call.edge.settings.edge.max_body_bytes)
    return json_answer({})


TRACES: Final = Endpoint("otlp_traces", "/api/public/otel/v1/traces", take_traces)
METRICS: Final = Endpoint("otlp_metrics", "/api/public/otel/v1/metrics", drop_signal)


def _bad_request(message: str) -> Refusal:
    return Refusal(400, {"error": message}, "invalid_request")


def _check_ingestion_version(version: str) -> None:
    if version and (not _INTEGER.fullmatch(version) or int(version) > 4):
        message = f"expected an x-langfuse-ingestion-version of at most 4, got {version[:50]!r}"
        raise refuse(400, message, "invalid_request")


def _kind_of(content_type: str) -> OtlpKind:
    if "application/x-protobuf" in content_type.lower():
        return "otlp-protobuf"
    if "application/json" in content_type.lower():
        return "otlp-json"
    raise _bad_request("Invalid content type")


def _answer(split: Split) -> dict[str, object]:
    if not split.rejected:
        return {}
    message = " and ".join(f"{spans} spans {_REASONS[reason]}" for reason, spans in split.rejected.items())
    rejected = sum(split.rejected.values())
    return {"partialSuccess": {"rejectedSpans": rejected, "errorMessage": f"left out: {message}"}}
