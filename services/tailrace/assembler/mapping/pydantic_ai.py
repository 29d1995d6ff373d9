"""Pydantic AI: the messages and the result of a run, the call of a tool, and the tools of a request. The rest it says as OpenTelemetry does.

Source: `pydantic-ai-slim` 2.68, `_instrumentation.py` and `capabilities/instrumentation.py`; `tool_arguments` and `tool_response` are those of version 1.
"""

from typing import Any, Final, cast

from tailrace.assembler.mapping.bodies import Bodies, pair, with_system_message
from tailrace.assembler.mapping.genai import SYSTEM_INSTRUCTIONS
from tailrace.assembler.mapping.tools import Tools
from tailrace.assembler.mapping.values import dump_json, parse_object
from tailrace.wire.otlp import SpanData

CONVENTION: Final = "Pydantic AI"
SCOPE: Final = "pydantic-ai"

MESSAGES: Final = "pydantic_ai.all_messages"
RESULT: Final = "final_result"
TOOL_CALL: Final = ("tool_arguments", "tool_response")
REQUEST_PARAMETERS: Final = "model_request_parameters"

_TOOL_LISTS: Final = ("function_tools", "output_tools", "builtin_tools", "native_tools")


def bodies(span: SpanData) -> Bodies | None:
    """A run's messages, with its instructions, and its result; else a tool's call."""
    attributes = span.attributes
    found = pair(attributes, MESSAGES, RESULT)
    if found is None:
        return pair(attributes, *TOOL_CALL)
    instructions = attributes.get(SYSTEM_INSTRUCTIONS)
    told = None if instructions is None else with_system_message(attributes.get(MESSAGES), instructions)
    return found if told is None else Bodies(told, found.output, (*found.keys, SYSTEM_INSTRUCTIONS))


def tools(span: SpanData) -> Tools | None:
    """The tools of all kinds. What else the attribute says (the mode of the output, and more) stays."""
    given = parse_object(span.attributes.get(REQUEST_PARAMETERS)) or {}
    definitions: list[Any] = []
    for name in _TOOL_LISTS:
        if isinstance(given.get(name), list):
            definitions += cast("list[Any]", given.pop(name))
    left = {REQUEST_PARAMETERS: dump_json(given)} if given else {}
    return Tools(definitions, (REQUEST_PARAMETERS,), left) if definitions else None
