"""`python -m tests.load fairness`: what a quiet project notices of a loud one, in one run.

The quiet one posts a trace at a steady rate, first alone and then beside a project that posts the same at a hundred times that rate. Measured of the
quiet one: how long the edge takes to acknowledge, and from there to the first read that shows the trace whole. The loud one never slows down: what
it hears 429 for is counted and forgotten, and the next comes in time; what its connections cannot carry in time is counted as not sent. It runs
in a process of its own, so that it does not disturb the clock.
"""

import asyncio
import base64
import json
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, Final, Protocol

import httpx

from tests.load.generator import SPANS_PER_TRACE, TRACES_PATH, make_template

LOUD_CONNECTIONS: Final = 32
MOST_VISIBLE_SECONDS: Final = 120.0


class RunningStack(Protocol):
    """A stack to measure on."""

    @property
    def url(self) -> str: ...

    def tailrace(self, *arguments: str, check: bool = True) -> str:
        """Run a command against it; returns what it printed."""
        ...


async def measure_fairness(
    stack: RunningStack, *, rate: float, times: float, seconds: float, quota: int | None
) -> dict[str, Any]:
    """The quiet project's latencies alone and beside the loud one, their ratios, and what the loud one was answered.

    `rate`: traces of ten spans that the quiet one posts a second; the loud one posts `times` as many. `quota`: spans a second that the loud
    one is given; without, only the pace of the processors holds it.
    """
    quiet, loud = (_make_project(stack, name) for name in ("quiet", "loud"))
    if quota is not None:
        stack.tailrace("tenant", "quota", "loud", "--events-per-second", str(quota))
    await _measure_quiet(stack.url, quiet, rate, 5)
    alone = await _measure_quiet(stack.url, quiet, rate, seconds)
    arguments = [stack.url, loud["authorization"], str(rate * times), str(seconds)]
    sender = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.load.fairness", *arguments, stdout=asyncio.subprocess.PIPE
    )
    beside = await _measure_quiet(stack.url, quiet, rate, seconds)
    output, _ = await sender.communicate()
    ratios = {
        what: {cut: round(beside[what][cut] / alone[what][cut], 2) for cut in ("p50", "p99")}
        for what in ("accept_seconds", "visible_seconds")
    }
    return {"alone": alone, "beside": beside, "ratios": ratios, "loud": json.loads(output)}


async def _measure_quiet(url: str, headers: dict[str, str], rate: float, seconds: float) -> dict[str, Any]:
    template = make_template(1, traces=1)
    accepted: list[float] = []
    visible: list[float] = []
    statuses: Counter[str] = Counter()
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=60) as client:

        async def probe() -> None:
            body, started = template.fresh(), time.monotonic()
            answer = await client.post(TRACES_PATH, content=body)
            statuses[str(answer.status_code)] += 1
            if answer.status_code != 200:
                return
            at = time.monotonic()
            accepted.append(at - started)
            if await _seen(client, body):
                visible.append(time.monotonic() - at)
            else:
                statuses["never visible"] += 1

        await _at_rate(probe, rate, seconds)
    return {
        "traces": len(visible),
        "answers": statuses,
        "accept_seconds": _cuts(accepted),
        "visible_seconds": _cuts(visible),
    }


async def _seen(client: httpx.AsyncClient, body: bytes) -> bool:
    at = body.index(b"\x0a\x10") + 2
    path = f"/api/public/traces/{body[at : at + 16].hex()}?fields=core,observations"
    started = time.monotonic()
    while time.monotonic() - started < MOST_VISIBLE_SECONDS:
        found = await client.get(path)
        if found.status_code == 200 and len(found.json()["observations"]) == SPANS_PER_TRACE:
            return True
        await asyncio.sleep(0.05)
    return False


async def send_loud(url: str, authorization: str, rate: float, seconds: float) -> dict[str, Any]:
    """Post traces at a rate, whatever is answered; returns how often what was, and the traces that were taken a second."""
    template = make_template(2, traces=1)
    statuses: Counter[str] = Counter()
    open_requests = 0
    headers = _headers(authorization)
    limits = httpx.Limits(max_connections=LOUD_CONNECTIONS, max_keepalive_connections=LOUD_CONNECTIONS)
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=60, limits=limits) as client:

        async def post() -> None:
            nonlocal open_requests
            if open_requests == LOUD_CONNECTIONS:
                statuses["not sent"] += 1
                return
            open_requests += 1
            try:
                statuses[str((await client.post(TRACES_PATH, content=template.fresh())).status_code)] += 1
            except httpx.TransportError as error:
                statuses[type(error).__name__] += 1
            finally:
                open_requests -= 1

        started = time.monotonic()
        await _at_rate(post, rate, seconds)
        took = time.monotonic() - started
    sent = statuses.total() - statuses["not sent"]
    statuses["not sent"] = int(rate * seconds) - sent
    return {
        "answers": statuses,
        "sent_traces_per_second": round(sent / took, 1),
        "taken_traces_per_second": round(statuses["200"] / took, 1),
    }


async def _at_rate(call: Callable[[], Coroutine[Any, Any, None]], rate: float, seconds: float) -> None:
    """Start `call` at a rate for so long, without waiting for its end before the next, and return once all have ended.

    One that is too late for that is left out.
    """
    started = time.monotonic()
    async with asyncio.TaskGroup() as tasks:
        for number in range(int(rate * seconds)):
            await asyncio.sleep(max(0.0, started + number / rate - time.monotonic()))
            if time.monotonic() - started > seconds:
                break
            tasks.create_task(call())


def _cuts(values: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(values, n=100)
    return {"p50": round(cuts[49], 4), "p99": round(cuts[98], 4), "max": round(max(values), 4)}


def _make_project(stack: RunningStack, name: str) -> dict[str, str]:
    stack.tailrace("tenant", "create", "--org", "load", "--project", name)
    key = json.loads(stack.tailrace("key", "create", "--project", name, "--json"))
    return _headers("Basic " + base64.b64encode(f"{key['publicKey']}:{key['secretKey']}".encode()).decode())


def _headers(authorization: str) -> dict[str, str]:
    return {"authorization": authorization, "content-type": "application/x-protobuf"}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(send_loud(sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4])))))
