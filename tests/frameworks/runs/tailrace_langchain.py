"""The story told by LangChain: a chat, a stream, an agent that uses a tool, an error."""

import tailrace_story as story
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI

OPENAI = {"base_url": story.OPENAI_URL, "api_key": story.KEY, "max_retries": 0}


def tell(create_agent, config) -> None:
    """`config` goes with every call."""
    chat = ChatOpenAI(model=story.MODEL, temperature=story.TEMPERATURE, max_tokens=story.MAX_TOKENS, **OPENAI)
    chat.invoke(story.asked(story.QUESTION), config=config)
    streaming = ChatOpenAI(model=story.REASONING_MODEL, stream_usage=True, **OPENAI)
    for _ in streaming.stream(story.asked(story.STREAM_QUESTION), config=config):
        pass
    agent = create_agent(chat, [tool(story.get_weather)])
    agent.invoke({"messages": story.asked(story.TOOL_QUESTION)}, config=config)
    story.refused(chat.invoke, story.asked(story.FAILING_QUESTION), config=config)
