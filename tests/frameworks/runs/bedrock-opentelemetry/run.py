"""Bedrock through boto3 under OpenTelemetry's own instrumentation of botocore."""

import os

os.environ["OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"] = "span_only"
os.environ["OTEL_SEMCONV_STABILITY_OPT_IN"] = "gen_ai_latest_experimental"

import tailrace_story as story
from opentelemetry.instrumentation.botocore import BotocoreInstrumentor
from tailrace_bedrock import tell

provider = story.tracer_provider()
BotocoreInstrumentor().instrument(tracer_provider=provider)

with provider.get_tracer("story").start_as_current_span("story"):
    tell()
provider.shutdown()
