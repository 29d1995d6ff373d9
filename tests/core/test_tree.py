import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.core.tree import Tree, TreeRow, build_tree, cycle_cuts, trace_state

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def make_row(id_: str, parent: str | None = None, *, at_ms: int = 0, for_ms: int | None = 10, **fields: Any) -> TreeRow:
    """A counted observation that starts `at_ms` after noon and takes `for_ms`, or has no end."""
    start = NOON + timedelta(milliseconds=at_ms)
    values: dict[str, Any] = {
        "id": id_,
        "parent_observation_id": parent,
        "start_time": start,
        "end_time": None if for_ms is None else start + timedelta(milliseconds=for_ms),
        "level": "DEFAULT",
        "total_cost": None,
        "total_tokens": 0,
        "counted": True,
    }
    return TreeRow(**(values | fields))


def warnings_of(tree: Tree) -> list[tuple[str, str]]:
    return [(one.kind, one.observation_id) for one in tree.warnings]


def test_a_tree_has_own_and_subtree_figures() -> None:
    tree = build_tree(
        [
            make_row("root", at_ms=0, for_ms=1000, total_cost=Decimal("0.5")),
            make_row("call", "root", at_ms=10, for_ms=700, total_cost=Decimal("0.0000001"), total_tokens=30),
            make_row("tool", "root", at_ms=800, for_ms=400, level="ERROR", total_tokens=2),
            make_row("inner", "tool", at_ms=900, for_ms=None),
        ]
    )

    root, tool = tree.nodes["root"], tree.nodes["tool"]
    assert tree.roots == ("root",)
    assert root.children == ("call", "tool")
    assert (root.own.cost, root.own.tokens, root.own.errors, root.own.depth) == (Decimal("0.5"), 0, 0, 0)
    assert root.own.latency == timedelta(milliseconds=1000)
    assert (root.subtree.cost, root.subtree.tokens, root.subtree.errors) == (Decimal("0.5000001"), 32, 1)
    assert root.subtree.latency == timedelta(milliseconds=1200)
    assert (root.subtree.observations, root.subtree.depth) == (4, 3)
    assert (tool.own.depth, tool.subtree.depth, tree.nodes["inner"].own.depth) == (1, 2, 2)
    assert tree.nodes["inner"].own.latency is None
    assert tree.warnings == ()


def test_several_roots_are_no_repair() -> None:
    tree = build_tree([make_row("b", at_ms=5), make_row("a", at_ms=9), make_row("c", "", at_ms=5)])

    assert tree.roots == ("b", "c", "a")
    assert tree.warnings == ()


def test_an_observation_with_an_unknown_parent_is_a_root_with_a_warning() -> None:
    tree = build_tree([make_row("lost", "never-came"), make_row("child", "lost")])

    assert tree.roots == ("lost",)
    assert tree.nodes["lost"].children == ("child",)
    assert warnings_of(tree) == [("unknown_parent", "lost")]
    assert tree.warnings[0].parent_observation_id == "never-came"


def test_an_observation_whose_sender_calls_it_a_root_needs_no_parent() -> None:
    tree = build_tree([make_row("root", "never-sent", is_root=True), make_row("child", "root")])

    assert tree.roots == ("root",)
    assert tree.nodes["root"].children == ("child",)
    assert tree.warnings == ()


def test_its_own_parent_is_a_root_with_a_warning() -> None:
    tree = build_tree([make_row("snake", "snake")])

    assert tree.roots == ("snake",)
    assert warnings_of(tree) == [("own_parent", "snake")]


def test_a_cycle_is_cut_at_its_earliest_member() -> None:
    rows = [
        make_row("c", "b", at_ms=3),
        make_row("a", "c", at_ms=2),
        make_row("b", "a", at_ms=2),
        make_row("tail", "c", at_ms=9),
    ]
    tree = build_tree(rows)

    assert tree.roots == ("a",)
    assert list(tree.nodes) == ["a", "b", "c", "tail"]
    assert warnings_of(tree) == [("cycle", "a")]


def test_every_cycle_is_cut_once_and_what_leads_into_it_is_not() -> None:
    parents = {"x": "b", "a": "b", "b": "a", "c": "d", "d": "e", "e": "c", "root": None, "leaf": "root", "y": "x"}

    assert cycle_cuts(parents) == {"a", "c"}


def test_a_child_that_starts_before_its_parent_stays_with_a_warning() -> None:
    tree = build_tree([make_row("parent", at_ms=100, for_ms=10), make_row("child", "parent", at_ms=40, for_ms=20)])

    assert tree.nodes["parent"].children == ("child",)
    assert warnings_of(tree) == [("starts_before_parent", "child")]
    assert tree.nodes["parent"].subtree.latency == timedelta(milliseconds=70)


def test_an_observation_that_is_not_counted_shows_its_figures_and_adds_nothing() -> None:
    tree = build_tree(
        [
            make_row("agent", total_cost=Decimal(3), total_tokens=30, counted=False, level="ERROR"),
            make_row("call", "agent", total_cost=Decimal(3), total_tokens=30),
        ]
    )

    agent = tree.nodes["agent"]
    assert (agent.own.cost, agent.own.tokens) == (Decimal(3), 30)
    assert (agent.subtree.cost, agent.subtree.tokens, agent.subtree.errors) == (Decimal(3), 30, 1)


