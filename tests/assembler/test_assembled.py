"""Chunks: a large record is divided by rows, nothing is lost or doubled, and every chunk knows its record."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.assembler import assembled
from tailrace.assembler.assembled import Origin, Shared, assemble_record
from tailrace.assembler.fold import FoldedRecord
from tailrace.assembler.repository import Epoch
from tailrace.wire.records import AssembledRecord, DeadLetter, EventCount, UserRow, decode_record, encode_record

NOW = datetime(2026, 3, 1, tzinfo=UTC)
EPOCH = Epoch(3, 8, UUID(int=5), 40, None)
ORIGIN = Origin(41, 40, 1_772_366_400_000_000, "ab" * 16)
COUNT = EventCount(project_id="p", accepted=9, applied=8, dead_lettered=1)
LISTS = ("users", "dead_letters", "counts", "observations", "traces", "scores", "sessions", "cost_parts")


def make_letter(size: int, sequence: int = 0) -> DeadLetter:
    return DeadLetter(
        project_id="p",
        sequence=sequence,
        reason="invalid_event",
        detail="",
        entity=None,
        content_kind="ingestion",
        payload=bytes(size),
        received_at=NOW,
    )


def make_user(number: int) -> UserRow:
    return UserRow(project_id="p", id=f"u{number}", first_seen_at=NOW, last_seen_at=NOW)


def assemble(letters: list[DeadLetter], users: list[UserRow]) -> list[AssembledRecord]:
    return assemble_record(EPOCH, ORIGIN, FoldedRecord(), Shared(users, [], []), (letters, [COUNT]))


def test_a_small_record_is_one_chunk() -> None:
    (record,) = assemble([make_letter(10)], [make_user(1)])

    assert (record.chunk, record.chunks) == (0, 1)
    assert (record.epoch, record.owner, record.partition) == (8, UUID(int=5), 3)
    assert (record.origin, record.previous, record.fingerprint) == (41, 40, "ab" * 16)


def test_an_empty_record_is_one_chunk_with_its_count() -> None:
    (record,) = assemble([], [])

    assert record.counts == [COUNT]


def test_one_row_larger_than_a_chunk_stands_alone() -> None:
    chunks = assemble([make_letter(assembled.CHUNK_BYTES)], [make_user(1)])

    assert [len(chunk.dead_letters) for chunk in chunks].count(1) == 1
    assert len(chunks) > 1


@given(st.lists(st.integers(0, 4000), max_size=12), st.integers(0, 8))
def test_chunks_together_are_the_record_and_each_knows_its_place(sizes: list[int], users: int) -> None:
    letters = [make_letter(size, number) for number, size in enumerate(sizes)]
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(assembled, "CHUNK_BYTES", 5000)
        chunks = assemble(letters, [make_user(number) for number in range(users)])

    assert [chunk.chunk for chunk in chunks] == list(range(len(chunks)))
    assert {chunk.chunks for chunk in chunks} == {len(chunks)}
    assert len({(chunk.epoch, chunk.owner, chunk.origin, chunk.previous, chunk.fingerprint) for chunk in chunks}) == 1
    assert [letter for chunk in chunks for letter in chunk.dead_letters] == letters
    assert [row.id for chunk in chunks for row in chunk.users] == [f"u{number}" for number in range(users)]
    assert [count for chunk in chunks for count in chunk.counts] == [COUNT]
    assert all(any(getattr(chunk, name) for name in LISTS) for chunk in chunks)


@given(st.lists(st.integers(0, 4000), max_size=5))
def test_a_record_is_the_same_after_the_wire(sizes: list[int]) -> None:
    for record in assemble([make_letter(size) for size in sizes], [make_user(1)]):
        again: Any = decode_record(encode_record(record), AssembledRecord)
        assert again == record
