"""Genkit (`genkit:*`): subtypes of actions, names, and the whole request and response of a model as JSON.

Source: `@genkit-ai/core` 1.42 (`tracing/instrumentation.ts`, `action.ts`) and the Python package `genkit` 0.12, both with the scope `genkit-tracer`.
"""

from typing import Any, Final, cast

from tailrace.assembler.mapping.bodies import Bodies
from tailrace.assembler.mapping.rules import Parameters
from tailrace.assembler.mapping.values import dump_json, parse_object, text_of, word_of
from tailrace.wire.otlp import SpanData

CONVENTION: Final = "Genkit"
SCOPE: Final = "genkit-tracer"

NAME: Final = "genkit:name"
SUBTYPE: Final = "genkit:metadata:subtype"
INPUT: Final = "genkit:input"
OUTPUT: Final = "genkit:output"

_TYPES: Final = {
    "model": "GENERATION",
    "background-model": "GENERATION",
    "embedder": "EMBEDDING",
    "tool": "TOOL",
    "tool.v2": "TOOL",
    "retriever": "RETRIEVER",
    "evaluator": "EVALUATOR",
}
_MODELS: Final = frozenset({"model", "background-model", "embedder"})


def observation_type(span: SpanData) -> str | None:
    """By the subtype of the action."""
    return _TYPES.get(word_of(span.attributes.get(SUBTYPE)))


def repeats_calls(span: SpanData) -> bool | None:
    """Whether this is no action of a model: `generate` has the usage of the last call below it."""
    return word_of(span.attributes.get(SUBTYPE)) not in _MODELS or None


def model(span: SpanData) -> str | None:
    """An action of a model is called as the model is."""
    return text_of(span.attributes.get(NAME) or None) if span.attributes.get(SUBTYPE) == "model" else None


def other_model(span: SpanData) -> str | None:
    """So is an action of an embedder, or of a model that works in the background."""
    is_model = word_of(span.attributes.get(SUBTYPE)) in _MODELS
    return text_of(span.attributes.get(NAME) or None) if is_model else None


def parameters(span: SpanData) -> Parameters | None:
    """The configuration in the request."""
    config = (parse_object(span.attributes.get(INPUT)) or {}).get("config")
    return cast("dict[str, Any]", config) if isinstance(config, dict) and config else None


def bodies(span: SpanData) -> Bodies | None:
    """Of a model's request its messages, of its response its message; of every other action the whole."""
    given = _part(span.attributes.get(INPUT), "messages")
    answer = _part(span.attributes.get(OUTPUT), "message")
    return Bodies(given, answer, (INPUT, OUTPUT)) if given or answer else None


def _part(value: Any, key: str) -> str | None:
    part = (parse_object(value) or {}).get(key)
    return dump_json(part) if part else text_of(value)
