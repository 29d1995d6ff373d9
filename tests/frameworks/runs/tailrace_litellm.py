"""The story told by LiteLLM: chat, a stream, a tool, an embedding, an error."""

import os
import time

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm
import tailrace_story as story

METADATA = {"trace_user_id": story.USER, "session_id": story.SESSION, "tags": story.TAGS}


def tell(metadata=None) -> None:
    """`metadata` goes with every call, a copy each, because LiteLLM writes into it."""

    def settings(model, url=story.OPENAI_URL, vendor="openai"):
        given = {"metadata": dict(metadata)} if metadata else {}
        return {"model": f"{vendor}/{model}", "api_base": url, "api_key": story.KEY, "num_retries": 0, **given}

    litellm.completion(
        messages=story.asked(story.QUESTION),
        temperature=story.TEMPERATURE,
        max_tokens=story.MAX_TOKENS,
        **settings(story.MODEL),
    )
    for _ in litellm.completion(
        messages=story.asked(story.STREAM_QUESTION),
        stream=True,
        stream_options={"include_usage": True},
        **settings(story.REASONING_MODEL),
    ):
        pass
    litellm.completion(messages=story.asked(story.TOOL_QUESTION), tools=[story.OPENAI_TOOL], **settings(story.MODEL))
    litellm.completion(
        messages=story.asked(story.QUESTION),
        max_tokens=story.MAX_TOKENS,
        **settings(story.CLAUDE, story.PROVIDER, "anthropic"),
    )
    litellm.embedding(input=[story.QUESTION], **settings(story.EMBEDDING_MODEL))
    story.refused(litellm.completion, messages=story.asked(story.FAILING_QUESTION), **settings(story.MODEL))


def finish() -> None:
    """Waits for the callbacks, which run in threads of LiteLLM's, and for their export."""
    from litellm.litellm_core_utils.thread_pool_executor import executor

    executor.shutdown(wait=True)
    time.sleep(10)
