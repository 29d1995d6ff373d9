"""Google's GenAI SDK under OpenTelemetry's own instrumentation, which has no attribute for a user or a tag."""

import os

os.environ["OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"] = "span_only"
os.environ["OTEL_SEMCONV_STABILITY_OPT_IN"] = "gen_ai_latest_experimental"

import tailrace_story as story
from opentelemetry.instrumentation.google_genai import GoogleGenAiSdkInstrumentor

provider = story.tracer_provider()
GoogleGenAiSdkInstrumentor().instrument(tracer_provider=provider)

from tailrace_gemini import tell

with provider.get_tracer("story").start_as_current_span("story"):
    tell()
provider.shutdown()
