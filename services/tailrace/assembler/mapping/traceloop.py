"""Traceloop's OpenLLMetry (`traceloop.*`): entities, kinds, and what an application associates with its traces. Calls of models it tells as
OpenTelemetry does, with messages flattened into `gen_ai.prompt.N.*` until its version 0.60.

Source: `opentelemetry-semantic-conventions-ai` 0.5.1; its instrumentations write for LangChain, LangGraph, the OpenAI Agents SDK, CrewAI and others.
"""

from typing import Final

from tailrace.assembler.mapping.values import text_of, word_of
from tailrace.wire.otlp import SpanData

CONVENTION: Final = "Traceloop"

KIND: Final = "traceloop.span.kind"
REQUEST_TYPE: Final = "llm.request.type"
NAME: Final = "traceloop.entity.name"
BODIES: Final = ("traceloop.entity.input", "traceloop.entity.output")
USER_ID: Final = "traceloop.association.properties.user_id"
SESSION_ID: Final = "traceloop.association.properties.session_id"

TAGS: Final = "traceloop.association.properties.tags"

_KINDS: Final = {"agent": "AGENT", "tool": "TOOL", "workflow": "CHAIN"}
_REQUEST_TYPES: Final = {"chat": "GENERATION", "completion": "GENERATION", "embedding": "EMBEDDING"}


def observation_type(span: SpanData) -> str | None:
    """By the kind of the entity, else by the type of the request."""
    kind, request = span.attributes.get(KIND), span.attributes.get(REQUEST_TYPE)
    return _KINDS.get(word_of(kind)) or _REQUEST_TYPES.get(word_of(request))


def embedding_type(span: SpanData) -> str | None:
    """By the type of the request, although the span names a model."""
    return "EMBEDDING" if span.attributes.get(REQUEST_TYPE) == "embedding" else None


def tool_name(span: SpanData) -> str | None:
    """A tool is called as it is, not as its span, which has `.tool` after it."""
    return text_of(span.attributes.get(NAME) or None) if span.attributes.get(KIND) == "tool" else None
