"""`python -m tests.load fairness`: what a quiet project notices of a loud one, in one run.

The quiet one posts a trace at a steady rate, first alone and then beside a project that posts the same at a hundred times that rate. Measured of the
quiet one: how long the edge takes to acknowledge, and from there to the moment when a read shows the trace whole. The loud one never slows down: what
it hears 429 for is counted and forgotten, and the next comes in time; what its connections cannot carry in time is counted as not sent. It runs
in a process of its own, so that it does not disturb the clock.
"""

import asyncio
import base64
import json
import statistics
import time
from collections import Counter
from typing import Any, Final, Protocol

import asyncpg
import httpx

from tests.load.arrivals import Arrivals
from tests.load.generator import SPANS_PER_TRACE, TRACES_PATH, make_template, trace_id_of
from tests.load.sender import Orders, at_rate, send_apart

LOUD_CONNECTIONS: Final = 32
MOST_VISIBLE_SECONDS: Final = 120.0
ONSET_SECONDS: Final = 15.0
"""How long the loud one may take to be known for what it is; shown apart."""


class RunningStack(Protocol):
    """A stack to measure on."""

    @property
    def url(self) -> str: ...

    def tailrace(self, *arguments: str, check: bool = True) -> str:
        """Run a command against it; returns what it printed."""
        ...

    async def connect(self) -> asyncpg.Connection:
        """A connection to its database."""
        ...


async def measure_fairness(
    stack: RunningStack, *, rate: float, times: float, seconds: float, quota: int | None
) -> dict[str, Any]:
    """The quiet project's latencies alone, when the loud one has just come, and beside it, the ratios of the last to the first, and what the loud one was answered.

    `rate`: traces of ten spans that the quiet one posts a second; the loud one posts `times` as many. `quota`: spans a second that the loud
    one is given; without, only the pace of the processors holds it.
    """
    quiet, loud = (_make_project(stack, name) for name in ("quiet", "loud"))
    if quota is not None:
        stack.tailrace("tenant", "quota", "loud", "--events-per-second", str(quota))
    await _measure_quiet(stack, quiet, rate, 5)
    alone = await _measure_quiet(stack, quiet, rate, seconds)
    orders = Orders(
        stack.url,
        loud["authorization"],
        LOUD_CONNECTIONS,
        int(rate * times * (ONSET_SECONDS + seconds)),
        traces=1,
        rate=rate * times,
    )
    sending = asyncio.create_task(send_apart(orders))
    onset = await _measure_quiet(stack, quiet, rate, ONSET_SECONDS)
    beside = await _measure_quiet(stack, quiet, rate, seconds)
    sent = await sending
    ratios = {
        what: {cut: round(beside[what][cut] / alone[what][cut], 2) for cut in ("p50", "p99")}
        for what in ("accept_seconds", "visible_seconds")
    }
    return {"alone": alone, "onset": onset, "beside": beside, "ratios": ratios, "loud": _loud(sent)}


async def _measure_quiet(stack: RunningStack, headers: dict[str, str], rate: float, seconds: float) -> dict[str, Any]:
    connection = await stack.connect()
    arrivals = Arrivals(connection, SPANS_PER_TRACE)
    template = make_template(1, traces=1)
    accepted: list[float] = []
    visible: list[float] = []
    statuses: Counter[str] = Counter()
    async with httpx.AsyncClient(base_url=stack.url, headers=headers, timeout=60) as client:

        async def probe(_: int) -> None:
            body, started = template.fresh(), time.monotonic()
            answer = await client.post(TRACES_PATH, content=body)
            statuses[str(answer.status_code)] += 1
            if answer.status_code != 200:
                return
            at = time.monotonic()
            accepted.append(at - started)
            seen = await arrivals.seen(trace_id_of(body), seconds=MOST_VISIBLE_SECONDS)
            if seen is None:
                statuses["never visible"] += 1
            else:
                visible.append(max(0.0, seen - at))

        async with arrivals.watching():
            await at_rate(probe, rate, int(rate * seconds))
    await connection.close()
    return {
        "traces": len(visible),
        "answers": statuses,
        "accept_seconds": _cuts(accepted),
        "visible_seconds": _cuts(visible),
    }


def _loud(sent: dict[str, Any]) -> dict[str, Any]:
    return {
        "answers": sent["statuses"],
        "taken_spans_per_second": round(sent["spans"] / sent["seconds"], 1),
        "accept_seconds": _cuts(sent["latencies"]),
    }


def _cuts(values: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(values, n=100)
    return {"p50": round(cuts[49], 4), "p99": round(cuts[98], 4), "max": round(max(values), 4)}


def _make_project(stack: RunningStack, name: str) -> dict[str, str]:
    stack.tailrace("tenant", "create", "--org", "load", "--project", name)
    key = json.loads(stack.tailrace("key", "create", "--project", name, "--json"))
    return _headers("Basic " + base64.b64encode(f"{key['publicKey']}:{key['secretKey']}".encode()).decode())


def _headers(authorization: str) -> dict[str, str]:
    return {"authorization": authorization, "content-type": "application/x-protobuf"}
