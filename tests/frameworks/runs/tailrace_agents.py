"""The story told by the OpenAI Agents SDK: an agent with a tool, one as a stream, an error."""

import asyncio

import tailrace_story as story
from agents import Agent, ModelSettings, Runner, function_tool, set_default_openai_client
from openai import AsyncOpenAI


def tell() -> None:
    client = AsyncOpenAI(base_url=story.OPENAI_URL, api_key=story.KEY, max_retries=0)
    set_default_openai_client(client, use_for_tracing=False)
    settings = ModelSettings(temperature=story.TEMPERATURE, max_tokens=story.MAX_TOKENS)
    weather = Agent(
        name="weather",
        instructions=story.SYSTEM,
        model=story.MODEL,
        model_settings=settings,
        tools=[function_tool(story.get_weather)],
    )
    plain = Agent(name="plain", instructions=story.SYSTEM, model=story.REASONING_MODEL)
    asyncio.run(_run(weather, plain))


async def _run(weather, plain) -> None:
    await Runner.run(weather, story.TOOL_QUESTION)
    await Runner.run(plain, story.QUESTION)
    streamed = Runner.run_streamed(plain, story.STREAM_QUESTION)
    async for _ in streamed.stream_events():
        pass
    try:
        await Runner.run(plain, story.FAILING_QUESTION)
    except Exception as error:
        print(f"refused as it should be: {type(error).__name__}")
