"""One round of chaos: a seeded world is sent to a running cluster while a fault is at work; then everything stored is compared.

What a fault may do and see is a `Round`. It never tells the comparison what to expect: that is the world's alone.
"""

import asyncio
import random
import time
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

import asyncpg
import msgspec
import orjson

from tailrace.local.ports import get_http
from tailrace.runtime.kafka import KAFKA_ERRORS
from tailrace.runtime.postgres import OUTAGE_ERRORS
from tests.chaos.client import Delivered, deliver
from tests.chaos.cluster import Cluster, Tenant
from tests.chaos.truth import Shape, World
from tests.chaos.verify import Findings, compare
from tests.chaos.verify_api import compare_through_api

DRAIN_SECONDS = 400.0
WATCH_SECONDS = 0.5
COMMIT_TRIES = 40
API_SAMPLE = 5

Step = Callable[["Round"], Coroutine[Any, Any, None]]


class Scenario(NamedTuple):
    """A fault: what it does to a cluster while a world is sent for `seconds`. `breaks`: it leaves the cluster unusable for others.

    `seeds`: how many rounds a full run has.
    """

    name: str
    meaning: str
    act: Step
    seconds: float = 20.0
    seeds: int = 3
    shape: Shape = Shape(traces=150, scores=100, dead=12)
    breaks: bool = False
    concurrency: int = 6


class Outcome(msgspec.Struct, kw_only=True):
    """What a round found. `wrong` also holds what contradicts a law."""

    scenario: str
    seed: int
    lost: list[str]
    duplicated: list[str]
    wrong: list[str]
    checked: dict[str, int]
    answers: dict[str, int]
    acknowledged: int
    seconds: float
    drained_seconds: float
    notes: list[str]

    @property
    def is_clean(self) -> bool:
        return not (self.lost or self.duplicated or self.wrong)


class Round:
    """What a fault has in hand: the cluster, a seeded source of chance, the tenant, and a place for what it finds."""

    def __init__(self, cluster: Cluster, scenario: Scenario, seed: int, tenant: Tenant) -> None:
        self.cluster = cluster
        self.scenario = scenario
        self.seed = seed
        self.rng = random.Random(f"{scenario.name}/{seed}")
        self.tenant = tenant
        self.world = World(seed, scenario.shape, base_us=base_us())
        self.problems: list[str] = []
        self.notes: list[str] = []
        self.afterwards: list[Step] = []
        self.checks: list[Step] = []
        self.commits_may_lead = False
        """The fault puts the database back, or the commits ahead: what is committed may be ahead of what is applied from then on."""

    @property
    def seconds(self) -> float:
        return self.scenario.seconds

    def moment(self, low: float = 0.1, high: float = 0.9) -> float:
        """A random moment of the round, in seconds from its start."""
        return self.seconds * self.rng.uniform(low, high)

    def problem(self, text: str) -> None:
        """Something is not as the laws have it."""
        self.problems.append(text)

    def note(self, text: str) -> None:
        """Something worth a line in the report."""
        self.notes.append(text)

    def repair(self, step: Step) -> None:
        """Do this after the load, before everything is awaited: what an operator would do."""
        self.afterwards.append(step)

    def check(self, step: Step) -> None:
        """Do this once everything is applied."""
        self.checks.append(step)


async def run_round(cluster: Cluster, scenario: Scenario, seed: int) -> Outcome:
    """One seed of one fault, from the first request to the comparison."""
    started = time.monotonic()
    tenant = await cluster.create_tenant(f"{scenario.name}-{seed}")
    round_ = Round(cluster, scenario, seed, tenant)
    delivered = await _attack(round_)
    await cluster.heal()
    for step in round_.afterwards:
        await step(round_)
    drained = await wait_until_applied(cluster, round_)
    await _await_commits(round_)
    for step in round_.checks:
        await step(round_)
    findings = await _compare(round_)
    round_.problems += [f"it ended by itself: {exit_}" for exit_ in cluster.unasked_exits()]
    return Outcome(
        scenario=scenario.name,
        seed=seed,
        lost=findings.lost,
        duplicated=findings.duplicated,
        wrong=[*findings.wrong, *round_.problems],
        checked=findings.checked,
        answers={str(status): count for status, count in delivered.statuses.items()},
        acknowledged=delivered.events,
        seconds=round(time.monotonic() - started, 1),
        drained_seconds=drained,
        notes=round_.notes,
    )


