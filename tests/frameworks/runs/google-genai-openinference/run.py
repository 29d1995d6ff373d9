"""Google's GenAI SDK under OpenInference."""

import tailrace_story as story
from openinference.instrumentation import using_attributes
from openinference.instrumentation.google_genai import GoogleGenAIInstrumentor

provider = story.tracer_provider()
GoogleGenAIInstrumentor().instrument(tracer_provider=provider)

from tailrace_gemini import tell

with using_attributes(user_id=story.USER, session_id=story.SESSION, tags=story.TAGS):
    tell()
provider.shutdown()
