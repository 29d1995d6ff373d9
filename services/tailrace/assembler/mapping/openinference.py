"""OpenInference (`openinference.*`, `llm.*`, `input.value`): its attribute names, its kinds, its messages.

Source: Arize's OpenInference specification, package `openinference-semantic-conventions` 0.1.42. Its instrumentations write for LangChain,
LangGraph, LlamaIndex, smolagents, CrewAI, DSPy, the OpenAI Agents SDK and others.
"""

from typing import Any, Final

from tailrace.assembler.mapping.indexed import rebuild
from tailrace.assembler.mapping.tools import Tools
from tailrace.assembler.mapping.values import decode_text, word_of
from tailrace.wire.otlp import SpanData

CONVENTION: Final = "OpenInference"

KIND: Final = "openinference.span.kind"

KINDS: Final = {
    "LLM": "GENERATION",
    **{name: name for name in ("CHAIN", "RETRIEVER", "EMBEDDING", "AGENT", "TOOL", "GUARDRAIL", "EVALUATOR")},
}

MODEL_NAME: Final = "llm.model_name"
RESPONSE_MODEL: Final = "llm.response.model"
NEWER_MODELS: Final = ("llm.response.model_name", "llm.request.model_name", "embedding.model_name")
INVOCATION_PARAMETERS: Final = "llm.invocation_parameters"

MESSAGES: Final = ("llm.input_messages", "llm.output_messages")
VALUES: Final = ("input.value", "output.value")
TOOLS: Final = "llm.tools"
TAGS: Final = "tag.tags"

_FIRST_CHUNK_EVENT: Final = "First Token Stream Event"


def observation_type(span: SpanData) -> str | None:
    """By the kind, written in capitals."""
    return KINDS.get(word_of(span.attributes.get(KIND)))


def first_token_time(span: SpanData) -> int | None:
    """When the event of the first token was."""
    return next((event.time_us for event in span.events if event.name == _FIRST_CHUNK_EVENT), None)


def tools(span: SpanData) -> Tools | None:
    """Each definition is JSON text in an attribute of its own."""
    listed, keys = rebuild(span.attributes, TOOLS)
    if not isinstance(listed, list):
        return None
    return Tools([_definition(one) for one in listed], tuple(keys))  # pyright: ignore[reportUnknownVariableType]


def _definition(one: Any) -> Any:
    match one:
        case {"tool": {"json_schema": schema}}:
            return decode_text(schema)
        case {"tool.json_schema": schema}:
            return decode_text(schema)
        case _:
            return one
