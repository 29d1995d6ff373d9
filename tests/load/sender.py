"""`python -m tests.load.sender`: the load, in a process of its own, so that it costs the measured ones nothing but its CPU.

Bodies are made once; each request gets fresh ids by replacing marks in the bytes. It reads its orders as one JSON line and prints what it did as one.
"""

import asyncio
import json
import resource
import sys
import time
from collections import Counter
from typing import Any, NamedTuple

import aiohttp
import orjson

from tests.load.generator import TRACES_PATH, Template, make_template

MOST_TRIES = 600


class Orders(NamedTuple):
    """What to send where: `requests` of `traces` traces of ten spans each, as fast as they are taken."""

    url: str
    authorization: str
    connections: int
    requests: int
    traces: int = 5


async def send(orders: Orders) -> dict[str, Any]:
    """Send it; returns spans, statuses, latencies in seconds and the CPU seconds that this took."""
    templates = [make_template(seed, traces=orders.traces) for seed in range(8)]
    before = _cpu()
    statuses: Counter[str] = Counter()
    latencies: list[float] = []
    taken: list[Template] = []
    started = time.monotonic()
    numbers = iter(range(orders.requests))
    headers = {"authorization": orders.authorization, "content-type": "application/x-protobuf"}
    connector = aiohttp.TCPConnector(limit=orders.connections)
    async with aiohttp.ClientSession(connector=connector, headers=headers, auto_decompress=False) as session:

        async def work() -> None:
            for number in numbers:
                template = templates[number % len(templates)]
                await _post(session, orders.url + TRACES_PATH, template.fresh(), statuses, latencies)
                taken.append(template)

        await asyncio.gather(*(work() for _ in range(orders.connections)))
    return {
        "seconds": time.monotonic() - started,
        "spans": sum(template.spans for template in taken),
        "statuses": statuses,
        "latencies": latencies,
        "cpu_seconds": _cpu() - before,
    }


async def _post(
    session: aiohttp.ClientSession, url: str, body: bytes, statuses: Counter[str], latencies: list[float]
) -> None:
    for _ in range(MOST_TRIES):
        started = time.monotonic()
        try:
            async with session.post(url, data=body) as answer:
                await answer.read()
                status = answer.status
        except aiohttp.ClientError as error:
            statuses[type(error).__name__] += 1
        else:
            statuses[str(status)] += 1
            if status == 200:
                latencies.append(time.monotonic() - started)
                return
            if status not in (429, 503):
                raise RuntimeError(f"expected 200, 429 or 503, got {status}")
        await asyncio.sleep(0.1)
    raise RuntimeError("the edge took nothing for a minute")


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    print(orjson.dumps(asyncio.run(send(Orders(**json.loads(sys.stdin.readline()))))).decode())
