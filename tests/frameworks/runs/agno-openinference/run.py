"""Agno under OpenInference: an agent with a tool, one as a stream, an error."""

import os

os.environ["AGNO_TELEMETRY"] = "false"

import tailrace_story as story
from openinference.instrumentation import using_attributes
from openinference.instrumentation.agno import AgnoInstrumentor

provider = story.tracer_provider()
AgnoInstrumentor().instrument(tracer_provider=provider)

from agno.agent import Agent
from agno.models.openai import OpenAIChat

client = {"base_url": story.OPENAI_URL, "api_key": story.KEY, "max_retries": 0}
tuned = OpenAIChat(id=story.MODEL, temperature=story.TEMPERATURE, max_tokens=story.MAX_TOKENS, **client)
reasoning = OpenAIChat(id=story.REASONING_MODEL, **client)
settings = {"instructions": story.SYSTEM, "telemetry": False, "user_id": story.USER, "session_id": story.SESSION}

with using_attributes(user_id=story.USER, session_id=story.SESSION, tags=story.TAGS):
    Agent(model=tuned, name="weather", tools=[story.get_weather], **settings).run(story.TOOL_QUESTION)
    Agent(model=tuned, name="plain", **settings).run(story.QUESTION)
    for _ in Agent(model=reasoning, name="plain", **settings).run(story.STREAM_QUESTION, stream=True):
        pass
    Agent(model=tuned, name="plain", **settings).run(story.FAILING_QUESTION)
provider.shutdown()
