"""A graph of LangGraph with Langfuse's callback: a model node and a tool node, run at once and as a stream."""

import tailrace_story as story
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langfuse import get_client, propagate_attributes
from langfuse.langchain import CallbackHandler
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition

tools = [tool(story.get_weather)]
chat = ChatOpenAI(
    model=story.MODEL,
    temperature=story.TEMPERATURE,
    max_tokens=story.MAX_TOKENS,
    base_url=story.OPENAI_URL,
    api_key=story.KEY,
    max_retries=0,
).bind_tools(tools)
plain = ChatOpenAI(model=story.REASONING_MODEL, base_url=story.OPENAI_URL, api_key=story.KEY, max_retries=0)


def graph_of(model, nodes):
    graph = StateGraph(MessagesState)
    graph.add_node("model", lambda state: {"messages": [model.invoke(state["messages"])]})
    graph.add_edge(START, "model")
    if nodes:
        graph.add_node("tools", ToolNode(nodes))
        graph.add_conditional_edges("model", tools_condition)
        graph.add_edge("tools", "model")
    return graph.compile(name="story")


config = {"callbacks": [CallbackHandler()]}
with propagate_attributes(user_id=story.USER, session_id=story.SESSION, tags=story.TAGS):
    graph_of(chat, tools).invoke({"messages": story.asked(story.TOOL_QUESTION)}, config=config)
    for _ in graph_of(plain, []).stream(
        {"messages": story.asked(story.STREAM_QUESTION)}, config=config, stream_mode="messages"
    ):
        pass
    story.refused(graph_of(plain, []).invoke, {"messages": story.asked(story.FAILING_QUESTION)}, config=config)
get_client().flush()
