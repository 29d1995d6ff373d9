"""LiteLLM with its callback through the Langfuse SDK."""

import time

from tailrace_litellm import METADATA, litellm, tell

litellm.success_callback = ["langfuse"]
litellm.failure_callback = ["langfuse"]
tell(metadata=METADATA)
time.sleep(5)
