"""The headers of raw records: what an edge writes is read as written, and anything else is one event of somebody."""

import pytest

from tailrace.core.model import ProjectId
from tailrace.wire.topics import BadHeadersError, NewerHeadersError, RawHeaders, count_events, decode_raw_headers

STATED = RawHeaders("ingestion", ProjectId("shop"), 1_700_000_000_000_000, 7, "python", "4.0")


def encoded(**changes: bytes) -> dict[str, bytes]:
    return dict(STATED.encode()) | changes


def test_what_an_edge_states_is_read_as_stated() -> None:
    assert decode_raw_headers(encoded()) == STATED
    assert count_events(encoded()) == ("shop", 7)


def test_a_kind_is_written_in_the_version_that_brought_it_so_that_an_older_release_waits_at_it() -> None:
    repricing = STATED._replace(kind="repricing", events=1)

    assert (encoded()["v"], dict(repricing.encode())["v"]) == (b"1", b"2")
    assert decode_raw_headers(dict(repricing.encode())) == repricing


def test_a_record_of_a_later_release_is_told_from_a_bad_one_and_counted_as_it_states() -> None:
    newer = encoded(v=b"99", kind=b"a kind to come")

    with pytest.raises(NewerHeadersError, match="got one of version 99: a later release wrote it"):
        decode_raw_headers(newer)
    assert count_events(newer) == ("shop", 7)


@pytest.mark.parametrize(
    ("headers", "counted"),
    [
        ({}, ("", 1)),
        (encoded(events=b"many"), ("shop", 1)),
        (encoded(events=b"-1"), ("shop", 1)),
        (encoded(events=b"1" + b"0" * 30), ("shop", 1)),
        (encoded(v=b"9" * 5000), ("shop", 1)),
        (encoded(project=b"sh\x00op"), ("shop", 1)),
        (encoded(project=b"\xff"), ("�", 1)),
        (encoded(project=b"x" * 5000), ("x" * 200, 1)),
    ],
    ids=str,
)
def test_headers_that_no_edge_writes_are_one_event_of_a_project_that_postgres_can_hold(
    headers: dict[str, bytes], counted: tuple[str, int]
) -> None:
    with pytest.raises(BadHeadersError):
        decode_raw_headers(headers)
    assert count_events(headers) == counted
