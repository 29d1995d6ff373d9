"""Names without a namespace, which applications write by hand: `model`, `model_config`, `input`, `output`.

Source: the conventions of the Langfuse server for spans of any origin.
"""

from typing import Final

from tailrace.assembler.mapping.values import decode_text, text_of
from tailrace.wire.otlp import SpanData

CONVENTION: Final = "Plain names"

MODEL: Final = "model"
PARAMETERS: Final = "model_config"
BODIES: Final = ("input", "output")


def model(span: SpanData) -> str | None:
    """The attribute as text; MLflow writes it as JSON, in quotes."""
    given = span.attributes.get(MODEL)
    decoded = decode_text(given) if isinstance(given, str) and given[:1] == '"' else given
    return text_of(decoded or None)
