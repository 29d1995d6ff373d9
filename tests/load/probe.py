"""Small traces at a steady rate, each followed from the edge's answer to the moment when a read shows it whole."""

import statistics
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import httpx

from tests.load.arrivals import Arrivals
from tests.load.sender import at_rate
from tests.load.stack import Stack
from tests.load.templates import SPANS_PER_TRACE, TRACES_PATH, make_template, trace_id_of

MOST_SECONDS: Final = 120.0
"""A trace that is not there after so long counts as lost."""


class Probed(NamedTuple):
    """Seconds to the answer, and from there until it is readable, of each trace that was taken and came; the answers, and how many never came."""

    accepted: list[float]
    visible: list[float]
    answers: Counter[str]

    def summary(self) -> dict[str, Any]:
        """The same as cuts."""
        return {
            "traces": len(self.visible),
            "answers": self.answers,
            "accept_seconds": cuts(self.accepted),
            "visible_seconds": cuts(self.visible),
        }


async def probe(stack: Stack, authorization: str, *, rate: float, seconds: float) -> Probed:
    """Post `rate` traces of ten spans a second for so long, without waiting for one before the next."""
    template = make_template(1, traces=1)
    found = Probed([], [], Counter())
    headers = {"authorization": authorization, **template.headers}
    connection = await stack.connect()
    arrivals = Arrivals(connection, SPANS_PER_TRACE)
    async with httpx.AsyncClient(base_url=stack.url, headers=headers, timeout=60) as client:

        async def post(_: int) -> None:
            body, started = template.fresh(), time.monotonic()
            answer = await client.post(TRACES_PATH, content=body)
            found.answers[str(answer.status_code)] += 1
            if answer.status_code != 200:
                return
            at = time.monotonic()
            found.accepted.append(at - started)
            seen = await arrivals.seen(trace_id_of(body), seconds=MOST_SECONDS)
            if seen is None:
                found.answers["never visible"] += 1
            else:
                found.visible.append(max(0.0, seen - at))

        async with arrivals.watching():
            await at_rate(post, rate, int(rate * seconds))
    await connection.close()
    return found


def cuts(values: Sequence[float]) -> dict[str, float]:
    """Median, 99th percentile and maximum, in seconds."""
    if len(values) < 2:
        return {}
    hundredths = statistics.quantiles(values, n=100)
    return {"p50": round(hundredths[49], 4), "p99": round(hundredths[98], 4), "max": round(max(values), 4)}
