"""MLflow Tracing (`mlflow.*`): every value is JSON text, also a plain word.

Source: `mlflow-tracing` 3.17, `tracing/constant.py` and `entities/span.py`.
"""

from typing import Final

from tailrace.assembler.mapping.rules import Parameters
from tailrace.assembler.mapping.values import decode_text, parse_object, text_of, word_of
from tailrace.wire.otlp import SpanData

CONVENTION: Final = "MLflow"

TYPE: Final = "mlflow.spanType"
MODEL: Final = "mlflow.llm.model"
BODIES: Final = ("mlflow.spanInputs", "mlflow.spanOutputs")
TOOLS: Final = "mlflow.chat.tools"

_PARAMETERS: Final = (
    "temperature",
    "top_p",
    "top_k",
    "max_tokens",
    "max_completion_tokens",
    "max_output_tokens",
    "frequency_penalty",
    "presence_penalty",
    "reasoning_effort",
    "reasoning",
    "seed",
    "stop",
    "n",
    "stream",
    "service_tier",
    "tool_choice",
    "response_format",
)
_MODELS: Final = frozenset({"GENERATION", "EMBEDDING"})

_TYPES: Final = {
    "LLM": "GENERATION",
    "CHAT_MODEL": "GENERATION",
    "CHAIN": "CHAIN",
    "WORKFLOW": "CHAIN",
    "AGENT": "AGENT",
    "TOOL": "TOOL",
    "RETRIEVER": "RETRIEVER",
    "RERANKER": "RETRIEVER",
    "EMBEDDING": "EMBEDDING",
    "GUARDRAIL": "GUARDRAIL",
    "EVALUATOR": "EVALUATOR",
}


def observation_type(span: SpanData) -> str | None:
    """By the type of the span."""
    return _TYPES.get(word_of(decode_text(span.attributes.get(TYPE))))


def model(span: SpanData) -> str | None:
    """The model's name, out of its quotes."""
    return text_of(decode_text(span.attributes.get(MODEL)) or None)


def embedding_type(span: SpanData) -> str | None:
    """Of a span that says so, although it names a model."""
    found = observation_type(span)
    return found if found == "EMBEDDING" else None


def parameters(span: SpanData) -> Parameters | None:
    """What a call of a model was asked with, beside its messages."""
    if observation_type(span) not in _MODELS:
        return None
    given = parse_object(span.attributes.get(BODIES[0])) or {}
    return {name: given[name] for name in _PARAMETERS if name in given} or None
