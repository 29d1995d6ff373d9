"""The story told by LiteLLM: chat, a stream, a tool, an embedding, an error."""

import os

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm
import tailrace_story as story

METADATA = {"trace_user_id": story.USER, "session_id": story.SESSION, "tags": story.TAGS}


def tell(**each) -> None:
    """`each` goes with every call."""
    openai = {"api_base": story.OPENAI_URL, "api_key": story.KEY, "num_retries": 0, **each}
    chat = {"model": f"openai/{story.MODEL}", **openai}
    litellm.completion(
        messages=story.asked(story.QUESTION), temperature=story.TEMPERATURE, max_tokens=story.MAX_TOKENS, **chat
    )
    for _ in litellm.completion(
        model=f"openai/{story.REASONING_MODEL}",
        messages=story.asked(story.STREAM_QUESTION),
        stream=True,
        stream_options={"include_usage": True},
        **openai,
    ):
        pass
    litellm.completion(messages=story.asked(story.TOOL_QUESTION), tools=[story.OPENAI_TOOL], **chat)
    litellm.completion(
        model=f"anthropic/{story.CLAUDE}",
        messages=story.asked(story.QUESTION),
        max_tokens=story.MAX_TOKENS,
        **{**openai, "api_base": story.PROVIDER},
    )
    litellm.embedding(model=f"openai/{story.EMBEDDING_MODEL}", input=[story.QUESTION], **openai)
    story.refused(litellm.completion, messages=story.asked(story.FAILING_QUESTION), **chat)
