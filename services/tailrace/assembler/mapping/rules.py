"""One entry of a precedence list: whose convention it is, when it can apply at all, and how it reads a span."""

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from typing import Any, Generic, NamedTuple, TypeVar

from tailrace.assembler.mapping.values import parse_object, text_of
from tailrace.wire.otlp import SpanData

T = TypeVar("T")

Parameters = dict[str, Any] | str
"""Model parameters, or a warning of what stands in their place."""


class Rule(NamedTuple, Generic[T]):
    """`read` is only asked if the span's scope is `scope`, one of `names` is among its attributes, and it has events if these are read.

    A name that ends in a dot stands for all that start so. No names: there is nothing in the attributes to look for.
    """

    convention: str
    read: Callable[[SpanData], T | None]
    names: tuple[str, ...] = ()
    scope: str | None = None
    of_events: bool = False

    def can_apply(self, given: AbstractSet[str], scope: str) -> bool:
        """`given`: the names of a span's attributes."""
        if self.scope is not None and self.scope != scope:
            return False
        return not self.names or any(_occurs(name, given) for name in self.names)


def text_rule(convention: str, name: str) -> Rule[str]:
    """The attribute itself as text, unless it is empty."""

    def read(span: SpanData) -> str | None:
        return text_of(span.attributes.get(name) or None)

    return Rule(convention, read, (name,))


def object_rule(convention: str, name: str) -> Rule[Parameters]:
    """The attribute as a JSON object, a warning if it is anything else that is not empty."""

    def read(span: SpanData) -> Parameters | None:
        given = span.attributes.get(name)
        found = parse_object(given)
        return found or (None if is_empty(given) else f"{name} is no JSON object and was left out")

    return Rule(convention, read, (name,))


def is_empty(value: Any) -> bool:
    """Whether a value says nothing: also as the JSON of an empty object or of null."""
    return not value or (isinstance(value, str) and value.strip() in ("{}", "null"))


def _occurs(name: str, given: AbstractSet[str]) -> bool:
    return any(key.startswith(name) for key in given) if name.endswith(".") else name in given
