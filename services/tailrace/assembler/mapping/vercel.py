"""The Vercel AI SDK (`ai.*`): operations, names, settings, bodies, and the identity that its telemetry metadata carries.

Source: the telemetry of the packages `ai` 4 to 6, and of `@ai-sdk/otel` 1.0 (for `ai` 7) as long as its `LegacyOpenTelemetry` is used, both under
the scope `ai`. The scope `gen_ai` of version 7 speaks OpenTelemetry's convention alone.
"""

from collections.abc import Mapping
from typing import Any, Final

from tailrace.assembler.mapping import genai
from tailrace.assembler.mapping.bodies import Bodies, first_of, with_missing_side
from tailrace.assembler.mapping.langfuse import prompt_link
from tailrace.assembler.mapping.rules import Parameters
from tailrace.assembler.mapping.values import decode_text, dump_json, parse_object, text_of, time_after
from tailrace.wire.otlp import SpanData

CONVENTION: Final = "Vercel AI SDK"
SCOPE: Final = "ai"

MODEL: Final = "ai.model.id"
OPERATION_ID: Final = "ai.operationId"
OPERATION_NAME: Final = "operation.name"
FUNCTION_ID: Final = "ai.telemetry.functionId"
TOOL_NAME: Final = "ai.toolCall.name"
TOOL_DEFINITIONS: Final = "ai.prompt.tools"
METADATA: Final = "ai.telemetry.metadata."
USER_ID: Final = "ai.telemetry.metadata.userId"
SESSION_ID: Final = "ai.telemetry.metadata.sessionId"
TAGS: Final = "ai.telemetry.metadata.tags"
PROMPT: Final = "ai.telemetry.metadata.langfusePrompt"
CONTEXT: Final = "ai.settings.context."
CONTEXT_USER_ID: Final = "ai.settings.context.userId"
CONTEXT_SESSION_ID: Final = "ai.settings.context.sessionId"
CONTEXT_TAGS: Final = "ai.settings.context.tags"
MS_TO_FIRST_CHUNK: Final = ("ai.response.msToFirstChunk", "ai.stream.msToFirstChunk")

_NOT_METADATA: Final = frozenset({USER_ID, SESSION_ID, TAGS, PROMPT, CONTEXT_USER_ID, CONTEXT_SESSION_ID, CONTEXT_TAGS})

_MODEL_OPERATIONS: Final = {
    "ai.generateText.doGenerate": "GENERATION",
    "ai.generateObject.doGenerate": "GENERATION",
    "ai.streamText.doStream": "GENERATION",
    "ai.streamObject.doStream": "GENERATION",
    "ai.embed.doEmbed": "EMBEDDING",
    "ai.embedMany.doEmbed": "EMBEDDING",
}
_TOOL_CALL: Final = "ai.toolCall"
_CALL: Final = ".do"

INPUTS: Final = ("ai.prompt.messages", "ai.prompt", "ai.toolCall.args", "ai.value", "ai.values")
_TEXT: Final = "ai.response.text"
_TOOL_CALLS: Final = "ai.response.toolCalls"
OUTPUTS: Final = (
    _TEXT,
    "ai.result.text",
    "ai.toolCall.result",
    "ai.response.object",
    "ai.result.object",
    _TOOL_CALLS,
    "ai.result.toolCalls",
)

_SETTINGS: Final = "ai.settings."
PARAMETER_STARTS: Final = (_SETTINGS, genai.REQUEST)
_PARAMETERS: Final = {
    "maxSteps": ("ai.settings.maxSteps",),
    "toolChoice": ("ai.prompt.toolChoice", "ai.settings.toolChoice"),
    "maxTokens": ("ai.settings.maxTokens", "ai.settings.maxOutputTokens", "gen_ai.request.max_tokens"),
    "finishReason": ("ai.response.finishReason", "gen_ai.response.finish_reasons"),
    "system": ("ai.settings.system", "gen_ai.system"),
    "maxRetries": ("ai.settings.maxRetries",),
    "mode": ("ai.settings.mode",),
    "temperature": ("ai.settings.temperature", "gen_ai.request.temperature"),
    "service_tier": (
        "ai.settings.serviceTier",
        "gen_ai.request.service_tier",
        "gen_ai.openai.request.service_tier",
        "gen_ai.openai.response.service_tier",
    ),
}
"""Parameters that have several names, and the names in the order in which they count."""

