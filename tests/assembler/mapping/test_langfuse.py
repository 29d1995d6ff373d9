"""Metadata attributes of the Langfuse SDKs: each value is decoded from JSON once, whoever wrote it."""

from typing import Any

import pytest

from tailrace.assembler.mapping.langfuse import Metadata, read_metadata
from tests.assembler.mapping.senders import observation_of


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("mv", "mv"),
        ('"mv"', "mv"),
        ('"123"', "123"),
        ('"{\\"a\\": 1}"', '{"a": 1}'),
        ("3", 3),
        (3, 3),
        ("true", True),
        ("null", None),
        ("nothing", "nothing"),
        ('{"a": {"b": [1, null]}}', {"a": {"b": [1, None]}}),
        ("{broken", "{broken"),
        ("2026-01-01", "2026-01-01"),
        ("-", "-"),
        ("", ""),
        ("0123", "0123"),
        ('{"n": 12345678901234567890}', {"n": "12345678901234567890"}),
        ("NaN", "NaN"),
        ('{"n": NaN}', {"n": "NaN"}),
        ('"a\\u0000b"', "ab"),
    ],
)
def test_a_value_is_decoded_exactly_once(value: Any, expected: Any) -> None:
    decoded = read_metadata({"langfuse.observation.metadata.k": value}).observation["k"]
    assert decoded == expected
    assert type(decoded) is type(expected)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ('"123"', "123"),  # Python 5 writes every value as JSON: the text 123
        ("123", 123),  # Python 5: the number; Python 3 and 4 and JavaScript: the text, which reads back as a number
        (123, 123),  # Python 3 and 4: the number
        ('"\\"q\\""', '"q"'),  # Python 5: a text in quotes keeps its own
    ],
)
def test_a_text_of_python_5_that_looks_like_a_number_stays_a_text(written: Any, read: Any) -> None:
    fields = observation_of({"langfuse.observation.metadata.k": written}, group={"version": "5.0.4"})
    found = fields["metadata"]["k"]
    assert (found, type(found)) == (read, type(read))


def test_keys_go_where_their_prefix_says_and_may_contain_dots() -> None:
    attributes = {
        "langfuse.observation.metadata.a.b": "o",
        "langfuse.trace.metadata.c": "t",
        "langfuse.metadata.d": "both",
        "langfuse.observation.metadatax": "no",
        "other": "no",
    }
    assert read_metadata(attributes) == Metadata({"a.b": "o", "d": "both"}, {"c": "t", "d": "both"})


def test_metadata_that_is_no_object_is_kept_under_its_own_name() -> None:
    assert read_metadata({"langfuse.observation.metadata": '"text"'}).observation == {"metadata": "text"}
    assert read_metadata({"langfuse.trace.metadata": "[1]"}).trace == {"metadata": [1]}
    assert read_metadata({"langfuse.observation.metadata": '{"a": 1}'}).observation == {"a": 1}


def test_metadata_of_any_depth_can_be_written_as_json() -> None:
    deep = "[" * 5000 + "]" * 5000
    decoded = read_metadata({"langfuse.observation.metadata.k": deep}).observation["k"]
    assert _depth(decoded) <= 200


def _depth(value: Any) -> int:
    return 1 + max((_depth(item) for item in value), default=0) if isinstance(value, list) else 0  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
