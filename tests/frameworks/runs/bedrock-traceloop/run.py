"""Bedrock through boto3 under OpenLLMetry (Traceloop)."""

import tailrace_story as story
from opentelemetry.instrumentation.bedrock import BedrockInstrumentor
from tailrace_bedrock import tell

provider = story.tracer_provider()
BedrockInstrumentor().instrument(tracer_provider=provider)

with provider.get_tracer("story").start_as_current_span("story"):
    tell()
provider.shutdown()