async def wait_until_applied(cluster: Cluster, round_: Round, *, seconds: float = DRAIN_SECONDS) -> float:
    """Wait until Postgres has applied everything on the raw log; returns how long it took. What is left is a problem of the round."""
    started = time.monotonic()
    left: dict[int, str] = {0: "nothing was asked"}
    while time.monotonic() - started < seconds:
        try:
            left = await unapplied(cluster)
        except (*OUTAGE_ERRORS, *KAFKA_ERRORS) as error:
            left = {-1: f"{type(error).__name__}: {error}"}
        if not left:
            return round(time.monotonic() - started, 1)
        await asyncio.sleep(0.3)
    round_.problem(f"after {seconds:g} s these partitions are not applied: {left}")
    return seconds


async def unapplied(cluster: Cluster) -> dict[int, str]:
    """The partitions that are behind the raw log, and how far."""
    ends = await cluster.log_ends(cluster.topics.raw)
    rows = await cluster.execute("select partition, applied_origin, halted_reason from stream_progress")
    return {
        row[
            "partition"
        ]: f"{row['applied_origin'] + 1} of {ends[row['partition']]} {row['halted_reason'] or ''}".strip()
        for row in rows
        if row["applied_origin"] + 1 != ends[row["partition"]]
    }


def base_us() -> int:
    """The time around which a world happens: now, in microseconds since 1970."""
    return time.time_ns() // 1_000


async def _attack(round_: Round) -> Delivered:
    """Send the world, with the fault and the watch beside it."""
    cluster, scenario = round_.cluster, round_.scenario
    sending = asyncio.create_task(
        deliver(
            cluster.urls("edge"),
            round_.tenant.headers,
            round_.world.requests(),
            seconds=scenario.seconds,
            concurrency=scenario.concurrency,
            rng=round_.rng,
            grpc_addresses=cluster.grpc_addresses,
        )
    )
    acting = asyncio.create_task(scenario.act(round_))
    watching = asyncio.create_task(_watch_commits(round_))
    try:
        await acting
        await cluster.heal()
        return await sending
    finally:
        tasks: list[asyncio.Task[Any]] = [acting, watching, sending]
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def _watch_commits(round_: Round) -> None:
    """Commits follow Postgres: what the assemblers' group has committed is applied."""
    while True:
        await asyncio.sleep(WATCH_SECONDS)
        try:
            committed = await round_.cluster.committed("assembler")
            rows = await round_.cluster.execute("select partition, applied_origin from stream_progress")
        except (*OUTAGE_ERRORS, *KAFKA_ERRORS):
            continue
        for row in rows:
            if not round_.commits_may_lead and committed.get(row["partition"], 0) > row["applied_origin"] + 1:
                round_.problem(
                    f"partition {row['partition']}: {committed[row['partition']]} is committed, {row} is applied"
                )


async def _await_commits(round_: Round) -> None:
    """The group's lag is the distance to what is applied: once everything is, there is none."""
    behind: dict[int, int] = {}
    for _ in range(COMMIT_TRIES):
        ends = await round_.cluster.log_ends(round_.cluster.topics.raw)
        committed = await round_.cluster.committed("assembler")
        behind = {partition: end for partition, end in ends.items() if committed.get(partition, 0) < end}
        if not behind:
            return
        await asyncio.sleep(WATCH_SECONDS)
    round_.problem(f"everything is applied, but the commits stay behind {behind}")


async def _compare(round_: Round) -> Findings:
    """Rows, the read API, and what `tailrace conservation` says of all tenants."""
    connection: asyncpg.Connection = await round_.cluster.connect()
    try:
        findings = await compare(connection, round_.tenant.project, round_.world.expected)
    finally:
        await connection.close()
    url = round_.rng.choice(round_.cluster.urls("query"))
    seen = await compare_through_api(url, round_.tenant.headers, round_.world.expected, round_.rng, sample=API_SAMPLE)
    conservation: dict[str, Any] = orjson.loads(await round_.cluster.tailrace("conservation", "--json", codes=(0, 1)))
    broken = [f"conservation: {violation}" for violation in conservation["violations"]]
    if conservation["inFlight"]:
        broken.append(f"conservation: {conservation['inFlight']} events are in flight for ever")
    broken += [f"the auditor alarms: {line}" for line in await _alarms(round_.cluster)]
    return Findings(
        lost=[*findings.lost, *seen.lost],
        duplicated=[*findings.duplicated, *seen.duplicated],
        wrong=[*findings.wrong, *seen.wrong, *broken],
        checked=findings.checked | {f"api {kind}": count for kind, count in seen.checked.items()},
    )


async def _alarms(cluster: Cluster) -> list[str]:
    """The metrics of the standing audit that say that a law is broken."""
    found: list[str] = []
    for auditor in cluster.of("auditor"):
        _, metrics = await get_http(auditor.program.probe_port or 0, "/metrics")
        found += [
            line
            for line in metrics.splitlines()
            if line.startswith("tailrace_conservation_broken_") and float(line.rsplit(" ", 1)[1]) != 0
        ]
    return found
