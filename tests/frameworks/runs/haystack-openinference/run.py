"""Haystack under OpenInference: a pipeline with a chat generator, a stream, a tool, an error."""

import os

os.environ["HAYSTACK_TELEMETRY_ENABLED"] = "False"

import tailrace_story as story
from openinference.instrumentation import using_attributes
from openinference.instrumentation.haystack import HaystackInstrumentor

provider = story.tracer_provider()
HaystackInstrumentor().instrument(tracer_provider=provider)

from haystack import Pipeline
from haystack.components.generators.chat import OpenAIChatGenerator
from haystack.dataclasses import ChatMessage
from haystack.tools import Tool
from haystack.utils import Secret

weather = Tool(
    name="get_weather",
    description="The weather of a city.",
    parameters=story.WEATHER_SCHEMA,
    function=story.get_weather,
)


def run(question, model=story.MODEL, **settings):
    generator = OpenAIChatGenerator(
        model=model, api_base_url=story.OPENAI_URL, api_key=Secret.from_token(story.KEY), max_retries=0, **settings
    )
    pipeline = Pipeline()
    pipeline.add_component("chat", generator)
    messages = [ChatMessage.from_system(story.SYSTEM), ChatMessage.from_user(question)]
    return pipeline.run({"chat": {"messages": messages}})


with using_attributes(user_id=story.USER, session_id=story.SESSION, tags=story.TAGS):
    run(story.QUESTION, generation_kwargs={"temperature": story.TEMPERATURE, "max_tokens": story.MAX_TOKENS})
    streaming = {"stream_options": {"include_usage": True}}
    run(
        story.STREAM_QUESTION,
        story.REASONING_MODEL,
        streaming_callback=lambda chunk: None,
        generation_kwargs=streaming,
    )
    run(story.TOOL_QUESTION, tools=[weather])
    story.refused(run, story.FAILING_QUESTION)
provider.shutdown()
