"""The reference against the product without faults: whole worlds through edge, fold and sink; then rows are spoilt, and each must be found.

The edge is the real application over a log in memory; four partitions are folded and stored over a real Postgres.
"""

import random
import re
from collections.abc import AsyncGenerator
from decimal import Decimal

import asyncpg
import httpx
import pytest

from tailrace.core.pricing import load_price_table
from tailrace.query.app import create_app
from tailrace.runtime.keys import KeyCache
from tailrace.runtime.postgres import open_pool
from tailrace.runtime.resources import schemas
from tailrace.runtime.settings import Postgres, Secret, Settings
from tailrace.sink.repository import create_stages
from tests.chaos.prices import change_prices
from tests.chaos.truth import Shape, World
from tests.chaos.verify import Findings, compare, judge, read_rows
from tests.chaos.verify_api import compare_through_api
from tests.edge.fakes import MemoryKeyStore, full_key
from tests.stored import store

pytestmark = pytest.mark.integration

PROJECT = "project-a"
PARTITIONS = 4
BASE_US = 1_795_000_000_000_000
HOUR_US = 3_600_000_000
PRICE_FILE = (schemas() / "prices.json").read_bytes()
PRICES = load_price_table(PRICE_FILE)
CHANGED_PRICES = load_price_table(change_prices(PRICE_FILE).encode())


@pytest.fixture
async def connection(postgres_dsn: str) -> AsyncGenerator[asyncpg.Connection]:
    connection = await asyncpg.connect(postgres_dsn)
    yield connection
    await connection.close()


@pytest.fixture
async def pool(postgres_dsn: str) -> AsyncGenerator[asyncpg.Pool]:
    pool = await asyncpg.create_pool(postgres_dsn, min_size=1, max_size=PARTITIONS, init=create_stages)
    await pool.execute("insert into stream_progress (partition) select generate_series(0, $1)", PARTITIONS - 1)
    yield pool
    await pool.close()


@pytest.mark.parametrize("seed", [1, 2])
async def test_what_is_stored_of_a_world_is_the_truth(
    pool: asyncpg.Pool, connection: asyncpg.Connection, seed: int
) -> None:
    world = World(seed, Shape(text_bytes=120), base_us=BASE_US + seed * HOUR_US)

    await store(pool, world.requests(), prices=[PRICES] * PARTITIONS)

    findings = await compare(connection, PROJECT, world.expected)
    assert findings.lines() == []
    assert findings.checked["observations"] == len(world.expected.observations)
    assert findings.checked["windows"] >= len(world.expected.windows()) > 100


async def test_a_trace_of_many_spans_children_first_is_the_truth(
    pool: asyncpg.Pool, connection: asyncpg.Connection
) -> None:
    world = World(5, Shape(traces=1, scores=0, dead=0, big_trace_spans=1_200), base_us=BASE_US)

    await store(pool, world.requests(), prices=[PRICES] * PARTITIONS)

    assert (await compare(connection, PROJECT, world.expected)).lines() == []


async def test_whichever_of_two_price_tables_an_observation_met_sums_must_be_of_what_it_cost(
    pool: asyncpg.Pool, connection: asyncpg.Connection, postgres_dsn: str
) -> None:
    world = World(6, Shape(traces=12, scores=0, price_change=True), base_us=BASE_US)

    await store(pool, world.requests(), prices=(PRICES, CHANGED_PRICES, PRICES, CHANGED_PRICES))

    assert (await compare(connection, PROJECT, world.expected)).lines() == []
    assert (await _read_all(postgres_dsn, world)).lines() == []
    assert await pool.fetchval("select count(distinct price_version) from observations") == 2


async def test_what_the_api_shows_of_a_world_is_the_truth_and_a_wrong_answer_is_found(
    pool: asyncpg.Pool, connection: asyncpg.Connection, postgres_dsn: str
) -> None:
    world = World(7, Shape(traces=20, scores=20), base_us=BASE_US)
    await store(pool, world.requests(), prices=[PRICES] * PARTITIONS)
    (first, *_) = (key for key, one in world.expected.observations.items() if one.total_cost)

    findings = await _read_all(postgres_dsn, world)
    world.expected.observations[first].total_cost = Decimal(1)
    after = await _read_all(postgres_dsn, world)

    assert findings.lines() == []
    assert findings.checked["observations"] == len(world.expected.observations)
    assert any(
        re.fullmatch(rf"observation {first[0]}/{first[1]}: calculatedTotalCost expected 1, shown \S+", line)
        for line in after.wrong
    )
    assert any(re.match(rf"trace {first[0]}: totalCost expected ", line) for line in after.wrong)


