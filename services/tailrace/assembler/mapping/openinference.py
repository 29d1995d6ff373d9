"""OpenInference (`openinference.*`, `llm.*`, `input.value`): its attribute names, its kinds, its messages."""

from typing import Final

KIND: Final = "openinference.span.kind"

KINDS: Final = {
    "LLM": "GENERATION",
    **{name: name for name in ("CHAIN", "RETRIEVER", "EMBEDDING", "AGENT", "TOOL", "GUARDRAIL", "EVALUATOR")},
}

MODEL_NAME: Final = "llm.model_name"
MODELS: Final = ("llm.response.model", MODEL_NAME)
INVOCATION_PARAMETERS: Final = "llm.invocation_parameters"

MESSAGES: Final = ("llm.input_messages", "llm.output_messages")
VALUES: Final = ("input.value", "output.value")
