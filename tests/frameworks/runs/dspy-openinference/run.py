"""DSPy under OpenInference: a prediction and an error."""

import os

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import dspy
import tailrace_story as story
from openinference.instrumentation import using_attributes
from openinference.instrumentation.dspy import DSPyInstrumentor

provider = story.tracer_provider()
DSPyInstrumentor().instrument(tracer_provider=provider)
settings = {"api_base": story.OPENAI_URL, "api_key": story.KEY, "cache": False, "num_retries": 0}
dspy.configure(
    lm=dspy.LM(f"openai/{story.MODEL}", temperature=story.TEMPERATURE, max_tokens=story.MAX_TOKENS, **settings)
)

with using_attributes(user_id=story.USER, session_id=story.SESSION, tags=story.TAGS):
    dspy.Predict("question -> answer")(question=story.QUESTION)
    story.refused(dspy.Predict("question -> answer"), question=story.FAILING_QUESTION)
provider.shutdown()
