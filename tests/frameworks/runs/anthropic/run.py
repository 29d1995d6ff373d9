"""The Anthropic SDK with the tracing that it brings itself."""

import os

os.environ["ANTHROPIC_OPEN_TELEMETRY_TRACES_CONTENT_MODE"] = "content"

import tailrace_story as story
from anthropic import Anthropic
from tailrace_anthropic import tell

provider = story.tracer_provider()
with provider.get_tracer("story").start_as_current_span("story"):
    tell(Anthropic(base_url=story.PROVIDER, api_key=story.KEY))
provider.shutdown()
