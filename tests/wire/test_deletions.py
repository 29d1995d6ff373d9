"""Deletions in the raw log: the bytes that an edge writes are read as written, for ever, and nothing else is."""

from typing import get_args

import pytest

from tailrace.core.model import ProjectId
from tailrace.wire.deletions import BadDeletionsError, Deletions, decode_deletions, encode_deletions
from tailrace.wire.topics import RawHeaders, RawKind, decode_raw_headers, version_of


def test_what_is_written_is_read() -> None:
    assert decode_deletions(encode_deletions(["a", "ü/b"])) == Deletions(scores=["a", "ü/b"])
    assert decode_deletions(b'{"scores":["s1"],"a later field":1}').scores == ["s1"]


def test_a_record_of_deletions_says_the_version_that_knows_them_and_all_others_the_first() -> None:
    stated = RawHeaders("deletions", ProjectId("shop"), 1, 1)

    assert dict(stated.encode()) == {
        "v": b"2",
        "kind": b"deletions",
        "project": b"shop",
        "received": b"1",
        "events": b"1",
        "sdk": b"/",
    }
    assert decode_raw_headers(dict(stated.encode())) == stated
    assert {kind for kind in get_args(RawKind) if version_of(kind) != 1} == {"repricing", "deletions"}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b'{"scores":[]}',
        b'{"scores":"a"}',
        b'{"scores":[""]}',
        b'{"scores":[1]}',
        b'{"scores":["a\\u0000"]}',
        b'{"scores":["\\ud800"]}',
        b'{"scores":["%b"]}' % (b"x" * 801),
    ],
)
def test_what_no_edge_writes_is_refused(data: bytes) -> None:
    with pytest.raises(BadDeletionsError):
        decode_deletions(data)
