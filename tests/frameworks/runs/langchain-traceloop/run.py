"""LangChain under OpenLLMetry (Traceloop), which sends a run's metadata as association properties."""

import tailrace_story as story
from langchain.agents import create_agent
from opentelemetry.instrumentation.langchain import LangchainInstrumentor
from tailrace_langchain import tell

provider = story.tracer_provider()
LangchainInstrumentor().instrument(tracer_provider=provider)

metadata = {"user_id": story.USER, "session_id": story.SESSION, "tags": story.TAGS}
tell(create_agent, {"run_name": "story", "metadata": metadata})
provider.shutdown()
