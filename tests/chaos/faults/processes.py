"""Faults of our own processes: they die, sleep through their own end, restart gracefully, and come and go in number."""

import asyncio
import signal
from collections.abc import Awaitable, Callable

from tests.chaos.cluster import ROLES, SESSION_SECONDS
from tests.chaos.faults.locks import locked
from tests.chaos.faults.timeline import at_moments
from tests.chaos.member import Member
from tests.chaos.rounds import Round, Scenario, unapplied

FREEZE_SECONDS = SESSION_SECONDS + 2.5
"""Longer than the group's session time-out: whoever wakes then is a zombie owner."""

SLEEP_WITH_LOCK_SECONDS = 25
"""Longer than the session time-out and the 10 s that Postgres grants an idle transaction, together."""

_asleep_in_transaction = """
    select 1 from pg_stat_activity where application_name = 'tailrace-sink' and state = 'idle in transaction'
    and now() - state_change > interval '0.4 s'"""


async def kill_one_by_one(round_: Round) -> None:
    """kill -9 of one of each role, and of assemblers and sinks twice more, at random moments."""
    roles = [*ROLES, "assembler", "assembler", "sink", "sink"]
    await at_moments([(round_.moment(), _killing(round_, role)) for role in roles])


async def kill_all_at_once(round_: Round) -> None:
    """kill -9 of every process of ours in the same instant, three times."""

    async def kill_all() -> None:
        for member in round_.cluster.of(*ROLES):
            member.kill()

    await at_moments([(round_.seconds * share, kill_all) for share in _spread(round_, 3)])


async def freeze_one_by_one(round_: Round) -> None:
    """One of each role sleeps for longer than its session, one after the other."""
    roles = list(ROLES)
    round_.rng.shuffle(roles)
    pause = round_.seconds / (len(roles) + 1)
    await at_moments([(number * pause + 1, _freezing(round_, [role])) for number, role in enumerate(roles)])


async def freeze_two_together(round_: Round) -> None:
    """Two processes sleep together, three times; one of them is killed as it wakes."""
    pairs = [
        ("assembler", "assembler"),
        ("sink", "sink"),
        ("assembler", "sink"),
        ("meter", "assembler"),
        ("edge", "sink"),
    ]
    chosen = round_.rng.sample(pairs, 3)
    pause = round_.seconds / (len(chosen) + 1)
    await at_moments(
        [(number * pause + 1, _freezing(round_, pair, then_kill=True)) for number, pair in enumerate(chosen)]
    )


async def rolling_restart(round_: Round) -> None:
    """Every process is restarted gracefully, one after the other, as a deploy does."""
    for role in ROLES:
        for member in round_.cluster.of(role):
            await member.restart()


async def rebalance_storm(round_: Round) -> None:
    """Assemblers and sinks go from one to three and back, twice, some of them killed on the way."""
    cluster = round_.cluster
    before = {role: len(cluster.of(role)) for role in ("assembler", "sink")}
    for _ in range(2):
        for role, count in before.items():
            if count > 1:
                await cluster.remove(role, len(cluster.of(role)) - 1)
        await asyncio.sleep(round_.rng.uniform(0.5, 2))
        for role in before:
            cluster.add(role, 2)
        await asyncio.sleep(round_.rng.uniform(1.5, 5))
        _one(round_, round_.rng.choice(("assembler", "sink"))).kill()
        await asyncio.sleep(round_.rng.uniform(0.5, 3))
    for role, count in before.items():
        surplus = len(cluster.of(role)) - count
        if surplus > 0:
            await cluster.remove(role, surplus)


async def sink_frozen_with_the_lock(round_: Round) -> None:
    """A sink sleeps while it holds a partition's row; the others must go on without waiting for it to wake."""
    await asyncio.sleep(round_.moment(0.1, 0.2))
    holder = await _freeze_in_transaction(round_)
    if holder is None:
        round_.problem("no sink was caught in a transaction: the fault did not happen")
        return
    try:
        before = await _applied(round_)
        await asyncio.sleep(SLEEP_WITH_LOCK_SECONDS)
        after, behind = await _applied(round_), await unapplied(round_.cluster)
    finally:
        holder.let_go()
    stuck = [partition for partition in behind if before[partition] == after[partition]]
    round_.note(f"{holder.name} slept in a transaction")
    if stuck:
        round_.problem(
            f"partitions {stuck} stood still for {SLEEP_WITH_LOCK_SECONDS} s while {holder.name} slept: {behind}"
        )


def _killing(round_: Round, role: str) -> Callable[[], Awaitable[None]]:
    async def kill() -> None:
        _one(round_, role).kill()

    return kill


def _freezing(
    round_: Round, roles: tuple[str, ...] | list[str], *, then_kill: bool = False
) -> Callable[[], Awaitable[None]]:
    async def freeze() -> None:
        members = _several(round_, roles)
        await asyncio.gather(*(member.freeze(FREEZE_SECONDS) for member in members))
        if then_kill:
            round_.rng.choice(members).kill()

    return freeze


async def _freeze_in_transaction(round_: Round) -> Member | None:
    """Let the sinks run into a lock in mid-transaction, stop one of them there, and take the lock away: it sleeps in its transaction."""
    for _ in range(8):
        member = _one(round_, "sink")
        async with locked(round_, "lock table observations in share mode"):
            await asyncio.sleep(1)
            member.send(signal.SIGSTOP)
        await asyncio.sleep(0.7)
        if await round_.cluster.execute(_asleep_in_transaction):
            return member
        member.send(signal.SIGCONT)
    return None


async def _applied(round_: Round) -> dict[int, int]:
    rows = await round_.cluster.execute("select partition, applied_origin from stream_progress")
    return {row["partition"]: row["applied_origin"] for row in rows}


def _one(round_: Round, role: str) -> Member:
    return round_.rng.choice(round_.cluster.of(role))


def _several(round_: Round, roles: tuple[str, ...] | list[str]) -> list[Member]:
    """Different members for roles, of which some may be the same."""
    chosen: list[Member] = []
    for role in roles:
        left = [member for member in round_.cluster.of(role) if member not in chosen]
        chosen.append(round_.rng.choice(left or round_.cluster.of("assembler")))
    return chosen


def _spread(round_: Round, count: int) -> list[float]:
    """Random shares of the round, one in each of `count` equal parts."""
    return [(number + round_.rng.uniform(0.1, 0.9)) / count for number in range(count)]


SCENARIOS = (
    Scenario("kill", "kill -9 of each process at random moments", kill_one_by_one, seconds=16, seeds=20),
    Scenario("kill-all", "kill -9 of all processes at once", kill_all_at_once, seconds=16, seeds=20),
    Scenario("freeze", "SIGSTOP beyond the session time-out, each process", freeze_one_by_one, seconds=24, seeds=20),
    Scenario("freeze-two", "two frozen together, one killed as it wakes", freeze_two_together, seconds=24, seeds=20),
    Scenario("rolling-restart", "a graceful restart of all, one by one", rolling_restart, seconds=20, seeds=5),
    Scenario("rebalance-storm", "1, 3, 1 assemblers and sinks, twice", rebalance_storm, seconds=24, seeds=5),
    Scenario("sink-frozen-with-lock", "a sink sleeps in a transaction", sink_frozen_with_the_lock, seconds=40, seeds=3),
)
