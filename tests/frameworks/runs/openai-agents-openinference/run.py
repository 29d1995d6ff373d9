"""The OpenAI Agents SDK under OpenInference."""

import tailrace_story as story
from openinference.instrumentation import using_attributes
from openinference.instrumentation.openai_agents import OpenAIAgentsInstrumentor
from tailrace_agents import tell

provider = story.tracer_provider()
OpenAIAgentsInstrumentor().instrument(tracer_provider=provider)

with using_attributes(user_id=story.USER, session_id=story.SESSION, tags=story.TAGS):
    tell()
provider.shutdown()
