"""MLflow Tracing (`mlflow.*`): every value is JSON text, also a plain word.

Source: `mlflow-tracing` 3.17, `tracing/constant.py` and `entities/span.py`.
"""

from typing import Final

from tailrace.assembler.mapping.values import decode_text, text_of, word_of
from tailrace.wire.otlp import SpanData

CONVENTION: Final = "MLflow"

TYPE: Final = "mlflow.spanType"
MODEL: Final = "mlflow.llm.model"
BODIES: Final = ("mlflow.spanInputs", "mlflow.spanOutputs")
TOOLS: Final = "mlflow.chat.tools"

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
