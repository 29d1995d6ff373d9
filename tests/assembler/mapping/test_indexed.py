"""Lists that were flattened into attribute names come back as lists, and cannot be made to cost much."""

from typing import Any

import pytest

from tailrace.assembler.mapping.indexed import MAX_SLOTS, rebuild


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"p.0": "a", "p.1": "b"}, ["a", "b"]),
        ({"p.1": "b"}, [None, "b"]),
        ({"p.0.role": "user", "p.0.content": "hi"}, [{"role": "user", "content": "hi"}]),
        ({"p.0.calls.0.name": "f", "p.0.calls.1.name": "g"}, [{"calls": [{"name": "f"}, {"name": "g"}]}]),
        ({"p.a": 1, "p.0": 2}, {"a": 1, "0": 2}),
        ({"p.01": 1}, {"01": 1}),
        ({"p.0": "a", "p.0.b": "c"}, [{"": "a", "b": "c"}]),
        ({"p.0.b": "c", "p.0": "a"}, [{"b": "c", "": "a"}]),
        ({"q.0": "a", "pp.0": "a", "p": "a"}, None),
    ],
)
def test_indexes_become_lists_and_names_objects(attributes: dict[str, Any], expected: Any) -> None:
    rebuilt, keys = rebuild(attributes, "p")
    assert rebuilt == expected
    assert keys == [key for key in attributes if key.startswith("p.")]


def test_lists_have_a_greatest_length_all_together() -> None:
    assert rebuild({"p.999999999": "a"}, "p")[0] == {"999999999": "a"}
    assert len(rebuild({f"p.{MAX_SLOTS - 1}": "a"}, "p")[0]) == MAX_SLOTS
    both, _ = rebuild({"p.a.6000": 1, "p.b.6000": 2}, "p")
    assert (len(both["a"]), both["b"]) == (6001, {"6000": 2})


def test_names_of_many_steps_do_not_nest_without_end() -> None:
    rebuilt, _ = rebuild({"p." + ".".join(["0"] * 5000): "a"}, "p")
    depth = 0
    while isinstance(rebuilt, list):
        rebuilt, depth = rebuilt[0], depth + 1  # pyright: ignore[reportUnknownVariableType]
    assert depth < 100
