"""LangChain under OpenInference."""

import tailrace_story as story
from langchain.agents import create_agent
from openinference.instrumentation import using_attributes
from openinference.instrumentation.langchain import LangChainInstrumentor
from tailrace_langchain import tell

provider = story.tracer_provider()
LangChainInstrumentor().instrument(tracer_provider=provider)

with using_attributes(user_id=story.USER, session_id=story.SESSION, tags=story.TAGS):
    tell(create_agent, {"run_name": "story"})
provider.shutdown()
