"""LiteLLM with its callback through the Langfuse SDK."""

from tailrace_litellm import METADATA, finish, litellm, tell

litellm.success_callback = ["langfuse"]
litellm.failure_callback = ["langfuse"]
tell(metadata=METADATA)
finish()
