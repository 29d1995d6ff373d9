"""LiteLLM with its callback that speaks OpenTelemetry to Langfuse."""

import os

os.environ["LANGFUSE_OTEL_HOST"] = os.environ["LANGFUSE_HOST"]

from tailrace_litellm import METADATA, finish, litellm, tell

litellm.callbacks = ["langfuse_otel"]
tell(metadata=METADATA)
finish()
