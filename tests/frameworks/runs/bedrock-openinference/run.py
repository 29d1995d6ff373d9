"""Bedrock through boto3 under OpenInference."""

import tailrace_story as story
from openinference.instrumentation import using_attributes
from openinference.instrumentation.bedrock import BedrockInstrumentor
from tailrace_bedrock import tell

provider = story.tracer_provider()
BedrockInstrumentor().instrument(tracer_provider=provider)

with using_attributes(user_id=story.USER, session_id=story.SESSION, tags=story.TAGS):
    tell()
provider.shutdown()
