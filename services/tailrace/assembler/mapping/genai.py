"""OpenTelemetry's GenAI conventions (`gen_ai.*`): operations, request parameters, and the places where messages stand.

Source: OpenTelemetry semantic conventions for generative AI, from 1.27 (content in span events) to 1.38 (messages in attributes), and
what writes them: LiveKit 1.8, Google ADK 2.13, Pydantic AI 2, the Vercel AI SDK 7, Semantic Kernel 1.45, OpenLIT 1.45.
"""

from collections.abc import Mapping
from typing import Any, Final

from tailrace.assembler.mapping.bodies import (
    Bodies,
    indexed_rule,
    single_or_list,
    with_missing_side,
    with_system_message,
)
from tailrace.assembler.mapping.rules import Rule
from tailrace.assembler.mapping.values import decode_text, dump_json, parse_object, text_of, time_after, word_of
from tailrace.wire.otlp import SpanData

CONVENTION: Final = "OpenTelemetry GenAI"

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

_EMBEDDING: Final = "embedding"
"""As LiteLLM calls the operation."""

LATE_OPERATION_TYPES: Final = {"retrieval": "RETRIEVER", "invoke_workflow": "CHAIN"}
"""Those that only count where no model is named."""

REPEATING_OPERATIONS: Final = frozenset({"invoke_agent", "agent_step"})
"""Their spans repeat the model, usage and cost of the calls below them."""

TOOL_NAME: Final = "gen_ai.tool.name"
TOOL_CALL_ID: Final = "gen_ai.tool.call.id"
TOOL_DEFINITIONS: Final = "gen_ai.tool.definitions"
REQUEST_MODEL: Final = "gen_ai.request.model"
RESPONSE_MODEL: Final = "gen_ai.response.model"
CONVERSATION_ID: Final = "gen_ai.conversation.id"
REQUEST: Final = "gen_ai.request."
SECONDS_TO_FIRST_CHUNK: Final = (
    "gen_ai.response.time_to_first_chunk",
    "gen_ai.client.operation.time_to_first_chunk",
)

SERVER_DELAY: Final = "gen_ai.server.time_to_first_token"
IS_STREAM: Final = "gen_ai.request.stream"

INPUT_MESSAGES: Final = "gen_ai.input.messages"
OUTPUT_MESSAGES: Final = "gen_ai.output.messages"
SYSTEM_INSTRUCTIONS: Final = "gen_ai.system_instructions"
TOOL_ARGUMENTS: Final = "gen_ai.tool.call.arguments"
TOOL_RESULT: Final = "gen_ai.tool.call.result"
MESSAGES: Final = (INPUT_MESSAGES, OUTPUT_MESSAGES, TOOL_ARGUMENTS, TOOL_RESULT)
INDEXED: Final = ("gen_ai.prompt", "gen_ai.completion")

_DETAILS_EVENT: Final = "gen_ai.client.inference.operation.details"
_CHOICE_EVENT: Final = "gen_ai.choice"
_MESSAGE_EVENTS: Final = {f"gen_ai.{role}.message": role for role in ("system", "user", "assistant", "tool")}
_EVENT_CONTENT: Final = "gen_ai.event.content"
_CONTENT_EVENTS: Final = {"gen_ai.content.prompt": "gen_ai.prompt", "gen_ai.content.completion": "gen_ai.completion"}


def observation_type(span: SpanData) -> str | None:
    """By the operation."""
    return OPERATION_TYPES.get(word_of(span.attributes.get(OPERATION)))


def embedding_type(span: SpanData) -> str | None:
    """By the operation that is no word of the convention."""
    return "EMBEDDING" if span.attributes.get(OPERATION) == _EMBEDDING else None


def late_observation_type(span: SpanData) -> str | None:
    """By the operations that models have a part in."""
    return LATE_OPERATION_TYPES.get(word_of(span.attributes.get(OPERATION)))


def tool_type(span: SpanData) -> str | None:
    """What names a tool or its call is one."""
    return "TOOL" if span.attributes.get(TOOL_NAME) or span.attributes.get(TOOL_CALL_ID) else None


def repeats_calls(span: SpanData) -> bool | None:
    """Whether the operation sums up calls below it."""
    return word_of(span.attributes.get(OPERATION)) in REPEATING_OPERATIONS or None


