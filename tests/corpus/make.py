"""Writes the folder of the current version: `python -m tests.corpus.make`; with `--rows`, only the rows that its records fold to now.

Needs the local Postgres of the tests. Recorded requests in, the files of README.md out.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any, cast

import asyncpg
import orjson

from tailrace.admin.migrate import migrate
from tailrace.assembler.batch import RawRecord
from tailrace.assembler.mapping import map_record
from tailrace.assembler.sender import cost_messages, letter_messages
from tailrace.core.model import ProjectId
from tailrace.runtime.resources import schemas
from tailrace.wire.deletions import encode_deletions
from tailrace.wire.records import AssembledRecord, decode_record, encode_record
from tailrace.wire.topics import RAW_VERSION, RawHeaders, RawKind, decode_raw_headers, topics_of
from tests.corpus import FOLDER, PROJECT, Corpus
from tests.corpus.fold import fold_corpus, readable_rows
from tests.integration.partition import RECEIVED_US, open_partition_pool
from tests.payloads import recording_of
from tests.repricing import make_repricing, shipped_terms
from tests.stack import create_database, run_async, running_postgres


def write_raw(folder: Path) -> None:
    """The raw records that this version has brought, and what they are about, as they stand in the log of one partition."""
    request = next(one for one in recording_of("python-2").requests if one.path == "/api/public/ingestion")
    batch = request.decoded()
    mapped = map_record(_headers("ingestion", 0, 1), batch)
    priced = next(change for change in mapped.changes if change.fields.get("model"))
    terms = shipped_terms(priced.fields["model"], input="0.000001", output="0.000004")
    repricing = encode_record(make_repricing({priced.id: terms}, trace_id=priced.trace_id))
    headers: list[dict[str, str]] = []
    for number, (kind, file, value, events) in enumerate(
        (
            ("ingestion", "raw-ingestion.json", batch, mapped.events),
            ("repricing", "raw-repricing.json", repricing, 1),
            ("deletions", "raw-deletions.json", encode_deletions(["a score that nobody needs"]), 1),
            ("repricing", "raw-unreadable.json", b'{"command":"lost"}', 1),
        )
    ):
        (folder / file).write_bytes(value)
        headers.append(_texts(_headers(cast("RawKind", kind), number, events), file))
    (folder / "raw.json").write_bytes(orjson.dumps(headers, option=orjson.OPT_INDENT_2))


def write_prices(folder: Path, models: set[str]) -> None:
    """The price table as far as these models need it."""
    table: dict[str, Any] = json.loads((schemas() / "prices.json").read_text(encoding="utf-8"))
    table["models"] = [model for model in table["models"] if model["model"] in models]
    (folder / "prices.json").write_bytes(orjson.dumps(table, option=orjson.OPT_INDENT_2))


async def write_rest(folder: Path, pool: asyncpg.Pool, *, only_rows: bool) -> None:
    """What the assembler makes of the raw records, and the rows that the sink makes of that."""
    corpus = Corpus(folder)
    assembled = await fold_corpus(pool, corpus.raw(), corpus.prices)
    rows = await readable_rows(pool)
    (folder / "rows.json").write_bytes(orjson.dumps(rows, option=orjson.OPT_INDENT_2))
    if only_rows:
        return
    (folder / "assembled.jsonl").write_bytes(b"\n".join(assembled) + b"\n")
    topics = topics_of("")
    records = [decode_record(value, AssembledRecord) for value in assembled]
    costs = [message for record in records for message in cost_messages(topics, [record], 1)]
    letters = [message for record in records for message in letter_messages(topics, record)]
    for file, messages in (("cost.jsonl", costs), ("dead.jsonl", letters)):
        (folder / file).write_bytes(b"".join(message.value + b"\n" for message in messages))


def _headers(kind: RawKind, number: int, events: int) -> RawHeaders:
    return RawHeaders(kind, ProjectId(PROJECT), RECEIVED_US + number * 1_000_000, events, "python", "1.0")


def _texts(headers: RawHeaders, file: str) -> dict[str, str]:
    return {**{name: value.decode() for name, value in headers.encode()}, "file": file}


def _models(records: list[RawRecord]) -> set[str]:
    """Every model that a record names, by all that could be its name in the table."""
    table: dict[str, Any] = json.loads((schemas() / "prices.json").read_text(encoding="utf-8"))
    named = {
        change.fields.get("model")
        for record in records
        for change in map_record(decode_raw_headers(dict(record.headers)), record.value).changes
    }
    return {
        model["model"] for model in table["models"] if any(name and name.startswith(model["model"]) for name in named)
    }


def main(only_rows: bool) -> None:
    folder = FOLDER / f"v{RAW_VERSION}"
    if not only_rows:
        if (folder / "raw.json").exists():
            sys.exit(f"{folder.name} exists: records of a released version never change (--rows writes its rows anew)")
        folder.mkdir(exist_ok=True)
        write_raw(folder)
        write_prices(folder, _models(Corpus(folder).raw()))
    with running_postgres() as postgres:
        dsn = create_database(postgres)
        run_async(migrate(dsn))
        asyncio.run(_write_rest(folder, dsn, only_rows))


async def _write_rest(folder: Path, dsn: str, only_rows: bool) -> None:
    pool = await open_partition_pool(dsn)
    await write_rest(folder, pool, only_rows=only_rows)
    await pool.close()


if __name__ == "__main__":
    main(only_rows="--rows" in sys.argv[1:])
