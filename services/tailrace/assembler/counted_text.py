"""What of an input and an output is counted as tokens: the stored text in, texts and the tokens that stand in none of them out.

A chat is counted as OpenAI describes it (How to count tokens with tiktoken, in its cookbook): each message takes 3 tokens besides its role, name and
content, a name 1 more, and the answer is begun with 3. Everything else is counted as the text that it is. Of an answer only what the model wrote
counts: its content and the calls of tools.
"""

import re
from typing import Any, Final, NamedTuple, cast

from tailrace.assembler.mapping.values import decode_text, dump_json

TOKENS_PER_MESSAGE: Final = 3
TOKENS_PER_NAME: Final = 1
TOKENS_OF_REPLY: Final = 3

_MORE_THAN_TEXT: Final = re.compile(
    r"@@@langfuseMedia:|data:[a-z]{1,20}/[\w.+-]{1,80};base64,"
    r'|"type" ?: ?"(?:image|image_url|input_image|audio|input_audio|file|input_file|video|document|media|blob|uri)"'
)
_ASKED: Final = ("role", "name", "content", "parts", "tool_calls", "function_call")
_ANSWERED: Final = ("content", "parts", "tool_calls", "function_call", "refusal")
_DEFINITIONS: Final = ("tools", "functions")


class Counted(NamedTuple):
    """Texts whose tokens are counted apart, and tokens beyond them."""

    texts: list[str]
    extra_tokens: int = 0


def is_more_than_text(text: str) -> bool:
    """Whether there are images, sound or files in it, or references to some: their tokens are not those of the text."""
    return _MORE_THAN_TEXT.search(text) is not None


def count_input(text: str) -> Counted:
    """What of an input is counted: the messages of a chat with their overhead and the definitions of tools, or the text itself."""
    parsed: Any = decode_text(text)
    told = cast("dict[str, Any]", parsed) if isinstance(parsed, dict) else {}
    messages = _messages_of(told.get("messages", parsed))
    if messages is None:
        return Counted([parsed if isinstance(parsed, str) else text])
    texts = [part for message in messages for part in _texts_of(message, _ASKED)]
    texts += [dump_json(told[name]) for name in _DEFINITIONS if told.get(name)]
    named = sum(1 for message in messages if isinstance(message.get("name"), str))
    return Counted(texts, TOKENS_PER_MESSAGE * len(messages) + TOKENS_PER_NAME * named + TOKENS_OF_REPLY)


def count_output(text: str) -> Counted:
    """What of an output is counted: the content of messages, or the text itself."""
    parsed: Any = decode_text(text)
    messages = _messages_of(parsed)
    if messages is None:
        return Counted([parsed if isinstance(parsed, str) else text])
    return Counted([part for message in messages for part in _texts_of(message, _ANSWERED)])


def count_embedded(text: str) -> Counted:
    """What of an embedding's input is counted: each text of a list by itself, or the text."""
    parsed: Any = decode_text(text)
    if isinstance(parsed, list):
        listed = cast("list[Any]", parsed)
        if listed and all(isinstance(item, str) for item in listed):
            return Counted(listed)
    return Counted([parsed if isinstance(parsed, str) else text])


def _messages_of(parsed: Any) -> list[dict[str, Any]] | None:
    """The messages of a chat, or one message; None if it is something else."""
    items = cast("list[Any]", parsed) if isinstance(parsed, list) else [parsed]
    if items and all(isinstance(item, dict) and isinstance(item.get("role"), str) for item in items):  # pyright: ignore[reportUnknownMemberType]
        return items
    return None


def _texts_of(message: dict[str, Any], names: tuple[str, ...]) -> list[str]:
    return [text for name in names if (value := message.get(name)) for text in _texts_in(value)]


def _texts_in(value: Any) -> list[str]:
    """The texts of a content: a text, parts with a text each, or anything else as its JSON."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, list):
        return [_text_of_part(part) for part in cast("list[Any]", value)]
    return [dump_json(value)]


def _text_of_part(part: Any) -> str:
    if isinstance(part, str):
        return part
    if isinstance(part, dict):
        told = cast("dict[str, Any]", part)
        for name in ("text", "content"):
            if isinstance(told.get(name), str):
                return told[name]
    return dump_json(part)
