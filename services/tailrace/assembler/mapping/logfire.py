"""Pydantic Logfire (`logfire.*`): messages as names, levels as numbers, and events of a call in one attribute.

Source: `logfire-sdk` 5.4, `_internal/constants.py`; `all_messages_events` and `events` are what Pydantic AI wrote for it before its version 2.
"""

from typing import Any, Final, cast

from tailrace.assembler.mapping.bodies import Bodies, single_or_list
from tailrace.assembler.mapping.values import decode_text, dump_json
from tailrace.wire.otlp import SpanData

CONVENTION: Final = "Logfire"

MESSAGE: Final = "logfire.msg"
LEVEL: Final = "logfire.level_num"
PROMPTS: Final = ("prompt", "all_messages_events")
EVENTS: Final = "events"
PARAMETERS: Final = "model_settings"

_CHOICE: Final = "gen_ai.choice"
_ANSWER: Final = "gen_ai.assistant.message"
_WARNING_FROM: Final = 13
_ERROR_FROM: Final = 17
_DEFAULT_FROM: Final = 9


def level(span: SpanData) -> str | None:
    """OpenTelemetry's numbers of severity: 9 is information, 13 a warning, 17 an error."""
    number = span.attributes.get(LEVEL)
    if type(number) is not int or number <= 0:
        return None
    if number >= _ERROR_FROM:
        return "ERROR"
    return "WARNING" if number >= _WARNING_FROM else "DEFAULT" if number >= _DEFAULT_FROM else "DEBUG"


def bodies_of_events(span: SpanData) -> Bodies | None:
    """Choices are the output, every other event is input. Without a choice the answer is the assistant's message at the end, if there is one."""
    given = decode_text(span.attributes.get(EVENTS))
    if not isinstance(given, list):
        return None
    entries = [cast("dict[str, Any]", one) for one in cast("list[Any]", given) if isinstance(one, dict)]
    choices = [entry for entry in entries if entry.get("event.name") == _CHOICE]
    messages = [entry for entry in entries if entry.get("event.name") != _CHOICE]
    if not entries:
        return None
    if not choices and len(messages) > 1 and messages[-1].get("event.name") == _ANSWER:
        choices = [messages.pop()]
    return Bodies(dump_json(messages) if messages else None, single_or_list(choices), (EVENTS,))
