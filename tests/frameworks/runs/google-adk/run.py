"""Google's Agent Development Kit with its own instrumentation: an agent with a tool, one as a stream, an error."""

import asyncio
import os

os.environ["GOOGLE_API_KEY"] = "key-of-nobody"
os.environ["GOOGLE_GENAI_USE_VERTEXAI"] = "FALSE"
os.environ["GOOGLE_GEMINI_BASE_URL"] = os.environ["PROVIDER_URL"]
os.environ["ADK_CAPTURE_MESSAGE_CONTENT_IN_SPANS"] = "true"
os.environ["OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"] = "span_only"
os.environ["OTEL_SEMCONV_STABILITY_OPT_IN"] = "gen_ai_latest_experimental"

import tailrace_story as story

provider = story.tracer_provider()

from google.adk.agents import LlmAgent
from google.adk.agents.run_config import RunConfig, StreamingMode
from google.adk.runners import InMemoryRunner
from google.genai.types import Content, GenerateContentConfig, Part


async def ask(agent, question, mode=StreamingMode.NONE):
    runner = InMemoryRunner(agent=agent, app_name="story")
    await runner.session_service.create_session(app_name="story", user_id=story.USER, session_id=story.SESSION)
    message = Content(role="user", parts=[Part(text=question)])
    async for _ in runner.run_async(
        user_id=story.USER,
        session_id=story.SESSION,
        new_message=message,
        run_config=RunConfig(streaming_mode=mode),
    ):
        pass


async def tell():
    tuned = GenerateContentConfig(temperature=story.TEMPERATURE, max_output_tokens=story.MAX_TOKENS)
    settings = {"model": story.GEMINI, "instruction": story.SYSTEM}
    weather = LlmAgent(name="weather", generate_content_config=tuned, tools=[story.get_weather], **settings)
    plain = LlmAgent(name="plain", **settings)
    await ask(weather, story.TOOL_QUESTION)
    await ask(plain, story.QUESTION)
    await ask(plain, story.STREAM_QUESTION, StreamingMode.SSE)
    try:
        await ask(plain, story.FAILING_QUESTION)
    except Exception as error:
        print(f"refused as it should be: {type(error).__name__}")


asyncio.run(tell())
provider.shutdown()
