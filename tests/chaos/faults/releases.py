"""Faults of a deploy: a release that cannot read anything, and one that brings other prices, by which everything may be priced anew."""

import asyncio
from pathlib import Path

import orjson

from tests.chaos.cluster import PARTITIONS, copy_release, of_release
from tests.chaos.expected import Expected
from tests.chaos.member import Member
from tests.chaos.prices import MODELS, change_prices
from tests.chaos.rounds import Round, Scenario, unapplied, wait_until_applied
from tests.chaos.truth import Shape

MOST_BURIED = 20 * PARTITIONS
"""Records that a broken release may bury before it stands still, over all partitions."""


async def a_deploy_that_fails_every_record(round_: Round) -> None:
    """All assemblers run a release whose mapping always fails: it must stop, not empty the topic into dead letters.

    Afterwards the old release comes back, an operator resumes what stands still and replays the letters: all is as it should be.
    """
    cluster = round_.cluster
    release = copy_release(cluster, f"broken-{round_.seed}")
    mapping = release / "services" / "tailrace" / "assembler" / "mapping" / "__init__.py"
    mapping.write_text(mapping.read_text() + _broken)
    await asyncio.sleep(round_.seconds * 0.3)
    await _deploy(cluster.of("assembler"), release)
    await asyncio.sleep(round_.seconds * 0.8)
    buried = await _buried(round_)
    behind = await unapplied(cluster)
    round_.note(f"the broken release buried {buried} records and then stood still in {sorted(behind)}")
    if buried > MOST_BURIED or not behind:
        round_.problem(f"the broken release buried {buried} records, and left {behind} unapplied")
    cluster.unasked_exits()
    await _deploy(cluster.of("assembler"), None)
    await _resume(round_)
    round_.repair(_replay)


async def prices_change_in_the_middle(round_: Round) -> None:
    """A release with other prices is rolled out in the middle: each observation keeps the price that it was first given."""
    await asyncio.sleep(round_.seconds * 0.4)
    await _deploy_other_prices(round_)


async def everything_is_priced_anew(round_: Round) -> None:
    """After other prices came, `tailrace reprice` runs under load and under kills, and again at the end: then nothing may have an old price.

    The command that meets the kills is itself killed in one of two rounds: what it has sent counts, and the last run finishes it.
    """
    cluster = round_.cluster
    await asyncio.sleep(round_.seconds * 0.2)
    release = await _deploy_other_prices(round_)
    repricing = asyncio.create_task(_reprice_everything(round_, release))
    await asyncio.sleep(round_.rng.uniform(0.5, 4))
    victims = [round_.rng.choice(cluster.of(kind)) for kind in ("assembler", "sink")]
    for victim in victims:
        victim.kill()
    if round_.rng.random() < 0.5:
        repricing.cancel()
        round_.note("the command was stopped in the middle")
    await asyncio.wait([repricing])
    if not repricing.cancelled() and (error := repricing.exception()):
        round_.problem(f"a repricing under kills: {error}")

    async def reprice_the_rest(_: Round) -> None:
        await wait_until_applied(cluster, round_)
        changed = await _reprice_everything(round_, release)
        round_.note(f"the last run changed {changed} observations")
        _forget_first_prices(round_.world.expected)

    round_.repair(reprice_the_rest)


def _forget_first_prices(expected: Expected) -> None:
    """Where the sender did not say what it cost, only the later prices are right from here on."""
    for key, other in list(expected.other_prices.items()):
        if other.provided_cost_details is None:
            expected.observations[key] = expected.other_prices.pop(key)


async def _deploy_other_prices(round_: Round) -> Path:
    """Let every process that prices run a release with other prices; returns the release."""
    cluster = round_.cluster
    release = copy_release(cluster, f"prices-{round_.seed}")
    file = release / "schemas" / "prices.json"
    file.write_text(change_prices(file.read_text()))
    await _deploy(cluster.of("assembler"), release)
    await _deploy(cluster.of("sink", "meter", "query"), release)
    return release


async def _reprice_everything(round_: Round, release: Path) -> int:
    """What an operator says of each model once prices are others; returns how many observations changed."""
    changed = 0
    for price in MODELS:
        printed = await round_.cluster.tailrace(
            "reprice", "--project", round_.tenant.project, "--model", price.model, "--from", "2020-01-01", "--to", "2100-01-01",
            "--reason", "the vendor's prices are others", "--operator", "chaos", "--json",
            release=release,
        )  # fmt: skip
        changed += orjson.loads(printed)["observations"]
    return changed


_broken = """

def map_record(headers, value):
    raise RuntimeError("a release that cannot read anything")
"""


async def _deploy(members: list[Member], release: Path | None) -> None:
    """Let these members run another release; None is this one. They may never become ready."""
    for member in members:
        member.environment = of_release(member.program.environment, release)
        await member.hold_down(member.program.stop_signal)
        member.let_go()


async def _buried(round_: Round) -> int:
    rows = await round_.cluster.execute(
        "select count(distinct (partition, origin)) as n from dead_letters where reason = 'internal_error'"
    )
    return int(rows[0]["n"])


async def _resume(round_: Round) -> None:
    """Let everything go on that stands still: what an operator says once the old release is back."""
    cluster = round_.cluster
    rows = await cluster.execute("select partition from stream_progress where halted_reason is not null")
    for row in rows:
        await cluster.tailrace(
            "partition", "resume", "--partition", str(row["partition"]), "--reason", "the old release is back",
            "--operator", "chaos",
        )  # fmt: skip


async def _replay(round_: Round) -> None:
    """Replay the letters of our own failures; none may be left."""
    cluster = round_.cluster
    await wait_until_applied(cluster, round_)
    await cluster.tailrace("dead-letters", "replay", "--project", round_.tenant.project, "--reason", "internal_error")
    left = orjson.loads(await cluster.tailrace("dead-letters", "list", "--project", round_.tenant.project, "--json"))
    unplayed = [letter for letter in left if letter["reason"] == "internal_error" and not letter["replayedAt"]]
    if unplayed:
        round_.problem(f"{len(unplayed)} letters of our own failures cannot be replayed")
    await cluster.execute("delete from dead_letters where reason = 'internal_error' and replayed_at is not null")


SCENARIOS = (
    Scenario("broken-deploy", "a release that fails every record", a_deploy_that_fails_every_record, seconds=30),
    Scenario(
        "price-change",
        "prices change in the middle",
        prices_change_in_the_middle,
        seconds=30,
        shape=Shape(price_change=True),
        breaks=True,
    ),
    Scenario(
        "reprice",
        "everything is priced anew, under kills",
        everything_is_priced_anew,
        seconds=30,
        shape=Shape(price_change=True),
        breaks=True,
    ),
)
