"""LiteLLM under OpenInference."""

import os

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import tailrace_story as story
from openinference.instrumentation import using_attributes
from openinference.instrumentation.litellm import LiteLLMInstrumentor

provider = story.tracer_provider()
LiteLLMInstrumentor().instrument(tracer_provider=provider)

from tailrace_litellm import tell

with using_attributes(user_id=story.USER, session_id=story.SESSION, tags=story.TAGS):
    tell()
provider.shutdown()
