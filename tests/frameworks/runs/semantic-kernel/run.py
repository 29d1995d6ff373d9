"""Semantic Kernel with its own instrumentation: chat, a stream, a tool, an error."""

import asyncio
import os

os.environ["SEMANTICKERNEL_EXPERIMENTAL_GENAI_ENABLE_OTEL_DIAGNOSTICS"] = "true"
os.environ["SEMANTICKERNEL_EXPERIMENTAL_GENAI_ENABLE_OTEL_DIAGNOSTICS_SENSITIVE"] = "true"

import tailrace_story as story

provider = story.tracer_provider()

from openai import AsyncOpenAI
from semantic_kernel import Kernel
from semantic_kernel.connectors.ai import FunctionChoiceBehavior
from semantic_kernel.connectors.ai.open_ai import OpenAIChatCompletion, OpenAIChatPromptExecutionSettings
from semantic_kernel.contents import ChatHistory
from semantic_kernel.functions import kernel_function

client = AsyncOpenAI(base_url=story.OPENAI_URL, api_key=story.KEY, max_retries=0)


class Weather:
    @kernel_function(name="get_weather", description="The weather of a city.")
    def get_weather(self, city: str) -> str:
        return story.get_weather(city)


def history(question):
    told = ChatHistory(system_message=story.SYSTEM)
    told.add_user_message(question)
    return told


async def tell():
    kernel = Kernel()
    kernel.add_function("weather", Weather().get_weather)
    chat = OpenAIChatCompletion(story.MODEL, async_client=client)
    reasoning = OpenAIChatCompletion(story.REASONING_MODEL, async_client=client)
    tuned = {"temperature": story.TEMPERATURE, "max_tokens": story.MAX_TOKENS}
    await chat.get_chat_message_content(history(story.QUESTION), OpenAIChatPromptExecutionSettings(**tuned))
    plain = OpenAIChatPromptExecutionSettings()
    async for _ in reasoning.get_streaming_chat_message_content(history(story.STREAM_QUESTION), plain):
        pass
    with_tool = OpenAIChatPromptExecutionSettings(function_choice_behavior=FunctionChoiceBehavior.Auto())
    await chat.get_chat_message_content(history(story.TOOL_QUESTION), with_tool, kernel=kernel)
    try:
        await chat.get_chat_message_content(history(story.FAILING_QUESTION), plain)
    except Exception as error:
        print(f"refused as it should be: {type(error).__name__}")


with provider.get_tracer("story").start_as_current_span("story"):
    asyncio.run(tell())
provider.shutdown()
