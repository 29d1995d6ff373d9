"""Our own API on one trace: its tree with own and subtree figures. Money is a decimal string in USD, latency in seconds."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import orjson

from tailrace.core.tree import Node, Tree, TreeRow, TreeWarning, WarningKind, build_tree, trace_state
from tailrace.query.bodies import observation_bodies, trace_bodies
from tailrace.query.endpoint import Answer, Call
from tailrace.query.json_text import embed_money, seconds
from tailrace.query.observation_shapes import observation_of_tree
from tailrace.query.observations import observations_of_trace
from tailrace.query.parameters import choice, groups
from tailrace.query.rows import ObservationRead
from tailrace.query.trace_shapes import trace_of_tree
from tailrace.query.traces import find_trace

_warning_texts: Final[Mapping[WarningKind, str]] = {
    "unknown_parent": "orphan: the parent {parent} of observation {id} is not known; it stands as a root",
    "own_parent": "cycle: observation {id} names itself as its parent; it stands as a root",
    "cycle": "cycle: the parents of observation {id} lead back to it; it was cut from {parent} and stands as a root",
    "starts_before_parent": "clock skew: observation {id} starts before its parent {parent}",
}


async def get_tree(call: Call) -> Answer:
    """The tree of a trace; `shape=flat` lists the nodes, parents first, for readers that cannot follow deep nesting."""
    with_io = "io" in groups(call.query, ("io",), ())
    flat = choice(call.query, "shape", ("nested", "flat")) == "flat"
    async with call.database.snapshot() as reader:
        trace = await find_trace(reader, call)
        observations = await observations_of_trace(reader, call.project_id, trace)
        body = (await trace_bodies(reader, call.project_id, [trace.id])).get(trace.id) if with_io else None
        bodies = await observation_bodies(reader, call.project_id, observations) if with_io else {}
    state = trace_state(
        root_ended=trace.root_ended, last_received_at=trace.last_received_at, amended=trace.amended, now=call.now
    )

    def build() -> bytes:
        known = {one.id: one for one in observations}
        tree = build_tree(map(_tree_row, observations))
        head = {
            "trace": trace_of_tree(call.project_id, trace, body),
            "state": state,
            "warnings": [*trace.warnings, *map(_warning_text, tree.warnings)],
        }

        def observation(id_: str) -> dict[str, Any]:
            return observation_of_tree(call.project_id, known[id_], bodies.get((trace.id, id_)))

        return b"".join(_write(head, tree, observation, flat=flat))

    return Answer(build, len(observations))


def _tree_row(one: ObservationRead) -> TreeRow:
    return TreeRow(
        id=one.id,
        parent_observation_id=one.parent_observation_id,
        start_time=one.start_time,
        end_time=one.end_time,
        level=one.level,
        total_cost=one.total_cost,
        total_tokens=one.total_tokens,
        counted=one.counted,
        is_root=one.is_root,
    )


def _warning_text(warning: TreeWarning) -> str:
    return _warning_texts[warning.kind].format(id=warning.observation_id, parent=warning.parent_observation_id)


def _write(
    head: Mapping[str, Any], tree: Tree, observation: Callable[[str], dict[str, Any]], *, flat: bool
) -> Iterator[bytes]:
    """The JSON in pieces: no recursion, and no text is copied once for each level above it."""

    def figures(node: Node) -> bytes:
        return orjson.dumps({"observation": observation(node.id), "own": _own(node), "subtree": _subtree(node)})[:-1]

    yield orjson.dumps(head)[:-1]
    yield b',"roots":'
    if flat:
        yield orjson.dumps(tree.roots)
        yield b',"nodes":['
        nodes = (figures(node) + b',"children":' + orjson.dumps(node.children) + b"}" for node in tree.nodes.values())
        yield b",".join(nodes)
        yield b"]}"
    else:
        yield b"["
        yield from _write_nested(tree, figures)
        yield b"]}"


def _write_nested(tree: Tree, figures: Callable[[Node], bytes]) -> Iterator[bytes]:
    waiting: list[str | bytes] = _with_commas(tree.roots)
    while waiting:
        part = waiting.pop()
        if isinstance(part, bytes):
            yield part
        else:
            node = tree.nodes[part]
            yield figures(node)
            yield b',"children":['
            waiting.append(b"]}")
            waiting.extend(_with_commas(node.children))


def _with_commas(ids: Sequence[str]) -> list[str | bytes]:
    """The ids, last first, with commas between them."""
    parts: list[str | bytes] = []
    for id_ in reversed(ids):
        parts.extend((id_, b","))
    return parts[:-1]


def _own(node: Node) -> dict[str, Any]:
    own = node.own
    return {
        "cost": embed_money(own.cost),
        "tokens": own.tokens,
        "latency": seconds(own.latency),
        "errors": own.errors,
        "depth": own.depth,
    }


def _subtree(node: Node) -> dict[str, Any]:
    subtree = node.subtree
    return {
        "cost": embed_money(subtree.cost),
        "tokens": subtree.tokens,
        "latency": seconds(subtree.latency),
        "errors": subtree.errors,
        "observations": subtree.observations,
        "depth": subtree.depth,
    }
