"""`python -m tests.load kills|freshness|throughput|fairness|overload`: load on a real local stack of its own, and what came of it.

kills: every process is killed with -9 once while 20,000 spans come in; then spans, costs by user and the laws must be right to the last digit.
freshness: from the edge's acknowledgement to the first read that shows it, at a steady rate. throughput: spans stored
per second, and the CPU of each process for one.
fairness: what a quiet project notices of one that sends a hundred times as much. overload: twice what can be stored, and everybody's memory.
"""

import argparse
import asyncio
import base64
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from tailrace.local.attach import attach
from tailrace.local.ports import free_port
from tailrace.runtime.postgres import require_dsn
from tailrace.runtime.settings import load_settings
from tests.load.arrivals import Arrivals
from tests.load.fairness import measure_fairness
from tests.load.generator import (
    SPANS_PER_TRACE,
    TRACES_PATH,
    Expected,
    Sent,
    Template,
    make_template,
    send_load,
    trace_id_of,
)
from tests.load.overload import plot, watch_overload
from tests.load.sender import Orders, at_rate, send_apart
from tests.load.usage import spent, usage_by_name

TRACES_PER_REQUEST = 5
SPANS_PER_REQUEST = TRACES_PER_REQUEST * SPANS_PER_TRACE


@dataclass(frozen=True)
class Stack:
    """A running local stack."""

    url: str
    headers: dict[str, str]
    environment: dict[str, str]
    data: Path

    def tailrace(self, *arguments: str, check: bool = True) -> str:
        """Run a command against it; returns what it printed."""
        command = [sys.executable, "-m", "tailrace", *arguments]
        return subprocess.run(command, env=self.environment, check=check, stdout=subprocess.PIPE, text=True).stdout

    def processes(self) -> dict[str, dict[str, Any]]:
        """What `tailrace status` says, by name."""
        return {row["name"]: row for row in json.loads(self.tailrace("status", "--json", check=False))}

    async def connect(self) -> asyncpg.Connection:
        """A connection to its database."""
        settings = attach(load_settings(self.environment))
        return await asyncpg.connect(require_dsn(settings.postgres))


@contextmanager
def running_stack() -> Generator[Stack]:
    """A stack on free ports in a folder of its own, stopped and forgotten at the end."""
    with tempfile.TemporaryDirectory(prefix="tailrace-load-", ignore_cleanup_errors=True) as folder:
        data, port = Path(folder) / "data", free_port()
        environment = {**os.environ, "TAILRACE_DATA_DIR": str(data), "TAILRACE_PORT": str(port)}
        subprocess.run(
            [sys.executable, "-m", "tailrace", "up", "--detach"], env=environment, check=True, stdout=sys.stderr
        )
        try:
            keys = json.loads((data / "keys.json").read_text())
            basic = base64.b64encode(f"{keys['publicKey']}:{keys['secretKey']}".encode()).decode()
            headers = {"authorization": f"Basic {basic}", "content-type": "application/x-protobuf"}
            yield Stack(f"http://127.0.0.1:{port}", headers, environment, data)
        finally:
            subprocess.run([sys.executable, "-m", "tailrace", "down"], env=environment, check=False, stdout=sys.stderr)


async def kill_everything_once(stack: Stack, spans: int, *, pause_seconds: float = 8) -> dict[str, Any]:
    """Load with a kill -9 of each process in turn; returns what was sent and what of it is wrong."""
    templates = [make_template(seed, traces=TRACES_PER_REQUEST) for seed in range(8)]
    victims = ["sink", "assembler", "serve", "meter", "kafka", "postgres"]
    loading = asyncio.create_task(_load(stack, templates, spans, rate=spans / (7.5 * pause_seconds)))
    killed: dict[str, float] = {}
    started = time.monotonic()
    for victim in victims:
        await asyncio.sleep(pause_seconds)
        os.kill(stack.processes()[victim]["pid"], signal.SIGKILL)
        killed[victim] = round(time.monotonic() - started, 1)
    sent = await loading
    drained = await wait_until_applied(stack, sent.expected, seconds=180)
    return {
        "killed_at_seconds": killed,
        "answers": sent.statuses,
        "applied_after_seconds": drained,
        **await verify(stack, sent.expected),
    }


