"""The story told by Anthropic's own client: a message, two kinds of stream, a tool, an error."""

import tailrace_story as story


def tell(client) -> None:
    settings = {"model": story.CLAUDE, "max_tokens": story.MAX_TOKENS, "system": story.SYSTEM}
    client.messages.create(**settings, **user(story.QUESTION))
    for _ in client.messages.create(**settings, **user(story.STREAM_QUESTION), stream=True):
        pass
    with client.messages.stream(**settings, **user(story.STREAM_QUESTION)) as stream:
        stream.until_done()
    tool = {"name": "get_weather", "description": "The weather of a city.", "input_schema": story.WEATHER_SCHEMA}
    client.messages.create(**settings, **user(story.TOOL_QUESTION), tools=[tool])
    story.refused(client.messages.create, **settings, **user(story.FAILING_QUESTION))


def user(question: str) -> dict:
    return {"messages": [{"role": "user", "content": question}]}