async def _read_all(dsn: str, world: World) -> Findings:
    """What the read API says of every row of a world, compared."""
    settings = Settings(postgres=Postgres(dsn=Secret(dsn), pool_size=2))
    pool = await open_pool(settings.postgres, application="test")
    transport = httpx.ASGITransport(create_app(pool, KeyCache(MemoryKeyStore()), settings))
    headers = {"authorization": full_key()}
    try:
        rng = random.Random(1)
        return await compare_through_api("http://api", headers, world.expected, rng, 10_000, transport=transport)
    finally:
        await pool.close()


SPOILT = {
    "the last digit of a cost": (
        "update observations set total_cost = total_cost + 1e-15 where id = (select min(id) from observations where total_cost > 0)",
        r"wrong: observation \S+: total_cost expected \S+, stored \S+",
    ),
    "a digit of a cost's part": (
        """update observations set cost_details = jsonb_set(cost_details, '{input}', '0.123')
           where id = (select min(id) from observations where cost_details ? 'input')""",
        r"wrong: observation \S+: cost_details expected .*, stored .*",
    ),
    "an observation that is lost": (
        "delete from observations where id = (select min(id) from observations)",
        r"lost: observation \S+: not stored",
    ),
    "an observation that is stored under two days": (
        """insert into observations select (jsonb_populate_record(o, '{"day": "1999-01-01"}')).*
           from observations o order by id limit 1""",
        r"duplicated: observation \S+: stored under \S+ and under another day",
    ),
    "a character of a text": (
        "update observation_bodies set output = output || '.' where id = (select min(id) from observation_bodies where output > '')",
        r"wrong: observation \S+: output expected .*, stored .*",
    ),
    "a cost part that counts twice": (
        """insert into cost_parts select (jsonb_populate_record(p, '{"partition": 77}')).*
           from cost_parts p where cost > 0 order by bucket, bucket_start, user_id, model, partition limit 1""",
        r"wrong: window .* day \S+: (cost|input_tokens|output_tokens|total_tokens|generations) expected \S+, stored \S+",
    ),
    "a window that should not be": (
        """insert into cost_parts select (jsonb_populate_record(p, '{"user_id": "user-nobody"}')).*
           from cost_parts p where model is null and traces = 1 and cost = 0 and errors = 0 limit 1""",
        r"wrong: window user-nobody \(no model\) \S+ \S+: traces expected 0, stored 1",
    ),
    "a window that is lost": (
        "delete from cost_parts where bucket = 'day' and user_id = (select min(user_id) from cost_parts where traces > 0) and model is null",
        r"lost: window \S+ \(no model\) day \S+: not stored",
    ),
    "a trace's user": (
        "update traces set user_id = 'user-nobody' where id = (select min(id) from traces)",
        r"wrong: trace \S+: user_id expected .*, stored 'user-nobody'",
    ),
    "a trace's sum": (
        "update traces set observation_count = observation_count + 1 where id = (select min(id) from traces)",
        r"wrong: trace \S+: observation_count expected \d+, stored \d+",
    ),
    "a trace nobody sent": (
        """insert into traces select (jsonb_populate_record(t, '{"id": "nobody"}')).* from traces t limit 1""",
        "wrong: trace nobody: stored, but nobody sent it",
    ),
    "a score that is lost": (
        "delete from scores where id = (select min(id) from scores)",
        r"lost: score \S+: not stored",
    ),
    "a score's value": (
        "update scores set value = value + 1e-9 where id = (select min(id) from scores)",
        r"wrong: score \S+: value expected \S+, stored \S+",
    ),
    "when a user was seen": (
        "update users set last_seen_at = last_seen_at + interval '1 year' where (id, partition) = (select id, partition from users limit 1)",
        r"wrong: user \S+: last expected .*, stored .*",
    ),
    "a dead letter": (
        """insert into dead_letters (project_id, partition, origin, sequence, reason, detail, entity, content_kind, payload, received_at)
           values ('project-a', 0, 1, 0, 'internal_error', 'it broke', 'g1', 'ingestion', '', now())""",
        r"wrong: dead letter g1: 1 for internal_error \(it broke\), expected none",
    ),
}
"""What is done to stored rows, and the one kind of line that must be found for it."""


async def test_whatever_is_spoilt_is_found_and_nothing_else_is(
    pool: asyncpg.Pool, connection: asyncpg.Connection
) -> None:
    world = World(9, Shape(traces=12, scores=8), base_us=BASE_US)
    await store(pool, world.requests(), prices=[PRICES] * PARTITIONS)
    for name, (spoil, line) in SPOILT.items():
        transaction = connection.transaction()
        await transaction.start()
        status = await connection.execute(spoil)
        lines = judge(await read_rows(connection, PROJECT), world.expected).lines()
        await transaction.rollback()

        assert not status.endswith(" 0"), name
        assert lines, name
        assert all(re.fullmatch(line, found) for found in lines), (name, lines)
