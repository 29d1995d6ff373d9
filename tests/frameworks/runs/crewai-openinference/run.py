"""CrewAI under OpenInference for CrewAI and for OpenAI, whose client it calls."""

import os

os.environ["CREWAI_DISABLE_TELEMETRY"] = "true"
os.environ["CREWAI_DISABLE_TRACKING"] = "true"
os.environ["CREWAI_TRACING_ENABLED"] = "false"
os.environ["CREWAI_TESTING"] = "true"

import tailrace_story as story

provider = story.tracer_provider()

from crewai import LLM, Agent, Crew, Task
from crewai.tools import tool
from openinference.instrumentation import using_attributes
from openinference.instrumentation.crewai import CrewAIInstrumentor
from openinference.instrumentation.openai import OpenAIInstrumentor

CrewAIInstrumentor().instrument(tracer_provider=provider)
OpenAIInstrumentor().instrument(tracer_provider=provider)

settings = {"base_url": story.OPENAI_URL, "api_key": story.KEY, "max_retries": 0}
llm = LLM(model=f"openai/{story.MODEL}", temperature=story.TEMPERATURE, max_tokens=story.MAX_TOKENS, **settings)


@tool("get_weather")
def weather(city: str) -> str:
    """The weather of a city."""
    return story.get_weather(city)


def crew(question, tools):
    agent = Agent(role="guide", goal="Answer.", backstory=story.SYSTEM, llm=llm, tools=tools, max_retry_limit=0)
    task = Task(description=question, expected_output="One sentence.", agent=agent)
    return Crew(name="story", agents=[agent], tasks=[task])


with using_attributes(user_id=story.USER, session_id=story.SESSION, tags=story.TAGS):
    crew(story.QUESTION, []).kickoff()
    crew(story.TOOL_QUESTION, [weather]).kickoff()
    story.refused(crew(story.FAILING_QUESTION, []).kickoff)
provider.shutdown()
