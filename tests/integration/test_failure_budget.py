"""A release that breaks every record makes its partitions stand still, for good, instead of emptying the topic into dead letters."""

from datetime import datetime

import pytest

from tailrace.assembler import batch, witness
from tailrace.assembler.mapping import Mapped
from tailrace.core.pricing import Price, PriceTable
from tailrace.runtime.failures import MOST_FAILURES
from tailrace.wire.topics import RawHeaders
from tests.fakes import eventually
from tests.integration.partition import sum_law_differences
from tests.integration.worker import PRICES, World, generation

pytestmark = pytest.mark.integration


class BrittleTable(PriceTable):
    """A price table that breaks at a model."""

    def __init__(self) -> None:
        self.version = PRICES.version

    def match(self, model: str, at: datetime) -> Price | None:
        if model == "brittle":
            raise ZeroDivisionError("a fault of our own")
        return PRICES.match(model, at)


def _break_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(headers: RawHeaders, payload: bytes) -> Mapped:
        raise AttributeError("a fault of our own")

    for module in (batch, witness):
        monkeypatch.setattr(module, "map_record", fail)


def _append(world: World, records: int, *projects: str, model: str = "gpt-4o-mini") -> None:
    for number in range(records):
        world.topic.append([generation(f"t{number}", "g", model=model)], project_id=projects[number % len(projects)])


async def _letters(world: World) -> int:
    return int(await world.pool.fetchval("select count(*)::int from dead_letters"))


async def _has_letters(world: World, number: int) -> bool:
    return await _letters(world) >= number


async def _resume(world: World) -> None:
    """What `tailrace partition resume` does."""
    async with world.pool.acquire() as connection, connection.transaction():
        await connection.execute(
            """insert into stream_commands (partition, command, operator, reason, applied_origin_before, applied_origin_after)
               values (0, 'resume', 'ann', 'mended', 0, 0)"""
        )
        await connection.execute("update stream_progress set halted_reason = null")


@pytest.mark.parametrize("projects", [("p",), ("p", "q")])
async def test_a_release_that_breaks_every_record_stops_and_restarts_bury_no_more(
    world: World, monkeypatch: pytest.MonkeyPatch, projects: tuple[str, ...]
) -> None:
    _append(world, 10, *projects)
    async with world.worker().running(), world.sink().running():
        await world.all_applied()
    _append(world, 100, *projects)
    with monkeypatch.context() as broken:
        _break_reading(broken)
        for _ in range(3):
            worker = world.worker()
            async with worker.running(), world.sink().running():
                assert "failed unexpectedly" in await world.halted()
                assert not worker.assembler.failed.done()
        assert await _letters(world) <= MOST_FAILURES

    await _resume(world)
    async with world.worker().running(), world.sink().running():
        await world.all_applied(seconds=30)
    accepted, applied, dead = await world.counts()
    assert (accepted, dead) == (110, await _letters(world))
    assert applied == 110 - dead >= 90
    assert set((await sum_law_differences(world.pool)).values()) == {0}


async def test_a_crash_before_the_budget_is_spent_gives_no_new_budget(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    _break_reading(monkeypatch)
    for _ in range(3):
        _append(world, 15, "p", "q")
        async with world.worker().running(), world.sink().running():
            if (await world.progress())["halted_reason"] is None and world.topic.end == 15:
                await world.all_applied()
            else:
                await world.halted()
    # What was sent before the partition stood still is still applied.
    async with world.sink().running():
        await eventually(lambda: _has_letters(world, MOST_FAILURES))

    assert await _letters(world) == MOST_FAILURES


async def test_a_release_that_breaks_every_record_stops_although_others_were_applied_lately(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    _append(world, 10, "other")
    async with world.worker().running(), world.sink().running():
        await world.all_applied()
    _append(world, 100, "p")
    _break_reading(monkeypatch)
    async with world.worker().running(), world.sink().running():
        assert "failed unexpectedly" in await world.halted()
        await eventually(lambda: _has_letters(world, MOST_FAILURES))

    assert await _letters(world) == MOST_FAILURES


async def test_one_projects_odd_records_halt_nobody_however_many_come_together(world: World) -> None:
    _append(world, 2, "good")
    _append(world, 45, "odd", model="brittle")
    _append(world, 3, "good")
    async with world.worker(prices=BrittleTable()).running(), world.sink().running():
        await world.all_applied(seconds=60)

    assert await _letters(world) == 45
    assert await world.counts() == (50, 5, 45)
    assert (await world.progress())["halted_reason"] is None


async def test_an_operators_word_forgives_what_was_before_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    _append(world, 60, "p", "q")
    _break_reading(monkeypatch)
    async with world.worker().running(), world.sink().running():
        await world.halted()
        before = (await world.progress())["applied_origin"]
        await _resume(world)
        await world.halted()

        async def has_moved() -> bool:
            return (await world.progress())["applied_origin"] > before

        await eventually(has_moved)  # what is within the budget may still be on its way to the sink


async def test_too_many_records_that_postgres_refuses_stop_the_partition_and_are_kept(world: World) -> None:
    await world.pool.execute(
        """create function refuse() returns trigger language plpgsql as $$
           begin raise exception 'everything is refused'; end $$;
           create trigger refuse before insert on observations for each row execute function refuse()"""
    )
    _append(world, MOST_FAILURES + 10, "p", "q")
    async with world.worker().running(), world.sink().running():
        reason = await world.halted(seconds=90)

    assert "Postgres refuses the record at 20: RaiseError: everything is refused" in reason
    assert await _letters(world) == MOST_FAILURES
    assert (await world.progress())["applied_origin"] == MOST_FAILURES - 1
    await world.pool.execute("drop trigger refuse on observations")
    await _resume(world)
    async with world.worker().running(), world.sink().running():
        await world.all_applied()
    assert await world.counts() == (30, 10, 20)
