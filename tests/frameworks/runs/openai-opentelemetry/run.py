"""The OpenAI SDK under OpenTelemetry's own instrumentation, which knows no responses, and has no attribute for a user or a tag."""

import os

os.environ["OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"] = "span_only"
os.environ["OTEL_SEMCONV_STABILITY_OPT_IN"] = "gen_ai_latest_experimental"

import tailrace_story as story
from openai import OpenAI
from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor
from tailrace_openai import tell

provider = story.tracer_provider()
OpenAIInstrumentor().instrument(tracer_provider=provider)

with provider.get_tracer("story").start_as_current_span("story"):
    tell(OpenAI(base_url=story.OPENAI_URL, api_key=story.KEY), with_responses=False)
provider.shutdown()
