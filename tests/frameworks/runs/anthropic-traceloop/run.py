"""The Anthropic SDK under OpenLLMetry (Traceloop), its own tracing turned off."""

import os

os.environ["ANTHROPIC_OPEN_TELEMETRY"] = "false"

import tailrace_story as story
from anthropic import Anthropic
from opentelemetry import context
from opentelemetry.instrumentation.anthropic import AnthropicInstrumentor
from tailrace_anthropic import tell

provider = story.tracer_provider()
AnthropicInstrumentor().instrument(tracer_provider=provider)

properties = {"user_id": story.USER, "session_id": story.SESSION, "tags": story.TAGS}
context.attach(context.set_value("association_properties", properties))
with provider.get_tracer("story").start_as_current_span("story"):
    tell(Anthropic(base_url=story.PROVIDER, api_key=story.KEY))
provider.shutdown()
