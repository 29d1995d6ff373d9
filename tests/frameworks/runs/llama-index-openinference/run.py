"""LlamaIndex under OpenInference: chat, a stream, and an agent that uses a tool."""

import asyncio

import tailrace_story as story
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.llms import ChatMessage
from llama_index.llms.openai import OpenAI
from openinference.instrumentation import using_attributes
from openinference.instrumentation.llama_index import LlamaIndexInstrumentor

provider = story.tracer_provider()
LlamaIndexInstrumentor().instrument(tracer_provider=provider)
settings = {"api_base": story.OPENAI_URL, "api_key": story.KEY, "max_retries": 0}
llm = OpenAI(model=story.MODEL, temperature=story.TEMPERATURE, max_tokens=story.MAX_TOKENS, **settings)
reasoning = OpenAI(
    model=story.REASONING_MODEL, additional_kwargs={"stream_options": {"include_usage": True}}, **settings
)


def messages(question):
    return [ChatMessage(role=each["role"], content=each["content"]) for each in story.asked(question)]


async def use_tool():
    agent = FunctionAgent(tools=[story.get_weather], llm=llm, streaming=False)
    await agent.run(story.TOOL_QUESTION)


with using_attributes(user_id=story.USER, session_id=story.SESSION, tags=story.TAGS):
    llm.chat(messages(story.QUESTION))
    for _ in reasoning.stream_chat(messages(story.STREAM_QUESTION)):
        pass
    asyncio.run(use_tool())
    story.refused(llm.chat, messages(story.FAILING_QUESTION))
provider.shutdown()
