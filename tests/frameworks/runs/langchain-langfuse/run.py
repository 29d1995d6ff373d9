"""LangChain with Langfuse's callback: chat models, a stream, and an agent that uses a tool."""

import tailrace_story as story
from langchain.agents import create_agent
from langfuse import get_client
from langfuse.langchain import CallbackHandler
from tailrace_langchain import tell

metadata = {
    "langfuse_user_id": story.USER,
    "langfuse_session_id": story.SESSION,
    "langfuse_tags": story.TAGS,
}
tell(create_agent, {"callbacks": [CallbackHandler()], "metadata": metadata, "run_name": "story"})
get_client().flush()
