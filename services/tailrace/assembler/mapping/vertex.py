"""Google's Agent Development Kit (`gcp.vertex.agent.*`): requests and responses of models and tools as JSON. The rest it says as OpenTelemetry does.

Source: `google-adk` 2.13, `telemetry/tracing.py`.
"""

from typing import Any, Final, cast

from tailrace.assembler.mapping.bodies import Bodies
from tailrace.assembler.mapping.genai import OUTPUT_MESSAGES, bodies_of_attributes
from tailrace.assembler.mapping.rules import is_empty
from tailrace.assembler.mapping.values import decode_text, dump_json, text_of
from tailrace.wire.otlp import SpanData

CONVENTION: Final = "Google ADK"
SCOPE: Final = "gcp.vertex.agent"

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


def bodies_of_stream(span: SpanData) -> Bodies | None:
    """The messages of a stream, whose answer stands there in the pieces that it came in: put together again."""
    pieces = decode_text(span.attributes.get(OUTPUT_MESSAGES))
    if not isinstance(pieces, list):
        return None
    listed = cast("list[Any]", pieces)
    texts = [text for piece in listed if (text := _text_of_piece(piece)) is not None]
    if len(texts) < 2 or len(texts) < len(listed):
        return None
    found = bodies_of_attributes(span)
    whole = {**listed[-1], "parts": [{"content": "".join(texts), "type": "text"}]}
    return None if found is None else found._replace(output=dump_json([whole]))


def _text_of_piece(piece: Any) -> str | None:
    """The text of a message of the assistant that has nothing but one text."""
    match piece:
        case {"role": "assistant", "parts": [{"type": "text", "content": str() as text}]}:
            return text
        case _:
            return None
