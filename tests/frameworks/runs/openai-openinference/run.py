"""The OpenAI SDK under OpenInference."""

import tailrace_story as story
from openai import OpenAI
from openinference.instrumentation import using_attributes
from openinference.instrumentation.openai import OpenAIInstrumentor
from tailrace_openai import tell

provider = story.tracer_provider()
OpenAIInstrumentor().instrument(tracer_provider=provider)

with using_attributes(user_id=story.USER, session_id=story.SESSION, tags=story.TAGS):
    tell(OpenAI(base_url=story.OPENAI_URL, api_key=story.KEY))
provider.shutdown()
