"""Including prompts in prompts: stored versions in, the full text of one and the graph of what it includes out.

What is included is fetched level by level, and each version is put together once, however often it is included. Sizes are known before any
text is made, so that a few short prompts that include each other many times over cannot fill the memory.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

from tailrace.query.errors import InvalidRequestError
from tailrace.query.prompt_tags import OPENING, Reference, include, references_of
from tailrace.query.rows import PromptRead
from tailrace.wire.lenient_json import dump_json, load_json

MAX_DEPTH: Final = 5
"""Prompts below each other that a new version may include."""

MAX_INCLUDED: Final = 500
"""Versions that one prompt may include in all."""

MAX_BYTES: Final = 4 * 1024 * 1024
"""Of UTF-8 that a prompt with all that it includes may have."""

Fetch = Callable[[list[Reference]], Awaitable[Mapping[Reference, PromptRead]]]
"""The versions that references lead to; those that lead nowhere are left out."""


class Resolved(NamedTuple):
    """A prompt with all that it includes. `graph`: as the API shows it, None if it includes nothing."""

    prompt: str
    graph: dict[str, Any] | None


class _Node(NamedTuple):
    version: PromptRead
    contents: tuple[str, ...]
    children: dict[Reference, str]


class Graph:
    """A version and all that it includes, by id."""

    def __init__(self, root: PromptRead, nodes: Mapping[str, _Node]) -> None:
        self.root = root
        self._nodes = nodes
        self._order = _children_first(root, nodes)

    def depth(self) -> int:
        """How many prompts there are below each other under the root."""
        depths: dict[str, int] = {}
        for id_ in self._order:
            depths[id_] = max((depths[child] + 1 for child in self._nodes[id_].children.values()), default=0)
        return depths[self.root.id]

    def names(self) -> set[str]:
        """The names of what is included."""
        return {node.version.name for id_, node in self._nodes.items() if id_ != self.root.id}

    def resolve(self) -> Resolved:
        """The text with everything included. Raises InvalidRequestError if it would be too large."""
        if not self._nodes[self.root.id].children:
            return Resolved(self.root.prompt, None)
        texts: dict[str, str] = {}
        sizes: dict[str, int] = {}
        for id_ in self._order:
            node = self._nodes[id_]
            sizes[id_] = sum(_size(content, node.children, sizes) for content in node.contents)
            if sizes[id_] > MAX_BYTES:
                raise InvalidRequestError(
                    f"expected at most {MAX_BYTES} bytes with all that is included, got more in {_shown(node.version)}",
                    "prompt",
                )
            if id_ != self.root.id:
                texts[id_] = include(node.version.prompt, _by_reference(node.children, texts))
        children = _by_reference(self._nodes[self.root.id].children, texts)
        return Resolved(_include_all(self.root, children), self._shape())

    def _shape(self) -> dict[str, Any]:
        return {
            "root": _identity(self.root),
            "dependencies": {
                id_: [_identity(self._nodes[child].version) for child in dict.fromkeys(node.children.values())]
                for id_, node in self._nodes.items()
                if node.children
            },
        }


def includes_others(version: PromptRead) -> bool:
    """Whether there may be anything to put together."""
    return OPENING in version.prompt


async def load_graph(root: PromptRead, fetch: Fetch) -> Graph:
    """Everything that `root` includes. Raises InvalidRequestError for what leads nowhere, is no text, is too much, or includes itself."""
    nodes: dict[str, _Node] = {}
    frontier = [root]
    while frontier:
        parts = {version.id: _contents(version) for version in frontier}
        wanted = {version.id: _references(parts[version.id]) for version in frontier}
        references = list(dict.fromkeys(one for each in wanted.values() for one in each))
        if len(nodes) + len(references) > MAX_INCLUDED:
            raise _wrong(f"expected at most {MAX_INCLUDED} included versions, got more in {_shown(root)}")
        found: Mapping[Reference, PromptRead] = await fetch(references) if references else {}
        following: dict[str, PromptRead] = {}
        for version in frontier:
            children = {reference: _child(found, reference, version) for reference in wanted[version.id]}
            following |= {child.id: child for child in children.values()}
            ids = {reference: child.id for reference, child in children.items()}
            nodes[version.id] = _Node(version, parts[version.id], ids)
        frontier = [version for id_, version in following.items() if id_ not in nodes]
    return Graph(root, nodes)


def _contents(version: PromptRead) -> tuple[str, ...]:
    if version.type == "text":
        return (version.prompt,)
    messages = _messages(version)
    return tuple(str(message["content"]) for message in messages if message.get("type") != "placeholder")


def _messages(version: PromptRead) -> list[dict[str, Any]]:
    return load_json(version.prompt.encode())


def _include_all(version: PromptRead, texts: Mapping[Reference, str]) -> str:
    if version.type == "text":
        return include(version.prompt, texts)
    messages = _messages(version)
    return dump_json(
        [
            message
            if message.get("type") == "placeholder"
            else message | {"content": include(str(message["content"]), texts)}
            for message in messages
        ]
    )


def _references(contents: Iterable[str]) -> list[Reference]:
    return list(dict.fromkeys(reference for content in contents for reference in references_of(content)))


def _child(found: Mapping[Reference, PromptRead], reference: Reference, parent: PromptRead) -> PromptRead:
    child = found.get(reference)
    if child is None:
        which = f"label {reference.label!r}" if reference.version is None else f"version {reference.version}"
        raise _wrong(f"{_shown(parent)} includes {reference.name!r} with {which}, which there is not")
    if child.type != "text":
        raise _wrong(f"{_shown(parent)} includes {_shown(child)}, which is a chat: only texts can be included")
    return child


def _children_first(root: PromptRead, nodes: Mapping[str, _Node]) -> list[str]:
    """Ids in an order in which what is included comes before what includes it. Raises InvalidRequestError for a circle."""
    order: list[str] = []
    done: set[str] = set()
    path: dict[str, None] = {}
    waiting: list[tuple[str, bool]] = [(root.id, False)]
    while waiting:
        id_, left = waiting.pop()
        if left:
            path.pop(id_)
            done.add(id_)
            order.append(id_)
        elif id_ in path:
            raise _wrong(f"{_shown(nodes[id_].version)} would include itself: circular dependencies cannot be resolved")
        elif id_ not in done:
            path[id_] = None
            waiting.append((id_, True))
            waiting.extend((child, False) for child in dict.fromkeys(nodes[id_].children.values()))
    return order


def _size(content: str, children: Mapping[Reference, str], sizes: Mapping[str, int]) -> int:
    """At least the bytes that the content has with all that it includes."""
    return len(content.encode()) + sum(sizes[children[reference]] for reference in references_of(content))


def _by_reference(children: Mapping[Reference, str], texts: Mapping[str, str]) -> dict[Reference, str]:
    return {reference: texts[id_] for reference, id_ in children.items()}


def _identity(version: PromptRead) -> dict[str, Any]:
    return {"id": version.id, "name": version.name, "version": version.version}


def _shown(version: PromptRead) -> str:
    return f"{version.name!r} version {version.version}"


def _wrong(message: str) -> InvalidRequestError:
    return InvalidRequestError(message, "prompt")
