"""The Vercel AI SDK (`ai.*`): operations, names, and the identity that its telemetry metadata carries."""

from collections.abc import Mapping
from typing import Any, Final

from tailrace.assembler.mapping.values import decode_text, text_of

MODEL: Final = "ai.model.id"
OPERATION_ID: Final = "ai.operationId"
OPERATION_NAME: Final = "operation.name"
FUNCTION_ID: Final = "ai.telemetry.functionId"
TOOL_NAME: Final = "ai.toolCall.name"
METADATA: Final = "ai.telemetry.metadata."
USER_ID: Final = "ai.telemetry.metadata.userId"
SESSION_ID: Final = "ai.telemetry.metadata.sessionId"
TAGS: Final = "ai.telemetry.metadata.tags"
PROMPT: Final = "ai.telemetry.metadata.langfusePrompt"

TRACE_UPDATES: Final = frozenset({USER_ID, SESSION_ID, TAGS})
_NOT_METADATA: Final = frozenset({USER_ID, SESSION_ID, TAGS, PROMPT})

_MODEL_OPERATIONS: Final = {
    "ai.generateText.doGenerate": "GENERATION",
    "ai.generateObject.doGenerate": "GENERATION",
    "ai.streamText.doStream": "GENERATION",
    "ai.streamObject.doStream": "GENERATION",
    "ai.embed.doEmbed": "EMBEDDING",
    "ai.embedMany.doEmbed": "EMBEDDING",
}
_TOOL_CALL: Final = "ai.toolCall"


def observation_type(attributes: Mapping[str, Any], *, has_model: bool) -> str | None:
    """By the operation; those of models only count on a span that names one."""
    operation, operation_id = attributes.get(OPERATION_NAME), attributes.get(OPERATION_ID)
    if operation is None and operation_id is None:
        return None
    first_word = operation.partition(" ")[0] if isinstance(operation, str) else None
    for word in (first_word, operation_id):
        if not isinstance(word, str):
            continue
        if has_model and word in _MODEL_OPERATIONS:
            return _MODEL_OPERATIONS[word]
        if word == _TOOL_CALL:
            return "TOOL"
    return None


def name(attributes: Mapping[str, Any]) -> str | None:
    """The tool's name, or the operation with the function that the application names."""
    tool = attributes.get(TOOL_NAME)
    if tool:
        return text_of(tool)
    operation = attributes.get(OPERATION_ID)
    if not isinstance(operation, str) or not operation:
        return None
    function = attributes.get(FUNCTION_ID)
    return f"{function}:{operation}" if function else operation


def read_metadata(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The application's own metadata, without what has a field of its own."""
    return {
        key[len(METADATA) :]: decode_text(value)
        for key, value in attributes.items()
        if key.startswith(METADATA) and key not in _NOT_METADATA
    }
