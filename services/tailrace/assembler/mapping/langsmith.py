"""LangSmith's exporter (`langsmith.*`), which LangChain and LangGraph write by. Bodies stand whole under `gen_ai.prompt` and `gen_ai.completion`.

Source: `langsmith` for Python, `_internal/otel/_otel_exporter.py`.
"""

from typing import Final

from tailrace.assembler.mapping.values import word_of
from tailrace.wire.otlp import SpanData

CONVENTION: Final = "LangSmith"

KIND: Final = "langsmith.span.kind"

_KINDS: Final = {
    "llm": "GENERATION",
    "tool": "TOOL",
    "retriever": "RETRIEVER",
    "embedding": "EMBEDDING",
    "chain": "CHAIN",
}


def observation_type(span: SpanData) -> str | None:
    """By the kind of the run."""
    return _KINDS.get(word_of(span.attributes.get(KIND)))


def embedding_type(span: SpanData) -> str | None:
    """By the kind of the run, although the span names a model."""
    return "EMBEDDING" if span.attributes.get(KIND) == "embedding" else None
