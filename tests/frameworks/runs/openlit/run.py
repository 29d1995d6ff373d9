"""The OpenAI SDK under OpenLIT."""

import os

import openlit
import tailrace_story as story

openlit.init(
    application_name="story",
    otlp_endpoint=os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"],
    otlp_headers=os.environ["OTEL_EXPORTER_OTLP_HEADERS"],
    disable_metrics=True,
)

from openai import OpenAI
from opentelemetry import trace
from tailrace_openai import tell

with openlit.start_trace("story"):
    tell(OpenAI(base_url=story.OPENAI_URL, api_key=story.KEY))
trace.get_tracer_provider().force_flush()
