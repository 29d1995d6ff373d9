"""AutoGen's agents with their own spans, and OpenLLMetry for the calls of the model, as AutoGen's documents say."""

import asyncio

import tailrace_story as story

provider = story.tracer_provider()

from autogen_agentchat.agents import AssistantAgent
from autogen_ext.models.openai import OpenAIChatCompletionClient
from opentelemetry.instrumentation.openai import OpenAIInstrumentor

OpenAIInstrumentor().instrument(tracer_provider=provider)


async def tell():
    chat = OpenAIChatCompletionClient(
        model=story.MODEL,
        base_url=story.OPENAI_URL,
        api_key=story.KEY,
        temperature=story.TEMPERATURE,
        max_tokens=story.MAX_TOKENS,
        max_retries=0,
    )
    weather = AssistantAgent("weather", chat, tools=[story.get_weather], reflect_on_tool_use=True)
    plain = AssistantAgent("plain", chat, system_message=story.SYSTEM)
    await weather.run(task=story.TOOL_QUESTION)
    await plain.run(task=story.QUESTION)
    try:
        await plain.run(task=story.FAILING_QUESTION)
    except Exception as error:
        print(f"refused as it should be: {type(error).__name__}")


with provider.get_tracer("story").start_as_current_span("story"):
    asyncio.run(tell())
provider.shutdown()
