"""`python -m tests.load kills|freshness|throughput|fairness|overload|prompts`: load on a real local stack of its own, and what came of it.

kills: every process is killed with -9 once while 20,000 spans come in; then spans, costs by user and the laws must be right to the last digit.
freshness: from the edge's acknowledgement to the first read that shows it, at a steady rate. throughput: spans stored
per second, and the CPU of each process for one.
fairness: what a quiet project notices of one that sends a hundred times as much. overload: twice what can be stored, and everybody's memory.
prompts: how long reads of prompts take at a steady rate, from memory, from Postgres and while somebody writes; needs Postgres alone.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
import time
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import asyncpg

from tests.load.fairness import measure_fairness
from tests.load.generator import Expected, Sent, send_load
from tests.load.overload import plot, watch_overload
from tests.load.probe import probe
from tests.load.prompts import measure_prompts
from tests.load.stack import Stack, end_by_signals, running_stack
from tests.load.templates import SPANS_PER_TRACE, Template, Workload, make_templates
from tests.load.throughput import TRACES_PER_REQUEST, count_events, measure_throughput

SPANS_PER_REQUEST = TRACES_PER_REQUEST * SPANS_PER_TRACE


async def kill_everything_once(stack: Stack, spans: int, *, pause_seconds: float = 8) -> dict[str, Any]:
    """Load with a kill -9 of each process in turn; returns what was sent and what of it is wrong."""
    templates = make_templates("batches", TRACES_PER_REQUEST)
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


async def _measure_freshness(stack: Stack, rate: float, seconds: float) -> dict[str, Any]:
    return (await probe(stack, stack.authorization, rate=rate / SPANS_PER_TRACE, seconds=seconds)).summary()


async def measure_overload(stack: Stack, *, rate: float, minutes: float, plot_file: Path | None) -> dict[str, Any]:
    """Send at `rate` spans per second, more than can be stored, and watch the memory of every process until all is stored."""
    templates = make_templates("batches", TRACES_PER_REQUEST)
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
    """Wait until as many events are applied as spans were acknowledged; returns how long it took. The check comes after."""
    started = time.monotonic()
    while time.monotonic() - started < seconds:
        with suppress(OSError, asyncpg.PostgresError):
            if await count_events(stack) >= expected.spans:
                break
        await asyncio.sleep(0.5)
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
        stack.url,
        {"authorization": stack.authorization},
        templates,
        requests=spans // SPANS_PER_REQUEST,
        concurrency=8,
        pace=lambda number: 0.0 if rate is None else number * SPANS_PER_REQUEST / rate,
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.load", description=__doc__)
    parser.add_argument("what", choices=["kills", "freshness", "throughput", "fairness", "overload", "prompts"])
    parser.add_argument("--spans", type=int, default=20_000)
    parser.add_argument("--workload", choices=get_args(Workload), default="batches", help="for throughput")
    parser.add_argument(
        "--traces", type=int, default=TRACES_PER_REQUEST, help="traces of ten spans in a request, for throughput"
    )
    parser.add_argument("--rate", type=float, default=200, help="spans per second, for freshness and overload")
    parser.add_argument("--reads", type=float, default=500, help="reads per second, for prompts")
    parser.add_argument("--seconds", type=float, default=60, help="for freshness and for each half of fairness")
    parser.add_argument(
        "--quiet-rate", type=float, default=2, help="traces of the quiet project a second, for fairness"
    )
    parser.add_argument("--times", type=float, default=100, help="how many times as much the loud project sends")
    parser.add_argument("--quota", type=int, help="spans a second that the loud project is given, for fairness")
    parser.add_argument("--minutes", type=float, default=30, help="for overload")
    parser.add_argument("--plot", type=Path, help="for overload: an SVG of the memory of each process")
    arguments = parser.parse_args()
    end_by_signals()
    if arguments.what == "prompts":
        result = measure_prompts(rate=arguments.reads, seconds=arguments.seconds)
        print(json.dumps(result, indent=2))
        return 0
    with running_stack() as stack:
        if arguments.what == "kills":
            result = asyncio.run(kill_everything_once(stack, arguments.spans))
        elif arguments.what == "freshness":
            result = asyncio.run(_measure_freshness(stack, arguments.rate, arguments.seconds))
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
            result = asyncio.run(measure_throughput(stack, arguments.spans, arguments.workload, arguments.traces))
    print(json.dumps(result, indent=2, default=str))
    return 0


if __name__ == "__main__":
    sys.exit(main())
