"""The Anthropic SDK under OpenInference, while it traces its calls by itself too, as it does unless told not to: each call is sent twice."""

import tailrace_story as story
from anthropic import Anthropic
from openinference.instrumentation import using_attributes
from openinference.instrumentation.anthropic import AnthropicInstrumentor
from tailrace_anthropic import tell

provider = story.tracer_provider()
AnthropicInstrumentor().instrument(tracer_provider=provider)

with (
    using_attributes(user_id=story.USER, session_id=story.SESSION, tags=story.TAGS),
    provider.get_tracer("story").start_as_current_span("story"),
):
    tell(Anthropic(base_url=story.PROVIDER, api_key=story.KEY))
provider.shutdown()
