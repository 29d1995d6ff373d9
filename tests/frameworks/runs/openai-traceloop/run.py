"""The OpenAI SDK under OpenLLMetry, by Traceloop's SDK with an exporter of our own."""

import os

os.environ["TRACELOOP_TELEMETRY"] = "false"

import tailrace_story as story
from openai import OpenAI
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from tailrace_openai import tell
from traceloop.sdk import Traceloop
from traceloop.sdk.decorators import workflow
from traceloop.sdk.instruments import Instruments

Traceloop.init(app_name="story", exporter=OTLPSpanExporter(), disable_batch=False, instruments={Instruments.OPENAI})
Traceloop.set_association_properties({"user_id": story.USER, "session_id": story.SESSION, "tags": ",".join(story.TAGS)})


@workflow(name="story")
def run() -> None:
    tell(OpenAI(base_url=story.OPENAI_URL, api_key=story.KEY))


run()
