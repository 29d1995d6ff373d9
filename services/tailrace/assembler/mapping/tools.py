"""Definitions of tools: found in attributes of their own, and moved next to the messages that they were given with."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, cast

from tailrace.assembler.mapping.bodies import Bodies
from tailrace.assembler.mapping.rules import Rule
from tailrace.assembler.mapping.values import decode_text, dump_json
from tailrace.wire.otlp import SpanData

_MESSAGES: Final = "messages"
_TOOLS: Final = "tools"


class Tools(NamedTuple):
    """`definitions` as the sender wrote them, the attributes that they stood in, and what else these say."""

    definitions: list[Any]
    keys: tuple[str, ...]
    left: Mapping[str, str] = {}


def listed_tools(span: SpanData, key: str) -> Tools | None:
    """A list or its JSON; an item may itself be written as JSON."""
    given = decode_text(span.attributes.get(key))
    if not isinstance(given, list) or not given:
        return None
    return Tools([decode_text(item) for item in cast("list[Any]", given)], (key,))


def tools_rule(convention: str, key: str) -> Rule[Tools]:
    """An attribute that is a list of definitions."""

    def read(span: SpanData) -> Tools | None:
        return listed_tools(span, key)

    return Rule(convention, read, (key,))


def with_tools(bodies: Bodies, tools: Tools) -> Bodies:
    """The messages as an object with their tools beside them. An input of no messages, or with tools in it, stays as it is."""
    given = decode_text(bodies.input)
    if isinstance(given, list):
        told: dict[str, Any] = {_MESSAGES: given, _TOOLS: tools.definitions}
    elif isinstance(given, dict) and _MESSAGES in given and _TOOLS not in given:
        told = {**cast("dict[str, Any]", given), _TOOLS: tools.definitions}
    else:
        return bodies
    return bodies._replace(input=dump_json(told), keys=(*bodies.keys, *tools.keys), left=tools.left)
