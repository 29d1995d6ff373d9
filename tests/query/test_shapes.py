"""What shapes do with odd rows; whole shapes are in the tests of the routes."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.query.observation_shapes import MAX_SHORT_VALUE, flatten_metadata, shorten_values
from tailrace.query.score_shapes import score_v1, score_v3
from tests.query.factories import make_score

nested = st.recursive(
    st.integers() | st.text(max_size=3),
    lambda inner: st.dictionaries(st.text("ab.", max_size=3), inner, max_size=3),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("metadata", "flat"),
    [
        ({}, {}),
        ({"a": {"b": {"c": 1}}, "d": [1, {"e": 2}]}, {"a.b.c": 1, "d": [1, {"e": 2}]}),
        ({"a": {}, "b": {"c": {}}}, {"a": {}, "b.c": {}}),
        ({"a": {"b": 1}, "a.b": 2}, {"a.b": 2}),
        ({"a.b": 2, "a": {"b": 1}}, {"a.b": 2}),
    ],
)
def test_nested_metadata_becomes_dotted_keys(metadata: dict[str, Any], flat: dict[str, Any]) -> None:
    assert flatten_metadata(metadata) == flat


@given(st.dictionaries(st.text("ab.", max_size=3), nested, max_size=4))
def test_flat_metadata_holds_no_object_with_keys(metadata: dict[str, Any]) -> None:
    flat = flatten_metadata(metadata)

    assert not [value for value in flat.values() if isinstance(value, dict) and value]
    assert all(flat[key] == value for key, value in metadata.items() if not isinstance(value, dict))


def test_metadata_of_any_depth_is_flattened_without_recursion() -> None:
    metadata: dict[str, Any] = {"leaf": 1}
    for _ in range(5000):
        metadata = {"a": metadata}

    assert list(flatten_metadata(metadata).values()) == [1]


def test_long_values_are_cut_but_for_the_keys_that_are_asked_for() -> None:
    long = "x" * 201
    flat = {"a": long, "a.b": long, "c": long, "exact": "y" * 200, "list": ["z" * 300], "number": 10**300}

    cut = shorten_values(flat, {"a"})

    assert (cut["a"], cut["a.b"], cut["exact"], cut["number"]) == (long, long, "y" * 200, 10**300)
    assert (cut["c"], len(cut["list"])) == ("x" * 200, MAX_SHORT_VALUE)


def test_a_score_of_no_known_subject_has_none() -> None:
    assert score_v3("p1", make_score(), frozenset({"subject"}))["subject"] is None


def test_score_metadata_that_is_no_object_stands_under_its_own_name() -> None:
    shape = orjson.loads(orjson.dumps(score_v1(make_score(metadata="[1]"))))

    assert shape["metadata"] == {"metadata": [1]}


def test_a_text_score_without_text_is_an_empty_string() -> None:
    assert score_v3("p1", make_score(data_type="TEXT"), frozenset())["value"] == ""
