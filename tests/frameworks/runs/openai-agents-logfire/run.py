"""The OpenAI Agents SDK under Logfire, which exports to OTEL_EXPORTER_OTLP_TRACES_ENDPOINT."""

import logfire
import tailrace_story as story
from tailrace_agents import tell

logfire.configure(send_to_logfire=False, service_name="story", console=False, metrics=False, scrubbing=False)
logfire.instrument_openai_agents()

with logfire.span(
    "story", **{"langfuse.user.id": story.USER, "langfuse.session.id": story.SESSION, "langfuse.tags": story.TAGS}
):
    tell()
logfire.force_flush()
