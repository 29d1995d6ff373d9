"""The auditor as a process: it waits for what is not there yet, audits, tells an outage, and stops when it is told to."""

import asyncio
from urllib.parse import urlsplit

import msgspec
import pytest

from tailrace.auditor.main import audit
from tailrace.runtime.probes import Health
from tailrace.runtime.settings import Audit, Postgres, Process, Secret
from tests.auditor.conftest import Stream, broken_by_name, exported, states
from tests.fakes import eventually
from tests.query.proxy import line_to

pytestmark = pytest.mark.integration


async def test_it_audits_outlives_an_outage_of_postgres_and_stops(stream: Stream) -> None:
    given = urlsplit(stream.dsn)
    async with line_to(given.port or 5432) as line:
        dsn = given._replace(netloc=given.netloc.replace(f":{given.port}", f":{line.port}")).geturl()
        settings = msgspec.structs.replace(
            stream.settings,
            process=Process(accepted_risks="few-replicas,no-standby"),
            postgres=Postgres(dsn=Secret(dsn)),
            audit=Audit(interval_seconds=1, grace_seconds=1, cost_percent=100),
        )
        health, stop = Health("auditor", stall_seconds=60), asyncio.Event()
        running = asyncio.create_task(audit(settings, health, stop))
        await eventually(lambda: health.ready)

        await stream.accept(5, 2)
        await stream.apply(0, 5)
        await eventually(lambda: states() == (7, 5, 0, 2, 0))
        assert exported("tailrace_audit_behind_seconds", partition="0") is not None

        await line.cut()
        await eventually(lambda: "postgres" in health.reasons, seconds=30)
        await line.mend()
        await eventually(lambda: health.ready, seconds=30)
        await stream.pool.execute("update event_counts set applied = 4")
        await eventually(lambda: broken_by_name() == {("shop", "0"): 1})
        assert health.stalled() == []

        stop.set()
        await asyncio.wait_for(running, 20)
