"""Putting prompts together, against a naive reading of the same tags."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.query.errors import InvalidRequestError
from tailrace.query.prompt_graph import load_graph
from tailrace.query.prompt_tags import Reference
from tailrace.query.rows import PromptRead
from tests.query.seed import NOON

Edges = dict[int, list[int]]


def version(number: int, edges: Edges) -> PromptRead:
    """The prompt p<number>, which includes others by its edges."""
    text = f"{number}" + "".join(f"({tag(child)})" for child in edges.get(number, []))
    return PromptRead(
        id=f"id{number}",
        name=f"p{number}",
        version=1,
        type="text",
        prompt=text,
        config="{}",
        labels=[],
        tags=[],
        commit_message=None,
        created_by="API",
        created_at=NOON,
        updated_at=NOON,
    )


def tag(number: int) -> str:
    return f"@@@langfusePrompt:name=p{number}|{'version=1' if number % 2 else 'label=l'}@@@"


def expand(number: int, edges: Edges) -> str:
    return f"{number}" + "".join(f"({expand(child, edges)})" for child in edges.get(number, []))


def depth(number: int, edges: Edges) -> int:
    return max((depth(child, edges) + 1 for child in edges.get(number, [])), default=0)


class Store:
    """Prompts of a graph; counts what is asked for at once."""

    def __init__(self, edges: Edges) -> None:
        self._edges = edges
        self.asked: list[list[str]] = []

    async def fetch(self, references: list[Reference]) -> Mapping[Reference, PromptRead]:
        self.asked.append([one.name for one in references])
        return {one: version(int(one.name[1:]), self._edges) for one in references}


downward = st.fixed_dictionaries({number: st.lists(st.integers(number + 1, 8), max_size=3) for number in range(8)})
any_edges = st.dictionaries(st.integers(0, 6), st.lists(st.integers(0, 6), max_size=3), max_size=7)


@given(downward)
async def test_a_graph_without_a_circle_reads_as_its_tags_do(edges: Edges) -> None:
    store = Store(edges)
    graph = await load_graph(version(0, edges), store.fetch)

    assert graph.resolve().prompt == expand(0, edges)
    assert graph.depth() == depth(0, edges)
    asked = [name for names in store.asked for name in names]
    assert len(store.asked) <= depth(0, edges) + 1
    assert graph.names() == set(asked)


def has_circle(edges: Edges) -> bool:
    """Whether a walk from 0 can come back to where it was."""

    def walk(number: int, path: frozenset[int]) -> bool:
        return number in path or any(walk(child, path | {number}) for child in edges.get(number, []))

    return walk(0, frozenset())


@given(any_edges)
async def test_a_circle_anywhere_is_found_and_nothing_else_is_taken_for_one(edges: Edges) -> None:
    if has_circle(edges):
        with pytest.raises(InvalidRequestError, match="circular"):
            await load_graph(version(0, edges), Store(edges).fetch)
    else:
        graph = await load_graph(version(0, edges), Store(edges).fetch)
        assert graph.resolve().prompt == expand(0, edges)


async def test_a_prompt_without_tags_asks_for_nothing() -> None:
    store = Store({})
    graph = await load_graph(version(0, {}), store.fetch)

    assert graph.resolve() == ("0", None)
    assert store.asked == []
