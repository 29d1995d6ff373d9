"""The story told by Pydantic AI: an agent with a tool, one as a stream, an error."""

import asyncio

import tailrace_story as story
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider


def tell() -> None:
    provider = OpenAIProvider(base_url=story.OPENAI_URL, api_key=story.KEY)
    settings = {"temperature": story.TEMPERATURE, "max_tokens": story.MAX_TOKENS}
    weather = Agent(
        OpenAIChatModel(story.MODEL, provider=provider),
        name="weather",
        instructions=story.SYSTEM,
        model_settings=settings,
        tools=[story.get_weather],
    )
    plain = Agent(OpenAIChatModel(story.REASONING_MODEL, provider=provider), name="plain", instructions=story.SYSTEM)
    asyncio.run(_run(weather, plain))


async def _run(weather, plain) -> None:
    await weather.run(story.TOOL_QUESTION, conversation_id=story.SESSION)
    await plain.run(story.QUESTION, conversation_id=story.SESSION)
    async with plain.run_stream(story.STREAM_QUESTION, conversation_id=story.SESSION) as result:
        async for _ in result.stream_text():
            pass
    try:
        await plain.run(story.FAILING_QUESTION, conversation_id=story.SESSION)
    except Exception as error:
        print(f"refused as it should be: {type(error).__name__}")
