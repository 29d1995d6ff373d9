"""Strands Agents with its own instrumentation: an agent with a tool (its calls are streams), a plain one, an error."""

import tailrace_story as story

provider = story.tracer_provider()

from strands import Agent, tool
from strands.models.openai import OpenAIModel

client = {"base_url": story.OPENAI_URL, "api_key": story.KEY, "max_retries": 0}
tuned = OpenAIModel(
    client_args=client,
    model_id=story.MODEL,
    params={"temperature": story.TEMPERATURE, "max_tokens": story.MAX_TOKENS},
)
reasoning = OpenAIModel(client_args=client, model_id=story.REASONING_MODEL)
settings = {
    "system_prompt": story.SYSTEM,
    "callback_handler": None,
    "trace_attributes": {"user.id": story.USER, "session.id": story.SESSION, "langfuse.tags": story.TAGS},
}

Agent(model=tuned, tools=[tool(story.get_weather)], name="weather", **settings)(story.TOOL_QUESTION)
Agent(model=reasoning, name="plain", **settings)(story.STREAM_QUESTION)
story.refused(Agent(model=tuned, name="plain", **settings), story.FAILING_QUESTION)
provider.shutdown()