_NAMED: Final = frozenset(name for names in _PARAMETERS.values() for name in names)


def operation_type(span: SpanData, *, has_model: bool) -> str | None:
    """By the operation; those of models only count on a span that names one."""
    operation, operation_id = span.attributes.get(OPERATION_NAME), span.attributes.get(OPERATION_ID)
    first_word = operation.partition(" ")[0] if isinstance(operation, str) else None
    for word in (first_word, operation_id):
        if not isinstance(word, str):
            continue
        if has_model and word in _MODEL_OPERATIONS:
            return _MODEL_OPERATIONS[word]
        if word == _TOOL_CALL:
            return "TOOL"
    return None


def repeats_calls(span: SpanData) -> bool | None:
    """Whether this is an operation around calls of models (`ai.generateText`), which are named after it (`ai.generateText.doGenerate`).

    It has the usage of all of them or, up to version 6, that of the last one.
    """
    operation_id = span.attributes.get(OPERATION_ID)
    return (isinstance(operation_id, str) and operation_id.startswith("ai.") and _CALL not in operation_id) or None


def operation_of_function(span: SpanData) -> str | None:
    """The operation, after the function that the application names."""
    operation = span.attributes.get(OPERATION_ID)
    if not isinstance(operation, str) or not operation:
        return None
    function = text_of(span.attributes.get(FUNCTION_ID))
    return f"{function}:{operation}" if function else operation


def read_metadata(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The application's own metadata, of version 7 the runtime context, without what has a field of its own."""
    return {
        key[len(METADATA if key.startswith(METADATA) else CONTEXT) :]: decode_text(value)
        for key, value in attributes.items()
        if key.startswith((METADATA, CONTEXT)) and key not in _NOT_METADATA
    }


def prompt(span: SpanData) -> tuple[str, int] | None:
    """The link that the application's metadata carries as JSON."""
    given = parse_object(span.attributes.get(PROMPT)) or {}
    return prompt_link(given.get("name"), given.get("version"))


def completion_start_time(span: SpanData) -> int | None:
    """The first chunk, told in milliseconds after the start."""
    for key in MS_TO_FIRST_CHUNK:
        found = time_after(span.start_us, span.attributes.get(key), 1_000)
        if found is not None:
            return found
    return None


def parameters(span: SpanData) -> Parameters | None:
    """The settings and the request's parameters under their own names, and over them those that have several."""
    attributes = span.attributes
    found: dict[str, Any] = {}
    for key, value in attributes.items():
        if key.startswith(PARAMETER_STARTS) and key not in _NAMED and not key.startswith(CONTEXT):
            found[key.removeprefix(_SETTINGS).removeprefix(genai.REQUEST)] = value
    found.pop("model", None)
    for name, keys in _PARAMETERS.items():
        given = next((attributes[key] for key in keys if attributes.get(key) not in (None, "")), None)
        if given is not None:
            found[name] = given
    return found or None


def bodies(span: SpanData) -> Bodies | None:
    """A text that came with calls of tools is one message; a side that is missing may stand under OpenTelemetry's names."""
    attributes = span.attributes
    found = first_of(attributes, INPUTS, OUTPUTS)
    if found is None:
        return None
    calls = attributes.get(_TOOL_CALLS)
    if attributes.get(_TEXT) and calls:
        message = {"role": "assistant", "content": attributes[_TEXT], "tool_calls": decode_text(calls)}
        found = Bodies(found.input, dump_json(message), (*found.keys, _TOOL_CALLS))
    if found.input is None or found.output is None:
        return with_missing_side(found, genai.bodies_of_attributes(span))
    return found
