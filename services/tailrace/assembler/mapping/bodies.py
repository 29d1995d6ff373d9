"""Input and output of a span, the attributes that they stood in, and the ways in which several conventions write them."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, cast

from tailrace.assembler.mapping.indexed import rebuild
from tailrace.assembler.mapping.rules import Rule
from tailrace.assembler.mapping.values import decode_text, dump_json, text_of
from tailrace.wire.otlp import SpanData


class Bodies(NamedTuple):
    """`input` and `output` are the texts to store. `keys`: attributes that are used up by them. `left`: what is left of some of these."""

    input: str | None
    output: str | None
    keys: tuple[str, ...]
    left: Mapping[str, str] = {}


def pair(attributes: Mapping[str, Any], input_key: str, output_key: str) -> Bodies | None:
    """Two attributes; None if both are empty."""
    given, answer = attributes.get(input_key), attributes.get(output_key)
    if _is_empty(given) and _is_empty(answer):
        return None
    return Bodies(text_of(given), text_of(answer), (input_key, output_key))


def first_of(attributes: Mapping[str, Any], inputs: Iterable[str], outputs: Iterable[str]) -> Bodies | None:
    """The first attribute of either side that is not empty; None if there is none."""
    input_key, output_key = _first_given(attributes, inputs), _first_given(attributes, outputs)
    if input_key is None and output_key is None:
        return None
    given = None if input_key is None else text_of(attributes[input_key])
    answer = None if output_key is None else text_of(attributes[output_key])
    return Bodies(given, answer, tuple(key for key in (input_key, output_key) if key is not None))


def pair_rule(convention: str, input_key: str, output_key: str, scope: str | None = None) -> Rule[Bodies]:
    """A block that two attributes make."""

    def read(span: SpanData) -> Bodies | None:
        return pair(span.attributes, input_key, output_key)

    return Rule(convention, read, (input_key, output_key), scope)


def indexed_rule(convention: str, input_prefix: str, output_prefix: str) -> Rule[Bodies]:
    """A block that was flattened into attribute names, or stands whole under the bare name."""

    def read(span: SpanData) -> Bodies | None:
        given, input_keys = _under(span.attributes, input_prefix)
        answer, output_keys = _under(span.attributes, output_prefix)
        keys = (*input_keys, *output_keys)
        return Bodies(given, answer, keys) if keys else None

    names = tuple(name for prefix in (input_prefix, output_prefix) for name in (prefix, f"{prefix}."))
    return Rule(convention, read, names)


def with_missing_side(found: Bodies, other: Bodies | None) -> Bodies:
    """`found`, with a side that it lacks from `other`, whose keys are its input's, its output's and what stands before the input."""
    if other is None or (found.input is not None and found.output is not None):
        return found
    if found.input is None:
        return Bodies(other.input, found.output, (*found.keys, other.keys[0], *other.keys[2:]))
    return Bodies(found.input, other.output, (*found.keys, other.keys[1]))


def single_or_list(items: list[Any]) -> str | None:
    """One item as itself, several as a list, none as None."""
    return dump_json(items[0] if len(items) == 1 else items) if items else None


def with_system_message(messages: Any, instructions: Any) -> str | None:
    """The messages with the instructions before them; None if they have a system message already, or are no list."""
    decoded: Any = [] if messages is None else decode_text(messages)
    if not isinstance(decoded, list):
        return None
    listed = cast("list[Any]", decoded)
    if any(_role_of(message) == "system" for message in listed):
        return None
    content = decode_text(instructions)
    place = "parts" if isinstance(content, list) else "content"
    return dump_json([{"role": "system", place: content}, *listed])


def _under(attributes: Mapping[str, Any], prefix: str) -> tuple[str | None, list[str]]:
    rebuilt, keys = rebuild(attributes, prefix)
    if keys:
        return dump_json(rebuilt), keys
    given = attributes.get(prefix)
    return (None, []) if _is_empty(given) else (text_of(given), [prefix])


def _first_given(attributes: Mapping[str, Any], keys: Iterable[str]) -> str | None:
    for key in keys:
        if not _is_empty(attributes.get(key)):
            return key
    return None


def _is_empty(value: Any) -> bool:
    return value is None or value == ""


def _role_of(message: Any) -> Any:
    return cast("dict[str, Any]", message).get("role") if isinstance(message, dict) else None