def completion_start_time(span: SpanData) -> int | None:
    """The first chunk, told in seconds after the start."""
    for key in SECONDS_TO_FIRST_CHUNK:
        found = time_after(span.start_us, span.attributes.get(key), 1_000_000)
        if found is not None:
            return found
    return None


def first_token_time(span: SpanData) -> int | None:
    """The first token of a stream, told in seconds after the start; of an answer in one piece OpenLIT tells the whole duration."""
    if span.attributes.get(IS_STREAM) is False:
        return None
    return time_after(span.start_us, span.attributes.get(SERVER_DELAY), 1_000_000)


def request_parameters(attributes: Mapping[str, Any], prefixes: tuple[str, ...]) -> dict[str, Any]:
    """What stands under the prefixes, apart from the model."""
    found: dict[str, Any] = {}
    for key in attributes:
        if key.startswith(prefixes):
            prefix = next(prefix for prefix in prefixes if key.startswith(prefix))
            found[key[len(prefix) :]] = attributes[key]
    found.pop("model", None)
    return found


_INDEXED_RULE: Final = indexed_rule(CONVENTION, *INDEXED)


def _bodies_of_indexed(span: SpanData) -> Bodies | None:
    found = _INDEXED_RULE.read(span)
    return None if found is None else with_missing_side(found, bodies_of_attributes(span))


INDEXED_RULE: Final = Rule(CONVENTION, _bodies_of_indexed, _INDEXED_RULE.names)
"""Messages flattened into names. LiteLLM writes calls of tools so, and the messages before them in the current way."""


def bodies_of_attributes(span: SpanData) -> Bodies | None:
    """The messages of the current convention; of a tool's call its arguments and result."""
    return bodies_of_messages(span.attributes)


def bodies_of_messages(attributes: Mapping[str, Any]) -> Bodies | None:
    """The same, from the attributes of a span or of an event."""
    given, answer = attributes.get(INPUT_MESSAGES), attributes.get(OUTPUT_MESSAGES)
    if given is not None or answer is not None:
        instructions = attributes.get(SYSTEM_INSTRUCTIONS)
        told = None if instructions is None else with_system_message(given, instructions)
        if told is None:
            return Bodies(text_of(given), text_of(answer), (INPUT_MESSAGES, OUTPUT_MESSAGES))
        return Bodies(told, text_of(answer), (INPUT_MESSAGES, OUTPUT_MESSAGES, SYSTEM_INSTRUCTIONS))
    arguments, result = attributes.get(TOOL_ARGUMENTS), attributes.get(TOOL_RESULT)
    if arguments is None and result is None:
        return None
    return Bodies(text_of(arguments), text_of(result), (TOOL_ARGUMENTS, TOOL_RESULT))


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
    messages: list[Any] = []
    choices: list[Any] = []
    for event in span.events:
        if event.name == _CHOICE_EVENT:
            choices.append(_told_by(event.attributes))
        elif event.name in _MESSAGE_EVENTS:
            messages.append({"role": _MESSAGE_EVENTS[event.name], **_told_by(event.attributes)})
    if not messages and not choices:
        return None
    return Bodies(dump_json(messages) if messages else None, single_or_list(choices), ())


def _told_by(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """A message's fields: the event's attributes, and those that some writers put into one of them as JSON."""
    inner = parse_object(attributes.get(_EVENT_CONTENT))
    if inner is None:
        return dict(attributes)
    return {key: value for key, value in attributes.items() if key != _EVENT_CONTENT} | inner


def bodies_of_content_events(span: SpanData) -> Bodies | None:
    """The first convention: one event with the whole prompt, one for each completion."""
    found: dict[str, list[Any]] = {name: [] for name in _CONTENT_EVENTS}
    for event in span.events:
        if event.name in _CONTENT_EVENTS:
            given = event.attributes.get(_CONTENT_EVENTS[event.name])
            found[event.name].append(event.attributes if given is None else given)
    given, answers = found.values()
    return Bodies(_joined(given), _joined(answers), ()) if given or answers else None


def _joined(contents: list[Any]) -> str | None:
    """One content as it was written, several as a list of what they are the JSON of."""
    if len(contents) <= 1:
        return text_of(contents[0]) if contents else None
    return dump_json([decode_text(content) for content in contents])
