"""All cases at once by the real edge, fold and sink: what Postgres holds of them, and of their sums, is what their invoices say."""

import json
from collections.abc import AsyncGenerator
from decimal import Decimal
from typing import Final, NamedTuple

import asyncpg
import pytest

from tailrace.core.pricing import load_price_table
from tailrace.sink.repository import create_stages
from tailrace.wire.topics import RawKind
from tests.golden.cases import PRICES, Case, read_cases
from tests.golden.pipeline import requests_of
from tests.stored import store

pytestmark = pytest.mark.integration

PARTITIONS: Final = 4
WAYS: Final[dict[RawKind, tuple[str, str]]] = {
    "ingestion": ("/api/public/ingestion", "application/json"),
    "otlp-json": ("/api/public/otel/v1/traces", "application/json"),
    "otlp-protobuf": ("/api/public/otel/v1/traces", "application/x-protobuf"),
}


class Post(NamedTuple):
    """One case by one protocol, in a trace of its own."""

    path: str
    body: bytes
    content_type: str
    content_encoding: str = ""
    events: int = 1


@pytest.fixture
async def pool(postgres_dsn: str) -> AsyncGenerator[asyncpg.Pool]:
    pool = await asyncpg.create_pool(postgres_dsn, min_size=1, max_size=PARTITIONS, init=create_stages)
    await pool.execute("insert into stream_progress (partition) select generate_series(0, $1)", PARTITIONS - 1)
    yield pool
    await pool.close()


async def test_every_case_is_stored_and_summed_as_its_invoice_says(pool: asyncpg.Pool) -> None:
    sent: dict[str, Case] = {}
    posts: list[Post] = []
    for case in read_cases():
        for way in range(len(list(requests_of(case)))):
            trace_id = f"{len(sent) + 1:032x}"
            kind, body = list(requests_of(case, trace_id))[way]
            sent[trace_id] = case
            posts.append(Post(WAYS[kind][0], body, WAYS[kind][1]))

    await store(pool, posts, prices=[load_price_table(PRICES.read_bytes())] * PARTITIONS)

    rows = await pool.fetch("select trace_id, usage_details, cost_details, total_cost, warnings from observations")
    assert {row["trace_id"] for row in rows} == sent.keys()
    for row in rows:
        case = sent[row["trace_id"]]
        assert json.loads(row["usage_details"]) == case.usage, case.name
        assert json.loads(row["cost_details"], parse_float=Decimal, parse_int=Decimal) == case.exact_cost, case.name
        assert row["total_cost"] == case.exact_cost.get("total"), case.name
        assert sorted(row["warnings"]) == sorted(case.warnings), case.name
    invoiced = sum((case.exact_cost.get("total", Decimal(0)) for case in sent.values()), Decimal(0))
    traces = await pool.fetchval("select sum(total_cost) from traces")
    windows = await pool.fetch("select bucket, sum(cost) as cost from cost_parts group by 1")
    assert len(sent) > 250
    assert traces == invoiced
    assert {row["bucket"]: row["cost"] for row in windows} == dict.fromkeys(("minute", "hour", "day"), invoiced)
