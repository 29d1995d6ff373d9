"""Records of every version that was ever released: read, folded and applied by today's code."""

from collections.abc import AsyncGenerator
from typing import Any

import asyncpg
import pytest

from tailrace.assembler.mapping import map_record
from tailrace.wire.records import (
    AssembledRecord,
    CostPartsRecord,
    DeadLetterRecord,
    Record,
    decode_record,
)
from tailrace.wire.topics import RAW_KINDS, SCHEMA_VERSION, decode_raw_headers, version_of_kind
from tests.corpus import Corpus, corpora
from tests.corpus.fold import apply_assembled, fold_corpus, readable_rows
from tests.integration.partition import open_partition_pool

every_version = pytest.mark.parametrize("corpus", corpora(), ids=lambda corpus: f"v{corpus.version}")


@pytest.fixture
async def pool(postgres_dsn: str) -> AsyncGenerator[asyncpg.Pool]:
    opened = await open_partition_pool(postgres_dsn)
    yield opened
    await opened.close()


def test_there_is_a_corpus_of_every_version() -> None:
    assert [corpus.version for corpus in corpora()] == list(range(1, SCHEMA_VERSION + 1))


@every_version
def test_old_raw_records_of_every_kind_are_read(corpus: Corpus) -> None:
    *readable, unreadable = corpus.raw()
    headers = [decode_raw_headers(dict(record.headers)) for record in readable]

    assert {one.kind for one in headers} == {kind for kind in RAW_KINDS if version_of_kind(kind) == corpus.version}
    for one, record in zip(headers, readable, strict=True):
        mapped = map_record(one, record.value)
        assert mapped.changes
        assert (mapped.events, mapped.rejects) == (one.events, [])
    assert map_record(decode_raw_headers(dict(unreadable.headers)), unreadable.value).rejects


@every_version
@pytest.mark.parametrize(
    ("topic", "kind"), [("assembled", AssembledRecord), ("cost", CostPartsRecord), ("dead", DeadLetterRecord)]
)
def test_old_records_between_processes_are_read(corpus: Corpus, topic: str, kind: type[Record]) -> None:
    values = corpus.records(topic)

    assert values
    for value in values:
        assert getattr(decode_record(value, kind), "version") == corpus.version  # noqa: B009 (each kind has its own)


@every_version
@pytest.mark.integration
async def test_old_raw_records_fold_to_the_rows_that_they_folded_to(corpus: Corpus, pool: asyncpg.Pool) -> None:
    await fold_corpus(pool, corpus.raw(), corpus.prices)

    assert _as_then(await readable_rows(pool), corpus.rows()) == corpus.rows()


@every_version
@pytest.mark.integration
async def test_old_assembled_records_are_applied(corpus: Corpus, pool: asyncpg.Pool) -> None:
    await apply_assembled(pool, corpus.records("assembled"))

    assert _as_then(await readable_rows(pool), corpus.rows()) == corpus.rows()
    assert await pool.fetchval("select count(*) from dead_letters") == len(corpus.records("dead"))


def _as_then(
    now: dict[str, list[dict[str, Any]]], then: dict[str, list[dict[str, Any]]]
) -> dict[str, list[dict[str, Any]]]:
    """The rows of now in the columns of then: a release adds columns, it takes none away."""
    return {
        table: [{column: row.get(column) for column in (rows[0] if rows else {})} for row in now[table]]
        for table, rows in then.items()
    }
