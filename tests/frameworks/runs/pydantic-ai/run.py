"""Pydantic AI with its own instrumentation and OpenTelemetry's SDK; the user is set as Langfuse's documents say, on a span around it."""

import tailrace_story as story
from pydantic_ai import Agent, InstrumentationSettings
from tailrace_pydantic_ai import tell

provider = story.tracer_provider()
Agent.instrument_all(InstrumentationSettings(tracer_provider=provider))

named = {"langfuse.user.id": story.USER, "langfuse.session.id": story.SESSION, "langfuse.trace.tags": story.TAGS}
with provider.get_tracer("story").start_as_current_span("story", attributes=named):
    tell()
provider.shutdown()
