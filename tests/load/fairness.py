"""`python -m tests.load fairness`: what a quiet project notices of a loud one, in one run.

The quiet one posts a trace at a steady rate, first alone and then beside a project that posts the same at a hundred times that rate. Measured of the
quiet one: how long the edge takes to acknowledge, and from there to the moment when a read shows the trace whole. The loud one never slows down: what
it hears 429 for is counted and forgotten, and the next comes in time; what its connections cannot carry in time is counted as not sent. It runs
in a process of its own, so that it does not disturb the clock.
"""

import asyncio
import json
from typing import Any, Final

from tests.load.probe import cuts, probe
from tests.load.sender import Orders, send_apart
from tests.load.stack import Stack, authorization_of

LOUD_CONNECTIONS: Final = 32
ONSET_SECONDS: Final = 15.0
"""How long the loud one may take to be known for what it is; shown apart."""


async def measure_fairness(
    stack: Stack, *, rate: float, times: float, seconds: float, quota: int | None
) -> dict[str, Any]:
    """The quiet project's latencies alone, when the loud one has just come, and beside it, the ratios of the last to the first, and what the loud one was answered.

    `rate`: traces of ten spans that the quiet one posts a second; the loud one posts `times` as many. `quota`: spans a second that the loud
    one is given; without, only the pace of the processors holds it.
    """
    quiet, loud = (_make_project(stack, name) for name in ("quiet", "loud"))
    if quota is not None:
        stack.tailrace("tenant", "quota", "loud", "--events-per-second", str(quota))

    async def measure_quiet(seconds: float) -> dict[str, Any]:
        return (await probe(stack, quiet, rate=rate, seconds=seconds)).summary()

    await measure_quiet(5)
    alone = await measure_quiet(seconds)
    orders = Orders(
        stack.url,
        loud,
        LOUD_CONNECTIONS,
        int(rate * times * (ONSET_SECONDS + seconds)),
        traces=1,
        rate=rate * times,
    )
    sending = asyncio.create_task(send_apart(orders))
    onset = await measure_quiet(ONSET_SECONDS)
    beside = await measure_quiet(seconds)
    sent = await sending
    ratios = {
        what: {cut: round(beside[what][cut] / alone[what][cut], 2) for cut in ("p50", "p99")}
        for what in ("accept_seconds", "visible_seconds")
    }
    return {"alone": alone, "onset": onset, "beside": beside, "ratios": ratios, "loud": _loud(sent)}


def _loud(sent: dict[str, Any]) -> dict[str, Any]:
    return {
        "answers": sent["statuses"],
        "taken_spans_per_second": round(sent["spans"] / sent["seconds"], 1),
        "accept_seconds": cuts(sent["latencies"]),
    }


def _make_project(stack: Stack, name: str) -> str:
    stack.tailrace("tenant", "create", "--org", "load", "--project", name)
    return authorization_of(json.loads(stack.tailrace("key", "create", "--project", name, "--json")))
