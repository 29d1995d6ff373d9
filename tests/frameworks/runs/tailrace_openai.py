"""The story told by OpenAI's own client: chat, a stream, a tool, audio, a response, an embedding, an error."""

import tailrace_story as story


def tell(client, *, with_responses=True) -> None:
    """Without responses for a package that does not know them."""
    client.chat.completions.create(
        model=story.MODEL,
        messages=story.asked(story.QUESTION),
        temperature=story.TEMPERATURE,
        max_tokens=story.MAX_TOKENS,
    )
    stream = client.chat.completions.create(
        model=story.REASONING_MODEL,
        messages=story.asked(story.STREAM_QUESTION),
        stream=True,
        stream_options={"include_usage": True},
    )
    for _ in stream:
        pass
    client.chat.completions.create(
        model=story.MODEL, messages=story.asked(story.TOOL_QUESTION), tools=[story.OPENAI_TOOL]
    )
    client.chat.completions.create(model=story.AUDIO_MODEL, messages=story.asked(story.AUDIO_QUESTION))
    if with_responses:
        client.responses.create(model=story.REASONING_MODEL, input=story.QUESTION)
    client.embeddings.create(model=story.EMBEDDING_MODEL, input=story.QUESTION)
    story.refused(client.chat.completions.create, model=story.MODEL, messages=story.asked(story.FAILING_QUESTION))
