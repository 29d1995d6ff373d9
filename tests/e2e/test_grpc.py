"""OpenTelemetry's own gRPC exporter and the stack as a user starts it: the address that it prints works, and what was sent can be read with its price."""

import base64
from importlib import import_module
from typing import Any

import pytest

from tests.e2e.read import VISIBLE_SECONDS, Reader, wait_until
from tests.e2e.stack import Stack

pytestmark = pytest.mark.e2e

# None of these has types.
OTLPSpanExporter: Any = import_module("opentelemetry.exporter.otlp.proto.grpc.trace_exporter").OTLPSpanExporter
BatchSpanProcessor: Any = import_module("opentelemetry.sdk.trace.export").BatchSpanProcessor
TracerProvider: Any = import_module("opentelemetry.sdk.trace").TracerProvider


def test_what_an_exporter_sends_over_grpc_is_read_with_its_price(stack: Stack, reader: Reader) -> None:
    exporter = OTLPSpanExporter(
        endpoint=stack.grpc_url,
        headers=(("authorization", authorization(stack)),),
    )
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(exporter))
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
        "gen_ai.usage.input_tokens": 1000,
        "gen_ai.usage.output_tokens": 100,
    }
    span = provider.get_tracer("e2e").start_span("over grpc", attributes=attributes)
    span.end()
    provider.shutdown()

    path = f"/api/public/traces/{span.get_span_context().trace_id:032x}"
    wait_until(lambda: reader.status(path) == 200, "the trace", seconds=VISIBLE_SECONDS)

    (observation,) = reader.json(path)["observations"]
    assert (observation["name"], observation["type"]) == ("over grpc", "GENERATION")
    assert observation["usageDetails"]["input"] == 1000
    assert observation["calculatedTotalCost"] > 0


def authorization(stack: Stack) -> str:
    credentials = stack.credentials
    return "Basic " + base64.b64encode(f"{credentials.public_key}:{credentials.secret_key}".encode()).decode()
