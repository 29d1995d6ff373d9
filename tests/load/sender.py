"""`python -m tests.load.sender`: the load, in a process of its own, so that it costs the measured ones nothing but its CPU.

Bodies are made once; each request gets fresh ids by replacing marks in the bytes. It reads its orders as one JSON line and prints what it did as one.
"""

import asyncio
import json
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

import aiohttp
import orjson

from tests.load.templates import Template, Workload, make_templates

MOST_TRIES = 600
TAKEN = ("200", "207")
"""What says that a request is durable: of OTLP and of an ingestion batch."""


class Orders(NamedTuple):
    """What to send where: `requests` of a workload; `traces`: of ten spans in each request, for "batches".

    Without `rate`, as fast as they are taken, and what is refused is sent again. With it, so many requests a second: none is sent again, what is refused
    is counted and forgotten, and what finds no free connection in its time is counted as "not sent". `path`: where to post instead of the templates' own
    paths; `headers`: to be sent besides.
    """

    url: str
    authorization: str
    connections: int
    requests: int
    traces: int = 5
    rate: float | None = None
    workload: Workload = "batches"
    path: str | None = None
    headers: dict[str, str] | None = None


class Done:
    """What came of the requests so far."""

    def __init__(self) -> None:
        self.statuses: Counter[str] = Counter()
        self.latencies: list[float] = []
        """Seconds from a request to the answer that it is durable."""
        self.taken: list[Template] = []


async def send_apart(orders: Orders) -> dict[str, Any]:
    """Send from a process of its own; returns what `send` returned there."""
    sender = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.load.sender", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    try:
        output, _ = await sender.communicate(json.dumps(orders._asdict()).encode() + b"\n")
    except asyncio.CancelledError:
        sender.kill()
        await sender.wait()
        raise
    return json.loads(output)


async def send(orders: Orders) -> dict[str, Any]:
    """Send it; returns spans, events and bytes that were taken, statuses, latencies in seconds and the CPU seconds that this took."""
    templates = make_templates(orders.workload, orders.traces)
    before, started = _cpu(), time.monotonic()
    done = Done()
    headers = {"authorization": orders.authorization, **(orders.headers or {})}
    connector = aiohttp.TCPConnector(limit=orders.connections)
    async with aiohttp.ClientSession(connector=connector, headers=headers, auto_decompress=False) as session:

        async def post(template: Template) -> str:
            return await _post(session, orders.url + (orders.path or template.path), template, done)

        if orders.rate is None:
            await _send_all(post, templates, orders)
        else:
            await _send_in_time(post, templates, orders, orders.rate, done)
    return {
        "seconds": time.monotonic() - started,
        "spans": sum(template.spans for template in done.taken),
        "events": sum(template.events for template in done.taken),
        "bytes": sum(len(template.body) for template in done.taken),
        "statuses": done.statuses,
        "latencies": done.latencies,
        "cpu_seconds": _cpu() - before,
    }


async def at_rate(call: Callable[[int], Coroutine[Any, Any, Any]], rate: float, calls: int) -> None:
    """Start `call` with 0, 1, 2 ... at a rate a second, without waiting for its end before the next; returns once all have ended.

    What is not started within the time that `calls` take at this rate is left out.
    """
    started = time.monotonic()
    async with asyncio.TaskGroup() as tasks:
        for number in range(calls):
            await asyncio.sleep(max(0.0, started + number / rate - time.monotonic()))
            if time.monotonic() - started > calls / rate:
                break
            tasks.create_task(call(number))


_Post = Callable[[Template], Coroutine[Any, Any, str]]


async def _send_all(post: _Post, templates: list[Template], orders: Orders) -> None:
    numbers = iter(range(orders.requests))

    async def work() -> None:
        for number in numbers:
            await _post_until_taken(post, templates[number % len(templates)])

    await asyncio.gather(*(work() for _ in range(orders.connections)))


async def _send_in_time(post: _Post, templates: list[Template], orders: Orders, rate: float, done: Done) -> None:
    under_way = 0

    async def post_one(number: int) -> None:
        nonlocal under_way
        if under_way == orders.connections:
            return
        under_way += 1
        try:
            await post(templates[number % len(templates)])
        finally:
            under_way -= 1

    await at_rate(post_one, rate, orders.requests)
    done.statuses["not sent"] = orders.requests - done.statuses.total()


async def _post_until_taken(post: _Post, template: Template) -> None:
    for _ in range(MOST_TRIES):
        status = await post(template)
        if status in TAKEN:
            return
        if status.isdigit() and status not in ("429", "503"):
            raise RuntimeError(f"expected 200, 207, 429 or 503, got {status}")
        await asyncio.sleep(0.1)
    raise RuntimeError("the edge took nothing for a minute")


async def _post(session: aiohttp.ClientSession, url: str, template: Template, done: Done) -> str:
    """Post it once with fresh ids; returns the status, or the name of the error."""
    started = time.monotonic()
    try:
        async with session.post(url, data=template.fresh(), headers=template.headers) as answer:
            await answer.read()
            status = str(answer.status)
    except aiohttp.ClientError as error:
        status = type(error).__name__
    done.statuses[status] += 1
    if status in TAKEN:
        done.latencies.append(time.monotonic() - started)
        done.taken.append(template)
    return status


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    print(orjson.dumps(asyncio.run(send(Orders(**json.loads(sys.stdin.readline()))))).decode())