def test_siblings_stand_by_start_time_and_id() -> None:
    rows = [make_row("root")] + [make_row(id_, "root", at_ms=at) for id_, at in (("z", 1), ("b", 2), ("a", 2))]

    assert build_tree(rows).nodes["root"].children == ("z", "a", "b")


def test_no_observations_make_an_empty_tree() -> None:
    assert build_tree([]) == Tree(roots=(), nodes={}, warnings=())


@pytest.mark.parametrize("count", [10_000, 50_000])
def test_a_chain_of_any_length_needs_no_recursion(count: int) -> None:
    rows = [
        make_row(f"{n:06}", f"{n - 1:06}" if n else None, at_ms=n, total_cost=Decimal("0.001")) for n in range(count)
    ]
    random.Random(1).shuffle(rows)

    tree = build_tree(rows)

    root = tree.nodes["000000"]
    assert (root.subtree.observations, root.subtree.depth) == (count, count)
    assert root.subtree.cost == Decimal("0.001") * count
    assert tree.nodes[f"{count - 1:06}"].own.depth == count - 1


@pytest.mark.parametrize("count", [10_000, 50_000])
def test_a_star_of_any_width_is_one_parent_and_its_children(count: int) -> None:
    rows = [make_row("root"), *(make_row(f"{n:06}", "root", at_ms=n, total_tokens=1) for n in range(count - 1))]

    tree = build_tree(rows)

    assert len(tree.nodes["root"].children) == count - 1
    assert tree.nodes["root"].subtree.tokens == count - 1
    assert tree.nodes["root"].subtree.depth == 2


def test_a_cycle_of_ten_thousand_is_cut_once() -> None:
    rows = [make_row(f"{n:05}", f"{(n + 1) % 10_000:05}") for n in range(10_000)]

    tree = build_tree(rows)

    assert tree.roots == ("00000",)
    assert warnings_of(tree) == [("cycle", "00000")]


ids = st.sampled_from([f"o{n}" for n in range(12)])
any_row = st.builds(
    make_row,
    ids,
    st.one_of(st.none(), ids, st.just("elsewhere")),
    at_ms=st.integers(0, 5),
    for_ms=st.one_of(st.none(), st.integers(0, 50)),
    level=st.sampled_from(["DEFAULT", "ERROR"]),
    total_cost=st.one_of(st.none(), st.decimals(0, 10_000, allow_nan=False, places=12)),
    total_tokens=st.integers(0, 2**53),
    counted=st.booleans(),
)
traces = st.lists(any_row, unique_by=lambda row: row.id)


@given(traces)
def test_every_observation_stands_in_the_tree_exactly_once(rows: list[TreeRow]) -> None:
    tree = build_tree(rows)

    placed = [*tree.roots, *(child for node in tree.nodes.values() for child in node.children)]
    assert sorted(placed) == sorted(row.id for row in rows) == sorted(tree.nodes)
    assert sum(tree.nodes[root].subtree.observations for root in tree.roots) == len(rows)


@given(traces)
def test_the_costs_of_the_roots_add_up_to_all_counted_costs(rows: list[TreeRow]) -> None:
    tree = build_tree(rows)

    counted = sum((row.total_cost or Decimal(0) for row in rows if row.counted), Decimal(0))
    assert sum((tree.nodes[root].subtree.cost for root in tree.roots), Decimal(0)) == counted


@given(traces, st.randoms(use_true_random=False))
def test_any_order_of_rows_gives_the_same_tree(rows: list[TreeRow], order: random.Random) -> None:
    shuffled = list(rows)
    order.shuffle(shuffled)

    assert build_tree(shuffled) == build_tree(rows)


@given(traces)
def test_parents_come_before_their_children(rows: list[TreeRow]) -> None:
    positions = {id_: position for position, id_ in enumerate(build_tree(rows).nodes)}

    for node in build_tree(rows).nodes.values():
        assert all(positions[child] > positions[node.id] for child in node.children)


@given(traces)
def test_a_parent_that_is_not_followed_has_a_warning(rows: list[TreeRow]) -> None:
    tree = build_tree(rows)

    said = {one.observation_id for one in tree.warnings}
    assert all(root in said for root in tree.roots if next(r for r in rows if r.id == root).parent_observation_id)


@pytest.mark.parametrize(
    ("root_ended", "quiet_seconds", "amended", "state"),
    [
        (False, 3600, False, "open"),
        (True, 59.999, False, "open"),
        (True, 60, False, "complete"),
        (True, 0, True, "amended"),
        (True, 3600, True, "amended"),
    ],
)
def test_a_trace_is_open_complete_or_amended(root_ended: bool, quiet_seconds: float, amended: bool, state: str) -> None:
    received = NOON - timedelta(seconds=quiet_seconds)

    assert trace_state(root_ended=root_ended, last_received_at=received, amended=amended, now=NOON) == state