async def measure_freshness(stack: Stack, rate: float, seconds: float) -> dict[str, Any]:
    """Post single traces at a steady rate of `rate` spans a second, and wait for each until a read shows it with all spans."""
    template = make_template(1, traces=1)
    visible: list[float] = []
    connection = await stack.connect()
    arrivals = Arrivals(connection, SPANS_PER_TRACE)
    async with httpx.AsyncClient(timeout=30, limits=httpx.Limits(max_connections=50)) as client:

        async def probe(_: int) -> None:
            body = template.fresh()
            answer = await client.post(stack.url + TRACES_PATH, content=body, headers=stack.headers)
            answer.raise_for_status()
            accepted = time.monotonic()
            seen = await arrivals.seen(trace_id_of(body), seconds=60)
            visible.append(60.0 if seen is None else max(0.0, seen - accepted))

        async with arrivals.watching():
            await at_rate(probe, rate / SPANS_PER_TRACE, int(seconds * rate / SPANS_PER_TRACE))
    await connection.close()
    cuts = statistics.quantiles(visible, n=100)
    return {
        "traces": len(visible),
        "spans_per_second": rate,
        "median_seconds": round(cuts[49], 3),
        "p99_seconds": round(cuts[98], 3),
    }


async def measure_throughput(stack: Stack, spans: int, traces: int) -> dict[str, Any]:
    """As fast as the edge takes it, after a while to warm up: spans per second until all are stored, and the CPU that each process takes for one.

    `traces`: how many traces of ten spans are in each request.
    """
    pids = {name: row["pid"] for name, row in stack.processes().items() if row.get("pid")}
    warm = await _send(stack, spans // 10, traces)
    await _wait_for_events(stack, warm["spans"])
    before, started = usage_by_name(pids), time.monotonic()
    sent = await _send(stack, spans, traces)
    await _wait_for_events(stack, warm["spans"] + sent["spans"])
    seconds = time.monotonic() - started
    after = usage_by_name(pids)
    cpu = {**spent(before, after), "generator": sent["cpu_seconds"]}
    cuts = statistics.quantiles(sent["latencies"], n=100)
    return {
        "spans": sent["spans"],
        "answers": sent["statuses"],
        "accepted_spans_per_second": round(sent["spans"] / sent["seconds"]),
        "accept_seconds": {"p50": round(cuts[49], 4), "p99": round(cuts[98], 4)},
        "stored_spans_per_second": round(sent["spans"] / seconds),
        "cores_used": round(sum(cpu.values()) / seconds, 2),
        "cpu_microseconds_per_span": {name: round(used / sent["spans"] * 1e6, 1) for name, used in cpu.items()},
        "peak_mib": {name: used.peak_mib for name, used in after.items()},
    }


async def _send(stack: Stack, spans: int, traces: int) -> dict[str, Any]:
    requests = spans // (traces * SPANS_PER_TRACE)
    return await send_apart(Orders(stack.url, stack.headers["authorization"], 16, requests, traces))


async def _wait_for_events(stack: Stack, events: int) -> None:
    """Wait until so many events are applied."""
    connection = await stack.connect()
    try:
        while await connection.fetchval("select coalesce(sum(applied), 0)::bigint from event_counts") < events:  # noqa: ASYNC110 - Postgres tells nobody
            await asyncio.sleep(0.1)
    finally:
        await connection.close()


async def measure_overload(stack: Stack, *, rate: float, minutes: float, plot_file: Path | None) -> dict[str, Any]:
    """Send at `rate` spans per second, more than can be stored, and watch the memory of every process until all is stored."""
    templates = [make_template(seed, traces=TRACES_PER_REQUEST) for seed in range(8)]
    sending = asyncio.create_task(_load(stack, templates, int(rate * minutes * 60), rate=rate))

    async def drain() -> float:
        return await wait_until_applied(stack, (await sending).expected, seconds=minutes * 60 * 4)

    found = await watch_overload(stack, sending, drain)
    samples = found.pop("samples")
    if plot_file is not None:
        title = f"Resident memory under {rate:.0f} spans/s for {minutes:g} min"
        plot_file.write_text(plot(samples, title))  # noqa: ASYNC240 - nothing else runs any more
    return {**found, "answers": sending.result().statuses, **await verify(stack, sending.result().expected)}


async def wait_until_applied(stack: Stack, expected: Expected, *, seconds: float) -> float:
    """Wait until as many observations are stored as were acknowledged; returns how long it took. The check comes after."""
    started = time.monotonic()
    while time.monotonic() - started < seconds:
        try:
            connection = await stack.connect()
            stored = await connection.fetchval("select coalesce(sum(observation_count), 0) from traces")
            await connection.close()
        except (OSError, asyncpg.PostgresError):
            stored = 0
        if stored >= expected.spans:
            break
        await asyncio.sleep(0.2)
    return round(time.monotonic() - started, 1)


async def verify(stack: Stack, expected: Expected) -> dict[str, Any]:
    """Compare what is stored with what was acknowledged: spans, cost by user in each bucket, and the laws."""
    connection = await stack.connect()
    spans, cost = await connection.fetchrow("select count(*), sum(total_cost) from observations") or (0, None)
    windows = await connection.fetch("select bucket, user_id, sum(cost) as cost from cost_parts group by 1, 2")
    await connection.close()
    wrong = [row["user_id"] for row in windows if expected.cost.get(row["user_id"] or "", Decimal(0)) != row["cost"]]
    return {
        "spans": {"acknowledged": expected.spans, "stored": spans},
        "cost_usd": {
            "expected": str(expected.total),
            "stored": str(cost),
            "difference": str((cost or 0) - expected.total),
        },
        "windows": {"checked": len(windows), "wrong": len(wrong)},
        "conservation": json.loads(stack.tailrace("conservation", "--json", check=False) or "null"),
    }


async def _load(stack: Stack, templates: list[Template], spans: int, *, rate: float | None) -> Sent:
    return await send_load(
        stack.url + TRACES_PATH,
        stack.headers,
        templates,
        requests=spans // SPANS_PER_REQUEST,
        concurrency=8,
        pace=lambda number: 0.0 if rate is None else number * SPANS_PER_REQUEST / rate,
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.load", description=__doc__)
    parser.add_argument("what", choices=["kills", "freshness", "throughput", "fairness", "overload"])
    parser.add_argument("--spans", type=int, default=20_000)
    parser.add_argument(
        "--traces", type=int, default=TRACES_PER_REQUEST, help="traces of ten spans in a request, for throughput"
    )
    parser.add_argument("--rate", type=float, default=200, help="spans per second, for freshness and overload")
    parser.add_argument("--seconds", type=float, default=60, help="for freshness and for each half of fairness")
    parser.add_argument(
        "--quiet-rate", type=float, default=2, help="traces of the quiet project a second, for fairness"
    )
    parser.add_argument("--times", type=float, default=100, help="how many times as much the loud project sends")
    parser.add_argument("--quota", type=int, help="spans a second that the loud project is given, for fairness")
    parser.add_argument("--minutes", type=float, default=30, help="for overload")
    parser.add_argument("--plot", type=Path, help="for overload: an SVG of the memory of each process")
    arguments = parser.parse_args()
    with running_stack() as stack:
        if arguments.what == "kills":
            result = asyncio.run(kill_everything_once(stack, arguments.spans))
        elif arguments.what == "freshness":
            result = asyncio.run(measure_freshness(stack, arguments.rate, arguments.seconds))
        elif arguments.what == "fairness":
            result = asyncio.run(
                measure_fairness(
                    stack,
                    rate=arguments.quiet_rate,
                    times=arguments.times,
                    seconds=arguments.seconds,
                    quota=arguments.quota,
                )
            )
        elif arguments.what == "overload":
            result = asyncio.run(
                measure_overload(stack, rate=arguments.rate, minutes=arguments.minutes, plot_file=arguments.plot)
            )
        else:
            result = asyncio.run(measure_throughput(stack, arguments.spans, arguments.traces))
    print(json.dumps(result, indent=2, default=str))
    return 0


if __name__ == "__main__":
    sys.exit(main())
