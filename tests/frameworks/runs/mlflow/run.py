"""The OpenAI SDK under MLflow's tracing, which exports to OTEL_EXPORTER_OTLP_TRACES_ENDPOINT."""

import os
import time

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["MLFLOW_ENABLE_ASYNC_TRACE_LOGGING"] = "false"

import mlflow
import tailrace_story as story
from openai import OpenAI
from tailrace_openai import tell

mlflow.openai.autolog()

with mlflow.start_span("story"):
    mlflow.update_current_trace(
        metadata={"mlflow.trace.user": story.USER, "mlflow.trace.session": story.SESSION},
        tags={tag: "yes" for tag in story.TAGS},
    )
    tell(OpenAI(base_url=story.OPENAI_URL, api_key=story.KEY))
time.sleep(8)  # the exporter sends every five seconds, and not at the end
