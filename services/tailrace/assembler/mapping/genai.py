"""OpenTelemetry's GenAI conventions (`gen_ai.*`): operations, request parameters, and the places where messages stand."""

from collections.abc import Mapping
from typing import Any, Final, cast

from tailrace.assembler.mapping.bodies import Bodies
from tailrace.assembler.mapping.values import decode_text, dump_json, text_of
from tailrace.wire.otlp import SpanData

OPERATION: Final = "gen_ai.operation.name"

OPERATION_TYPES: Final = {
    "chat": "GENERATION",
    "completion": "GENERATION",
    "text_completion": "GENERATION",
    "generate_content": "GENERATION",
    "generate": "GENERATION",
    "embeddings": "EMBEDDING",
    "invoke_agent": "AGENT",
    "create_agent": "AGENT",
    "execute_tool": "TOOL",
}

REPEATING_OPERATIONS: Final = frozenset({"invoke_agent", "agent_step"})
"""Their spans repeat the model, usage and cost of the calls below them."""

TOOL_NAME: Final = "gen_ai.tool.name"
TOOL_CALL_ID: Final = "gen_ai.tool.call.id"
REQUEST_MODEL: Final = "gen_ai.request.model"
RESPONSE_MODEL: Final = "gen_ai.response.model"
CONVERSATION_ID: Final = "gen_ai.conversation.id"
REQUEST: Final = "gen_ai.request."


def request_parameters(attributes: Mapping[str, Any], prefixes: tuple[str, ...]) -> dict[str, Any]:
    """What stands under the prefixes, apart from the model."""
    found: dict[str, Any] = {}
    for key in attributes:
        if key.startswith(prefixes):
            prefix = next(prefix for prefix in prefixes if key.startswith(prefix))
            found[key[len(prefix) :]] = attributes[key]
    found.pop("model", None)
    return found


INPUT_MESSAGES: Final = "gen_ai.input.messages"
OUTPUT_MESSAGES: Final = "gen_ai.output.messages"
SYSTEM_INSTRUCTIONS: Final = "gen_ai.system_instructions"
TOOL_ARGUMENTS: Final = "gen_ai.tool.call.arguments"
TOOL_RESULT: Final = "gen_ai.tool.call.result"
_DETAILS_EVENT: Final = "gen_ai.client.inference.operation.details"
_CHOICE_EVENT: Final = "gen_ai.choice"
_MESSAGE_EVENTS: Final = {f"gen_ai.{role}.message": role for role in ("system", "user", "assistant", "tool")}


def bodies_of_messages(attributes: Mapping[str, Any]) -> Bodies | None:
    """The messages of the current convention; of a tool's call its arguments and result."""
    given, answer = attributes.get(INPUT_MESSAGES), attributes.get(OUTPUT_MESSAGES)
    if given is not None or answer is not None:
        instructions = attributes.get(SYSTEM_INSTRUCTIONS)
        text = text_of(given) if instructions is None else _with_instructions(given, instructions)
        return Bodies(text, text_of(answer), (INPUT_MESSAGES, OUTPUT_MESSAGES, SYSTEM_INSTRUCTIONS))
    arguments, result = attributes.get(TOOL_ARGUMENTS), attributes.get(TOOL_RESULT)
    if arguments is None and result is None:
        return None
    return Bodies(text_of(arguments), text_of(result), (TOOL_ARGUMENTS, TOOL_RESULT))


def _with_instructions(given: Any, instructions: Any) -> str | None:
    """The messages after a system message, unless they have one."""
    decoded: Any = [] if given is None else decode_text(given)
    if not isinstance(decoded, list):
        return text_of(given)
    messages = cast("list[Any]", decoded)
    if any(_role_of(message) == "system" for message in messages):
        return text_of(given)
    content = decode_text(instructions)
    place = "parts" if isinstance(content, list) else "content"
    return dump_json([{"role": "system", place: content}, *messages])


def _role_of(message: Any) -> Any:
    return cast("dict[str, Any]", message).get("role") if isinstance(message, dict) else None


def bodies_of_details_event(span: SpanData) -> Bodies | None:
    """The messages that stand in a span event."""
    for event in span.events:
        if event.name == _DETAILS_EVENT:
            found = bodies_of_messages(event.attributes)
            if found is not None:
                return found._replace(keys=())
    return None


def bodies_of_message_events(span: SpanData) -> Bodies | None:
    """One span event per message; a single choice is the output itself, several are a list."""
    messages: list[dict[str, Any]] = []
    choices: list[dict[str, Any]] = []
    for event in span.events:
        if event.name == _CHOICE_EVENT:
            choices.append(event.attributes)
        elif event.name in _MESSAGE_EVENTS:
            messages.append({"role": _MESSAGE_EVENTS[event.name], **event.attributes})
    if not messages and not choices:
        return None
    output = choices[0] if len(choices) == 1 else choices
    return Bodies(dump_json(messages) if messages else None, dump_json(output) if choices else None, ())
