"""Faults that come with the records: poison, what Postgres refuses, a trace without end, and a tenant louder than all others."""

import asyncio
import time
from collections import Counter

import httpx
import orjson

from tailrace.wire.topics import RawHeaders
from tests.chaos.client import deliver
from tests.chaos.cluster import PARTITIONS, Tenant
from tests.chaos.rounds import Round, Scenario, base_us
from tests.chaos.truth import Shape, World
from tests.chaos.verify import compare

_refuse = """
    create or replace function chaos_refuse() returns trigger language plpgsql as $$
    begin
        if new.name = 'refuse-me' then
            raise exception 'chaos refuses this row' using errcode = '23514';
        end if;
        return new;
    end
    $$;
    drop trigger if exists chaos_refuse on observations;
    create trigger chaos_refuse before insert on observations for each row execute function chaos_refuse()"""


async def poison_in_the_middle(round_: Round) -> None:
    """Between the world's records stand such as no edge writes, in every partition: each is a dead letter, and nobody waits."""
    headers = RawHeaders("ingestion", "poison", time.time_ns() // 1_000, 1).encode()  # pyright: ignore[reportArgumentType]
    poison: list[tuple[bytes, list[tuple[str, bytes]]]] = [
        (b"\x00\xff no json at all", headers),
        (b'{"batch": [' + b"[" * 5_000, headers),
        (b'{"batch": [{"id": 1}]}', headers),
        (b"", [(name, b"otlp-protobuf" if name == "kind" else value) for name, value in headers]),
        (
            b"{}",
            [("v", b"1"), ("kind", b"carrier-pigeon"), ("project", b"poison"), ("received", b"1"), ("events", b"1")],
        ),
        (b"{}", [("project", b"poi\x00son\xff")]),
        (b"{}", []),
    ]
    before = await _count_poison(round_)
    for value, its_headers in poison:
        await asyncio.sleep(round_.seconds / 8)
        records = [(partition, value, its_headers) for partition in range(PARTITIONS)]
        await round_.cluster.publish(round_.cluster.topics.raw, records)

    async def count_letters(_: Round) -> None:
        found = await _count_poison(round_) - before
        round_.note(f"poison became {dict(found)}")
        if found["internal_error"] or found.total() != len(poison) * PARTITIONS:
            round_.problem(f"expected {len(poison) * PARTITIONS} dead letters of the sender's fault, got {found}")

    round_.check(count_letters)


async def _count_poison(round_: Round) -> Counter[str]:
    rows = await round_.cluster.execute(
        "select reason, count(*) as n from dead_letters where project_id in ('poison', '') or project_id like 'poi%son%' group by 1"
    )
    return Counter({row["reason"]: row["n"] for row in rows})


async def postgres_refuses_a_record(round_: Round) -> None:
    """A constraint that only the database knows refuses some records of another tenant: they are dead letters, their neighbours are applied."""
    cluster = round_.cluster
    tenant = await cluster.create_tenant(f"others-{round_.seed}")
    await cluster.execute_script(_refuse)
    wanted = 12
    headers = tenant.headers | {"content-type": "application/json"}
    for number in range(wanted):
        await asyncio.sleep(round_.seconds / (wanted + 1))
        await _post_event(round_, headers, f"refused-{number}", "refuse-me" if number % 2 else "fine")

    async def check(_: Round) -> None:
        letters = await cluster.execute(
            "select reason, count(*) as n from dead_letters where project_id = $1 group by 1", tenant.project
        )
        rows = await cluster.execute("select count(*) as n from observations where project_id = $1", tenant.project)
        found = {row["reason"]: row["n"] for row in letters}
        if found != {"refused_by_postgres": wanted // 2} or rows[0]["n"] != wanted // 2:
            round_.problem(f"expected {wanted // 2} refused and as many applied, got {found} and {rows[0]['n']}")
        await cluster.execute_script("drop trigger chaos_refuse on observations")

    round_.check(check)


async def a_trace_without_end(round_: Round) -> None:
    """One trace of 50,000 spans comes among the others, and an assembler and a sink die on the way."""
    cluster = round_.cluster
    for share in (0.3, 0.6):
        await asyncio.sleep(round_.seconds * share)
        round_.rng.choice(cluster.of("assembler", "sink")).kill()


async def one_tenant_is_loud(round_: Round) -> None:
    """Another tenant sends as fast as it can, a hundred times as much: both are right in the end."""
    cluster = round_.cluster
    tenant = await cluster.create_tenant(f"noise-{round_.seed}")
    loud = World(round_.seed + 1, Shape(traces=800, scores=400), base_us=base_us())
    delivered = await deliver(
        cluster.urls("edge"), tenant.headers, loud.requests(), seconds=1, concurrency=32, rng=round_.rng
    )
    round_.note(f"the loud tenant heard {dict(delivered.statuses)}")
    round_.check(lambda _: _compare_tenant(round_, tenant, loud))


async def _compare_tenant(round_: Round, tenant: Tenant, world: World) -> None:
    connection = await round_.cluster.connect()
    try:
        findings = await compare(connection, tenant.project, world.expected)
    finally:
        await connection.close()
    for line in (*findings.lost, *findings.duplicated, *findings.wrong):
        round_.problem(f"of the loud tenant: {line}")


async def _post_event(round_: Round, headers: dict[str, str], trace: str, name: str) -> None:

    at = "2026-03-01T10:00:00.000Z"
    event = {
        "id": f"{trace}-event",
        "type": "span-create",
        "timestamp": at,
        "body": {"id": f"{trace}-span", "traceId": trace, "name": name, "startTime": at},
    }
    url = round_.rng.choice(round_.cluster.urls("edge"))
    async with httpx.AsyncClient(timeout=30) as client:
        answer = await client.post(
            f"{url}/api/public/ingestion", headers=headers, content=orjson.dumps({"batch": [event]})
        )
        answer.raise_for_status()


SCENARIOS = (
    Scenario("poison", "records that no edge writes, in every partition", poison_in_the_middle),
    Scenario("refused", "Postgres refuses some records", postgres_refuses_a_record),
    Scenario(
        "endless-trace",
        "a trace of 50,000 spans, with kills",
        a_trace_without_end,
        seconds=60,
        seeds=2,
        shape=Shape(big_trace_spans=50_000),
    ),
    Scenario(
        "loud-tenant",
        "a tenant at 100 times the others' rate",
        one_tenant_is_loud,
        seconds=20,
        shape=Shape(traces=8, scores=4),
    ),
)
