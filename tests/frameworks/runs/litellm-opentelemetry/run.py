"""LiteLLM with its OpenTelemetry callback."""

import os

os.environ["OTEL_EXPORTER"] = "otlp_http"
os.environ["OTEL_ENDPOINT"] = os.environ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"]
os.environ["OTEL_HEADERS"] = os.environ["OTEL_EXPORTER_OTLP_HEADERS"].replace("%20", " ").replace("%3D", "=")

from tailrace_litellm import METADATA, finish, litellm, tell

litellm.callbacks = ["otel"]
tell(metadata=METADATA)
finish()
