"""Lists stay fast as tables grow: with many rows of many projects, no usual filter makes Postgres read a whole table."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import asyncpg
import httpx
import orjson
import pytest

from tailrace.runtime.partitions import ensure_day_partitions
from tests.query.conftest import Statement
from tests.query.seed import NOON, Seed

pytestmark = pytest.mark.integration

DAYS, PROJECTS, TRACES = 10, 10, 400


async def fill(connection: "asyncpg.Connection[Any]", project_id: str) -> None:
    """20,000 observations in 4,000 traces of ten projects over ten days, and as many scores and cost parts."""
    first = (NOON - timedelta(days=DAYS)).date()
    await ensure_day_partitions(connection, first, NOON.date())
    projects = [project_id, *(f"other-{number}" for number in range(PROJECTS - 1))]
    await connection.execute(
        """create temp table filled as
           select p as project_id, 't' || n as id, $2::timestamptz - n * interval '36 minutes' as at, n
           from unnest($1::text[]) p, generate_series(1, $3::int) n""",
        projects,
        NOON,
        TRACES,
    )
    await connection.execute(
        """insert into traces (project_id, id, partition, timestamp, name, user_id, session_id, days, stamps, last_received_at,
               created_at, updated_at)
           select project_id, id, n % 8, at, 'name' || n % 20, 'user' || n % 50, 'session' || n % 80,
                  array[(at at time zone 'UTC')::date], '{}', at, at, at from filled"""
    )
    await connection.execute(
        """insert into observations (project_id, day, trace_id, id, partition, type, name, parent_observation_id, start_time, level,
               environment, model, prompt_name, prompt_version, stamps, created_at, updated_at)
           select project_id, (at at time zone 'UTC')::date, id, id || '-' || k, n % 8, case when k % 4 = 0 then 'GENERATION' else 'SPAN' end,
                  'name' || k, case when k > 1 then id || '-' || k - 1 end, at + k * interval '1 ms',
                  case when k = 3 then 'ERROR' else 'DEFAULT' end, 'default',
                  case when k = 4 and n % 20 = 0 then 'unknown' || n % 60 end, case when k = 4 then 't' || n % 100 end,
                  case when k = 4 then 1 + n % 3 end, '{}', at, at
           from filled, generate_series(1, 5) k"""
    )
    await connection.execute(
        """insert into scores (project_id, id, partition, timestamp, name, data_type, value, trace_id, stamps, created_at, updated_at)
           select project_id, 'c' || n, n % 8, at, 'quality', 'NUMERIC', 1, id, '{}', at, at from filled"""
    )
    await connection.execute(
        """insert into sessions (project_id, id, partition, created_at, last_seen_at)
           select project_id, 'session' || n, n % 8, at, at from filled"""
    )
    await connection.execute(
        """insert into users (project_id, id, partition, first_seen_at, last_seen_at)
           select project_id, 'user' || n, n % 8, at, at from filled"""
    )
    await connection.execute(
        """insert into cost_parts (project_id, user_id, model, bucket, bucket_start, partition, cost, input_tokens, output_tokens,
               total_tokens, generations, errors, traces, epoch, origin)
           select project_id, 'user' || n % 50, 'm' || k, b, date_trunc(b, at, 'UTC'), n, 1, 1, 1, 2, 1, 0, 1, 1, 1
           from filled, generate_series(1, 2) k, unnest(array['minute', 'hour', 'day']) b"""
    )
    await connection.execute(
        """insert into model_versions (project_id, id, model_name, match_pattern, tiers, program, created_at, effective_at, superseded_at)
           select project_id, id, id, id, '[{"name": "a", "isDefault": true, "priority": 0, "conditions": [], "prices": {}}]', 1, at, at,
                  case when n % 40 > 0 then at end from filled"""
    )
    await fill_datasets(connection)
    await connection.execute(
        "insert into prompts (project_id, name, type, tags) select project_id, id, 'text', array['tag' || n % 20] from filled"
    )
    await connection.execute(
        """insert into prompt_versions (project_id, name, version, id, prompt, config, created_at, updated_at)
           select project_id, id, k, id || '-' || k, 'x', '{}', at, at from filled, generate_series(1, 3) k"""
    )
    await connection.execute(
        """insert into prompt_labels (project_id, name, label, version)
           select project_id, id, l, 3 from filled, unnest(array['production', 'latest']) l"""
    )
    await connection.execute("analyze")


async def fill_datasets(connection: "asyncpg.Connection[Any]") -> None:
    """400 datasets for each project, ten of them with items and with runs, of which calls tell, spans, or both."""
    statements = (
        """insert into datasets (project_id, id, name, created_at, updated_at)
           select project_id, 'd' || n, 'set' || n, at, at from filled""",
        """insert into dataset_items (project_id, id, dataset_id, valid_from, valid_to, status, source_trace_id, created_at)
           select project_id, 'i' || n, 'd' || n % 10 + 1, at + k * interval '1 s', case when k = 1 then at + interval '2 s' end, 'ACTIVE', id, at
           from filled, generate_series(1, 2) k""",
        """insert into dataset_runs (project_id, id, dataset_id, name, created_at, updated_at)
           select project_id, 'r' || n, 'd' || n % 10 + 1, 'run' || n, at, at from filled""",
        """insert into dataset_run_items (project_id, id, run_id, dataset_item_id, trace_id, created_at, updated_at)
           select project_id, 'x' || n, 'r' || n % 20 + 1, 'i' || n, id, at, at from filled""",
        """update observations o set experiment_id = 's' || f.n % 20 + 1, experiment_name = 'spans' || f.n % 20 + 1, experiment = '{}',
               experiment_dataset_id = 'd' || f.n % 10 + 1, experiment_item_id = 'i' || f.n
           from filled f where o.project_id = f.project_id and o.trace_id = f.id and o.id = f.id || '-1'""",
        """update scores s set dataset_run_id = 's' || f.n % 20 + 1
           from filled f where f.project_id = s.project_id and s.id = 'c' || f.n and f.n % 10 = 0""",
    )
    for statement in statements:
        await connection.execute(statement)


async def sequential_scans(connection: "asyncpg.Connection[Any]", ran: Sequence[Statement]) -> list[str]:
    """The tables with rows that any of the statements reads from end to end."""
    empty = {row[0] for row in await connection.fetch("select relname from pg_class where reltuples <= 0")}
    scanned: list[str] = []
    for statement, values in ran:
        plan = orjson.loads(await connection.fetchval(f"explain (format json) {statement}", *values))
        waiting = [plan[0]["Plan"]]
        while waiting:
            node = waiting.pop()
            waiting.extend(node.get("Plans", ()))
            if node["Node Type"] == "Seq Scan" and node["Relation Name"] not in empty:
                scanned.append(f"{node['Relation Name']}: {statement.splitlines()[0]}")
    return scanned


RECENT = {"fromStartTime": "2026-11-20T12:00:00Z"}


USUAL: list[tuple[str, dict[str, Any]]] = [
    ("/api/public/v2/observations", {}),
    ("/api/public/v2/observations", {"fields": "basic,io,metadata", "limit": 200}),
    ("/api/public/v2/observations", RECENT | {"toStartTime": "2026-11-21T00:00:00Z"}),
    ("/api/public/v2/observations", {"type": "GENERATION"}),
    ("/api/public/v2/observations", {"traceId": "t7"}),
    ("/api/public/v2/observations", {"traceId": "t7", "parentObservationId": "t7-1"}),
    ("/api/public/v2/observations", {"userId": "user7"}),
    ("/api/public/v2/observations", {"sessionId": "session7"}),
    ("/api/public/v2/observations", {"name": "name3", "level": "ERROR"}),
    ("/api/public/v2/observations", {"isRootObservation": "true"}),
    ("/api/public/observations", {}),
    ("/api/public/observations", RECENT | {"type": "SPAN"}),
    ("/api/public/observations", {"traceId": "t7"}),
    ("/api/public/observations/t7-1", {}),
    ("/api/public/traces", {}),
    ("/api/public/traces", {"userId": "user7"}),
    ("/api/public/traces", {"sessionId": "session7"}),
    ("/api/public/traces", {"name": "name7", "fromTimestamp": "2026-11-15"}),
    ("/api/public/traces", {"fromTimestamp": "2026-11-20", "toTimestamp": "2026-11-21"}),
    ("/api/public/traces/t7", {}),
    ("/api/public/sessions", {}),
    ("/api/public/sessions/session7", {}),
    ("/api/public/v2/scores", {}),
    ("/api/public/v2/scores", {"traceId": "t7"}),
    ("/api/public/v3/scores", {"fromTimestamp": "2026-11-20T00:00:00Z"}),
    ("/api/public/v3/scores", {"traceId": "t7,t8"}),
    ("/api/tailrace/v1/users", {"from": "2026-11-19T12:30:00Z", "to": "2026-11-21T12:00:00Z"}),
    ("/api/tailrace/v1/users", {"search": "user1"}),
    ("/api/public/models", {}),
    ("/api/public/models/t40", {}),
    ("/api/public/v2/prompts", {}),
    ("/api/public/v2/prompts", {"name": "t7"}),
    ("/api/public/v2/prompts", {"label": "production", "page": 3}),
    ("/api/public/v2/prompts/t7", {}),
    ("/api/public/v2/prompts/t7", {"version": 2}),
    ("/api/tailrace/v1/prompts/t7/metrics", {}),
    ("/api/tailrace/v1/prompts/t7/metrics", {"from": "2026-11-15"}),
    ("/api/tailrace/v1/unknown-models", {}),
    ("/api/tailrace/v1/unknown-models", {"from": "2026-01-01"}),
    ("/api/tailrace/v1/users/user7/windows", {"bucket": "minute"}),
    ("/api/tailrace/v1/users/user7/windows", {"bucket": "day", "model": "m1"}),
    ("/api/tailrace/v1/traces/t7/tree", {"fields": "io"}),
    ("/api/public/v2/datasets", {}),
    ("/api/public/v2/datasets/set7", {}),
    ("/api/public/datasets", {"limit": 5}),
    ("/api/public/datasets/set7", {}),
    ("/api/public/dataset-items", {"datasetName": "set7"}),
    ("/api/public/dataset-items", {"datasetName": "set7", "version": "2026-11-21T11:00:00Z"}),
    ("/api/public/dataset-items", {"sourceTraceId": "t7"}),
    ("/api/public/dataset-items/i7", {}),
    ("/api/public/datasets/set7/runs", {}),
    ("/api/public/datasets/set7/runs/run6", {}),
    ("/api/public/datasets/set7/runs/spans7", {}),
    ("/api/public/dataset-run-items", {"datasetId": "d7", "runName": "run6"}),
    ("/api/public/experiments", RECENT | {"fields": "scores"}),
    ("/api/public/experiments", {"id": "s7"}),
    ("/api/public/experiment-items", RECENT),
    ("/api/public/experiment-items", {"experimentId": "s7", "fields": "io,scores"}),
    ("/api/tailrace/v1/datasets/set7/runs/compare", {"base": "run6", "with": "spans7"}),
    ("/api/public/metrics/daily", {"fromTimestamp": "2026-11-20", "userId": "user7"}),
]


async def test_no_usual_filter_reads_a_whole_table(
    client: httpx.AsyncClient, seed: Seed, connection: "asyncpg.Connection[Any]", ran: list[Statement]
) -> None:
    await fill(connection, seed.project_id)

    for path, params in USUAL:
        ran.clear()
        response = await client.get(path, params=params)

        assert response.status_code == 200, response.text
        assert response.json().get("data", [1]), (path, params)
        assert await sequential_scans(connection, ran) == [], (path, params)
