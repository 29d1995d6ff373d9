"""How a model name as a sender wrote it is looked up: name in, the model it means out, or None.

Senders write one model in many ways: `gpt-4o`, `openai/gpt-4o`, `azure:gpt-4o`, `models/gemini-2.5-pro`, a Bedrock ARN,
`claude-sonnet-4-5@20250929`. Names are compared in lower case. The most specific reading that is known wins:

1. the name as it is, else without its route: a first word before `/` or `:` that leads to certain providers
   (`groq/…`, `vertex_ai/…`); then only those providers' models are looked at, and none is guessed;
2. within a reading: a whole name (`exact`), then the same with a compact date spelt out (`-20251211` is `-2025-12-11`), then the
   longest `versioned` name that is followed by a version suffix only (`-20250929`, `-v1:0`, `@001`, `-preview-05-06`, `-latest`);
3. a Bedrock id without `us.`, which is sold at the price of its regions. Other geographies and regions have prices of their own: they
   match by name only, and a Bedrock name that tells a region outside the US is unknown.

Never by likeness: `gpt-4o-new` is not `gpt-4o`.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

T = TypeVar("T")

MAX_NAME_CHARACTERS = 300

_VERSION_SUFFIX = re.compile(
    r"(?:[-@](?:\d{8}|\d{4}-\d{2}-\d{2}|\d{3,4}|v\d+|latest|beta|stable|default"
    r"|(?:preview|exp|experimental)(?:-\d{2}-\d{2}(?:\d{2})?)?)|:\d+k?)+",
)
_COMPACT_DATE = re.compile(r"-(20\d{2})(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?=$|[-:])")
_US_GEOGRAPHY = re.compile(r"us\.(?=[a-z0-9]+\.)")
_US_ARN = re.compile(r"arn:aws:bedrock:us-(?:east-1|east-2|west-2):[^/]*/")
_DEPLOYMENT_STEP = re.compile(
    r"(?:converse|converse_like|invoke|us-east-1|us-east-2|us-west-2|global|global-standard)/"
)
_WRAPPERS = frozenset({"litellm", "litellm_proxy", "models", "routers"})
_MAX_ROUTES = 3


def is_version_suffix(text: str) -> bool:
    """Whether the text after a versioned name only says which version of it is meant."""
    return _VERSION_SUFFIX.fullmatch(text) is not None


def without_route(name: str) -> tuple[str, str] | None:
    """The first word and the rest of `word/rest` or `word:rest`; None for a name of one word."""
    ends = [at for at in (name.find("/"), name.find(":")) if at > 0]
    if not ends or min(ends) == len(name) - 1:
        return None
    return name[: min(ends)], name[min(ends) + 1 :]


class NameSpace(Generic[T]):
    """The names of one provider, or the bare names of all."""

    def __init__(self) -> None:
        self._exact: dict[str, T] = {}
        self._versioned: dict[str, T] = {}

    def add(self, value: T, exact: tuple[str, ...], versioned: tuple[str, ...]) -> None:
        """Make the names mean the value. Raises ValueError if one of them already means another."""
        for names, kind in ((exact + versioned, self._exact), (versioned, self._versioned)):
            for name in names:
                if kind.setdefault(name, value) is not value:
                    raise ValueError(f"the model name {name} has two meanings")

    def find(self, name: str) -> T | None:
        """The meaning of a lower-case name without route."""
        for reading in _readings(name):
            found = self._exact.get(reading)
            if found is None:
                found = self._find_versioned(reading)
            if found is not None:
                return found
        return None

    def _find_versioned(self, name: str) -> T | None:
        for end in range(len(name) - 1, 0, -1):
            if name[end] in "-@:":
                found = self._versioned.get(name[:end])
                if found is not None and is_version_suffix(name[end:]):
                    return found
        return None


class ModelNames(Generic[T]):
    """All names of a price table. `routes` maps a route to the providers that it leads to, the first to be asked first."""

    def __init__(self, routes: Mapping[str, tuple[str, ...]]) -> None:
        self._routes = dict(routes)
        self._bare: NameSpace[T] = NameSpace()
        self._spaces: dict[str, NameSpace[T]] = {}

    def add(self, value: T, provider: str, names: tuple[tuple[str, ...], tuple[str, ...]], *, bare: bool) -> None:
        """Make (exact, versioned) names of a provider mean the value. Raises ValueError on a second meaning."""
        self._spaces.setdefault(provider, NameSpace()).add(value, *names)
        if bare:
            self._bare.add(value, *names)

    def find(self, model: str) -> T | None:
        """The meaning of a model name as a sender wrote it."""
        if len(model) > MAX_NAME_CHARACTERS:
            return None
        name = _fine_tune_base(model.strip().lower())
        found = self._bare.find(name)
        if found is not None:
            return found
        return self._find_routed(_resource_tail(name))

    def _find_routed(self, name: str) -> T | None:
        allowed: tuple[str, ...] | None = None
        for _ in range(_MAX_ROUTES):
            found = self._find_at(name, allowed)
            parts = without_route(name)
            if found is not None or parts is None:
                return found
            word, name = parts
            if word in _WRAPPERS:
                continue
            leads_to = self._routes.get(word)
            if leads_to is None:
                return None
            allowed = leads_to if allowed is None else tuple(p for p in leads_to if p in allowed)
            name = _DEPLOYMENT_STEP.sub("", name, count=1)
        return self._find_at(name, allowed)

    def _find_at(self, name: str, allowed: tuple[str, ...] | None) -> T | None:
        if allowed is None:
            return self._bare.find(name)
        for provider in allowed:
            space = self._spaces.get(provider)
            found = None if space is None else space.find(name)
            if found is not None:
                return found
        return None


def _readings(name: str) -> Iterator[str]:
    yield name
    dashed = _COMPACT_DATE.sub(r"-\1-\2-\3", name)
    if dashed != name:
        yield dashed
    if _US_GEOGRAPHY.match(name):
        yield name.removeprefix("us.")


def _resource_tail(name: str) -> str:
    """The model in a cloud's resource name: `arn:…/<model>`, `publishers/google/models/<model>`."""
    if name.startswith("arn:"):
        return _US_ARN.sub("", name)
    if name.startswith(("projects/", "publishers/")):
        return name.rpartition("/models/")[2]
    return name


def _fine_tune_base(name: str) -> str:
    """OpenAI names a fine-tune `ft:<base model>:<organisation>:<suffix>:<id>`; its price is the base model's."""
    return ":".join(name.split(":")[:2]) if name.startswith("ft:") else name
