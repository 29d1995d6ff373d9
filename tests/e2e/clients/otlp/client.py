"""Writes the story with OpenTelemetry's own SDK and OTLP exporter, as someone who knows no Langfuse package.

The generation uses OpenTelemetry's gen_ai.* attributes; what OpenTelemetry has no word for uses user.id, session.id and
langfuse.*. Scores, which OTLP cannot carry, go by plain HTTP. Ids and times come from the marker and `--at`, so a second
run with the same two writes the same spans again.
"""

import hashlib
import json
import os
import sys
from datetime import datetime
from pathlib import Path

import requests
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import Status, StatusCode
from opentelemetry.util.re import parse_env_headers

story = json.loads((Path(__file__).parents[1] / "story.json").read_text(encoding="utf-8"))
marker = sys.argv[1]
started = datetime.fromisoformat(sys.argv[sys.argv.index("--at") + 1])
root, nested, generation, failed = (story[part] for part in ("root", "nested", "generation", "failed"))


class IdsOfMarker(IdGenerator):
    """The same ids in the same order in every run with one marker."""

    def __init__(self):
        self.made = 0

    def next_digest(self):
        self.made += 1
        return hashlib.sha256(f"{marker}/{self.made}".encode()).digest()

    def generate_trace_id(self):
        return int.from_bytes(self.next_digest()[:16], "big")

    def generate_span_id(self):
        return int.from_bytes(self.next_digest()[:8], "big")


def after(milliseconds):
    return int(started.timestamp() * 1000) * 1_000_000 + milliseconds * 1_000_000


def begin(part, milliseconds, attributes=None):
    span = tracer.start_span(part["name"], start_time=after(milliseconds), attributes=attributes)
    span.set_attribute("langfuse.observation.input", json.dumps(part["input"], ensure_ascii=False))
    return span


def finish(span, part, milliseconds):
    span.set_attribute("langfuse.observation.output", json.dumps(part["output"], ensure_ascii=False))
    span.end(after(milliseconds))


def gen_ai_message(message):
    return {"role": message["role"], "parts": [{"type": "text", "content": message["content"]}]}


def ask_model():
    span = tracer.start_span(
        generation["name"],
        start_time=after(20),
        attributes={
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "gpt-4o-mini",
            "gen_ai.response.model": generation["model"],
            "gen_ai.request.temperature": generation["modelParameters"]["temperature"],
            "gen_ai.request.max_tokens": generation["modelParameters"]["max_tokens"],
            "gen_ai.usage.input_tokens": generation["usage"]["input"],
            "gen_ai.usage.output_tokens": generation["usage"]["output"],
            "gen_ai.input.messages": json.dumps([gen_ai_message(each) for each in generation["input"]]),
            "gen_ai.output.messages": json.dumps(
                [gen_ai_message(generation["output"]) | {"finish_reason": "stop"}], ensure_ascii=False
            ),
        },
    )
    span.end(after(700))
    return f"{span.get_span_context().span_id:016x}"


def post_score(score):
    response = requests.post(f"{api}/scores", json=score, headers=headers, timeout=10)
    response.raise_for_status()


api = os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"].removesuffix("/otel")
headers = parse_env_headers(os.environ["OTEL_EXPORTER_OTLP_HEADERS"])
exporter = OTLPSpanExporter(compression=Compression.Gzip)
resource = Resource.create({"service.name": "support-bot", "deployment.environment.name": story["environment"]})
provider = TracerProvider(resource=resource, id_generator=IdsOfMarker())
provider.add_span_processor(BatchSpanProcessor(exporter))
tracer = provider.get_tracer("support-bot", "1.0.0")

root_span = begin(
    root,
    0,
    {
        "langfuse.trace.name": f"{story['name']} {marker}",
        "langfuse.trace.tags": story["tags"],
        "langfuse.release": story["release"],
        "langfuse.version": story["version"],
        "user.id": f"user-{marker}",
        "session.id": f"session-{marker}",
    },
)
for key, value in story["metadata"].items():
    text = value if isinstance(value, (str, int)) else json.dumps(value)
    root_span.set_attribute(f"langfuse.trace.metadata.{key}", text)
with trace.use_span(root_span):
    nested_span = begin(nested, 10)
    with trace.use_span(nested_span):
        generation_id = ask_model()
    finish(nested_span, nested, 800)
    failed_span = begin(failed, 810)
    failed_span.set_status(Status(StatusCode.ERROR, failed["statusMessage"]))
    failed_span.end(after(900))
finish(root_span, root, 1000)
provider.shutdown()

trace_id = f"{root_span.get_span_context().trace_id:032x}"
post_score({"id": f"helpfulness-{marker}", "traceId": trace_id, "dataType": "NUMERIC"} | story["scores"]["trace"])
post_score(
    {"id": f"tone-{marker}", "traceId": trace_id, "observationId": generation_id} | story["scores"]["generation"]
)
print(json.dumps({"traceIds": [trace_id]}))
