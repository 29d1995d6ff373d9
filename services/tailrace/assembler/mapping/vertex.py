"""Google's Agent Development Kit (`gcp.vertex.agent.*`): requests and responses of models and tools as JSON. The rest it says as OpenTelemetry does.

Source: `google-adk` 2.13, `telemetry/tracing.py`.
"""

from typing import Final

from tailrace.assembler.mapping.bodies import Bodies
from tailrace.assembler.mapping.rules import is_empty
from tailrace.assembler.mapping.values import text_of
from tailrace.wire.otlp import SpanData

CONVENTION: Final = "Google ADK"

SESSION_ID: Final = "gcp.vertex.agent.session_id"
MODEL_CALL: Final = ("gcp.vertex.agent.llm_request", "gcp.vertex.agent.llm_response")
TOOL_CALL: Final = ("gcp.vertex.agent.tool_call_args", "gcp.vertex.agent.tool_response")


def bodies(span: SpanData) -> Bodies | None:
    """The span of a tool writes an empty call of a model beside its own, and so does a model's where content is not to be told."""
    attributes = span.attributes
    for input_key, output_key in (MODEL_CALL, TOOL_CALL):
        if not (is_empty(attributes.get(input_key)) and is_empty(attributes.get(output_key))):
            given, answer = text_of(attributes.get(input_key)), text_of(attributes.get(output_key))
            return Bodies(given, answer, (*MODEL_CALL, *TOOL_CALL))
    return None
