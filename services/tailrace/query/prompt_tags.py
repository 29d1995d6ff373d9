"""What the texts of prompts hold beside words: tags that include other prompts, and variables. Pure; in time that grows with the text alone.

A tag is `@@@langfusePrompt:name=X|version=N@@@` or `@@@langfusePrompt:name=X|label=L@@@`. What is not quite one is a text like any other.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

MAX_VERSION: Final = 2**31 - 1

OPENING: Final = "@@@langfusePrompt:"
_closing: Final = "@@@"
_version: Final = re.compile(r"[0-9]{1,10}", re.ASCII)


class Reference(NamedTuple):
    """What a tag includes: a version of a prompt, or the version that has a label."""

    name: str
    version: int | None = None
    label: str | None = None


def references_of(text: str) -> list[Reference]:
    """What the text includes, in its order, each as often as it does."""
    return [reference for _, _, reference in _tags(text)]


def include(text: str, texts: Mapping[Reference, str]) -> str:
    """The text with each tag replaced by the text of what it includes. Raises KeyError for one that is not in `texts`."""
    pieces: list[str] = []
    kept = 0
    for start, end, reference in _tags(text):
        pieces += (text[kept:start], texts[reference])
        kept = end
    pieces.append(text[kept:])
    return "".join(pieces)


def variables_of(text: str) -> Iterator[str]:
    """The names between double braces, as SDKs find them."""
    start = text.find("{{")
    while start >= 0:
        end = text.find("}}", start)
        if end < 0:
            return
        yield text[start + 2 : end].strip()
        start = text.find("{{", end + 2)


def _tags(text: str) -> Iterator[tuple[int, int, Reference]]:
    start = text.find(OPENING)
    while start >= 0:
        inner = start + len(OPENING)
        end = text.find(_closing, inner)
        if end < 0:
            return
        reference = _read(text[inner:end])
        if reference is not None:
            yield start, end + len(_closing), reference
        start = text.find(OPENING, end if reference is None else end + len(_closing))


def _read(inner: str) -> Reference | None:
    name, separator, which = inner.partition("|")
    kind, equals, value = which.partition("=")
    if not name.startswith("name=") or not separator or not equals or "|" in which or not value:
        return None
    name = name.removeprefix("name=")
    if kind == "label" and name:
        return Reference(name, label=value)
    if kind == "version" and name and _version.fullmatch(value) and int(value) <= MAX_VERSION:
        return Reference(name, version=int(value))
    return None
