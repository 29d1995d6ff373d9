"""The meter: parts are merged at once and committed once Postgres has applied their origin; a rebalance starts from the commit again."""

import asyncio
from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest
from prometheus_client import REGISTRY

from tailrace.meter import app
from tailrace.meter.app import Meter
from tailrace.meter.repository import Repository, StoredPart
from tailrace.meter.windows import Version, WindowKey, key_of
from tailrace.runtime.probes import Health
from tailrace.wire.records import CostPartsRecord, encode_record
from tests.fakes import eventually
from tests.meter.parts import make_part, make_parts_record


class StoredParts(Repository):
    """What Postgres has, by hand."""

    def __init__(self) -> None:
        self.applied: dict[int, Version] = {0: Version(7, -1), 1: Version(7, -1)}
        self.parts: dict[WindowKey, list[StoredPart]] = {}
        self.away = False
        self.loads = 0

    async def load_parts(self, keys: Collection[WindowKey]) -> dict[WindowKey, list[StoredPart]]:
        self._raise_if_away()
        self.loads += 1
        await asyncio.sleep(0)
        return {key: self.parts.get(key, []) for key in keys}

    async def read_applied(self) -> dict[int, Version]:
        self._raise_if_away()
        return dict(self.applied)

    def _raise_if_away(self) -> None:
        if self.away:
            raise ConnectionRefusedError("away")


class CostLog:
    """The cost topic: its end, and what is committed."""

    name = "parts"

    def __init__(self) -> None:
        self.commits: list[tuple[int, int]] = []
        self.ends: dict[int, int] = {}
        self.asked_ends: dict[int, int] = {}
        self.group: int | None = None
        self.away = False

    async def bounds(self, partition: int) -> tuple[int, int]:
        if self.away:
            raise ConnectionRefusedError("away")
        return 0, self.asked_ends.get(partition, self.ends.get(partition, 0))

    async def committed(self, partition: int) -> int | None:
        return self.group

    async def commit(self, partition: int, offset: int) -> None:
        self.commits.append((partition, offset))

    def end(self, partition: int) -> int | None:
        return self.ends.get(partition)


class Bench:
    """A meter that holds partition 0 of the cost topic."""

    def __init__(self, *, max_window_bytes: int = 1_000_000) -> None:
        self.now = 0.0
        self.stored = StoredParts()
        self.log = CostLog()
        self.health = Health("meter", stall_seconds=60, clock=lambda: self.now)
        self.health.started()
        self.meter = Meter(self.stored, self.log, self.health, max_series=100, max_window_bytes=max_window_bytes)
        self.meter.assign([0])

    async def take(self, offset: int, record: CostPartsRecord) -> None:
        await self.meter.take(0, offset, encode_record(record))

    def cost(self, user: str | None = "ann") -> Decimal:
        return self.meter.windows.cost(key_of(make_part(user_id=user)))

    @asynccontextmanager
    async def following(self) -> AsyncGenerator[None]:
        stop = asyncio.Event()
        task = asyncio.create_task(self.meter.follow(stop))
        try:
            yield
        finally:
            stop.set()
            await task


@pytest.fixture
async def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr(app, "POLL_SECONDS", 0.01)
    return Bench()


async def test_a_part_is_committed_only_once_its_origin_is_applied(bench: Bench) -> None:
    await bench.take(10, make_parts_record(4, make_part("1")))
    await bench.take(11, make_parts_record(5, make_part("2")))
    async with bench.following():
        await asyncio.sleep(0.05)
        assert bench.log.commits == []
        bench.stored.applied[0] = Version(7, 4)
        await eventually(lambda: bench.log.commits == [(0, 11)])
        bench.stored.applied[0] = Version(7, 5)
        await eventually(lambda: bench.log.commits == [(0, 11), (0, 12)])

    assert bench.cost() == 2


async def test_commits_do_not_pass_a_part_that_is_not_applied(bench: Bench) -> None:
    await bench.take(10, make_parts_record(4, make_part("1")))
    await bench.take(11, make_parts_record(2, make_part("2", user_id="bob"), partition=1))
    bench.stored.applied[1] = Version(7, 2)
    async with bench.following():
        await asyncio.sleep(0.05)
        assert bench.log.commits == []


async def test_a_part_of_an_epoch_that_is_over_waits_for_nothing(bench: Bench) -> None:
    await bench.take(10, make_parts_record(4, make_part("1")))
    bench.stored.applied[0] = Version(8, 3)
    async with bench.following():
        await eventually(lambda: bench.log.commits == [(0, 11)])


async def test_a_record_that_cannot_be_read_stops_nothing(bench: Bench) -> None:
    await bench.meter.take(0, 10, b"{")
    async with bench.following():
        await eventually(lambda: bench.log.commits == [(0, 11)])


async def test_on_a_miss_the_parts_of_all_raw_partitions_are_loaded(bench: Bench) -> None:
    part = make_part("3")
    bench.stored.parts[key_of(part)] = [(1, Version(7, 9), part), (0, Version(7, 3), make_part("1"))]
    await bench.take(10, make_parts_record(4, make_part("2")))
    await bench.take(11, make_parts_record(5, make_part("4")))

    assert bench.cost() == 7
    assert bench.stored.loads == 1


async def test_while_postgres_is_away_it_is_alive_not_ready_and_loses_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "AWAY_SECONDS", 0.01)
    bench.stored.away = True
    async with bench.following():
        taking = asyncio.create_task(bench.take(10, make_parts_record(4, make_part("1"))))
        await eventually(lambda: not bench.health.ready)
        await asyncio.sleep(0.05)
        assert not taking.done()
        bench.now += 3600
        assert bench.health.stalled() == []
        assert bench.health.reasons == {"postgres": "ConnectionRefusedError: away"}
        bench.stored.away = False
        await taking
        await eventually(lambda: bench.health.ready)

    assert bench.cost() == 1


async def test_what_is_not_committed_is_bounded(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "MAX_UNCOMMITTED", 2)
    await bench.take(10, make_parts_record(4, make_part("1")))
    await bench.take(11, make_parts_record(5, make_part("2")))
    third = asyncio.create_task(bench.take(12, make_parts_record(6, make_part("3"))))
    async with bench.following():
        await asyncio.sleep(0.05)
        assert not third.done()
        bench.log.ends[0] = 100
        bench.now += 3600
        await asyncio.sleep(0.05)
        assert bench.health.stalled() == []
        bench.stored.applied[0] = Version(7, 4)
        await third


async def test_a_rebalance_starts_again_from_the_commit_with_what_is_stored(bench: Bench) -> None:
    """Another meter may have had the partition: parts that it committed are stored, and are not read again here."""
    await bench.take(10, make_parts_record(4, make_part("1")))
    part = make_part("5")
    bench.stored.parts[key_of(part)] = [(1, Version(7, 9), part)]
    bench.meter.assign([0])
    await bench.take(10, make_parts_record(4, make_part("1")))

    assert bench.cost() == 6


async def test_what_is_read_again_is_committed_in_order(bench: Bench) -> None:
    for offset, origin in ((10, 4), (11, 5), (12, 6), (10, 4), (11, 5)):
        await bench.take(offset, make_parts_record(origin, make_part(str(origin))))
    bench.stored.applied[0] = Version(7, 6)
    async with bench.following():
        await eventually(lambda: bench.log.commits == [(0, 12)])

    assert bench.cost() == 6


async def test_a_partition_that_is_not_held_is_not_counted(bench: Bench) -> None:
    await bench.meter.take(3, 10, encode_record(make_parts_record(4, make_part("1"))))

    assert len(bench.meter.windows) == 0


async def test_no_window_leaves_memory_between_two_parts_of_one_record(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(max_window_bytes=1)
    bob, ann = make_part("5", user_id="bob"), make_part("1")
    await bench.take(10, make_parts_record(4, bob, partition=1))
    await bench.take(11, make_parts_record(4, ann, make_part("2", user_id="bob")))

    assert (bench.cost("ann"), bench.cost("bob")) == (1, 7)


async def test_a_meter_that_takes_nothing_of_a_topic_that_has_more_is_stalled(bench: Bench) -> None:
    await bench.take(10, make_parts_record(4, make_part("1")))
    bench.stored.applied[0] = Version(7, 4)
    bench.log.ends[0] = 11
    async with bench.following():
        await eventually(lambda: bench.log.commits != [])
        bench.now += 59
        await asyncio.sleep(0.05)
        bench.now += 59
        assert bench.health.stalled() == []
        bench.log.ends[0] = 12
        await asyncio.sleep(0.05)
        bench.now += 61
        await eventually(lambda: bench.health.stalled() == ["cost/0"])


async def test_a_meter_that_never_takes_anything_is_stalled(bench: Bench) -> None:
    bench.log.asked_ends[0], bench.log.group = 12, 11
    async with bench.following():
        await asyncio.sleep(0.05)
        bench.now += 61
        await eventually(lambda: bench.health.stalled() == ["cost/0"])


async def test_a_meter_whose_load_never_ends_is_stalled(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(keys: Collection[WindowKey]) -> dict[WindowKey, list[StoredPart]]:
        return await asyncio.get_running_loop().create_future()

    monkeypatch.setattr(bench.stored, "load_parts", hang)
    bench.log.ends[0] = 11
    async with bench.following():
        taking = asyncio.create_task(bench.take(10, make_parts_record(4, make_part("1"))))
        await asyncio.sleep(0.05)
        bench.now += 61
        await eventually(lambda: bench.health.stalled() == ["cost/0"])
        taking.cancel()


async def test_a_meter_whose_progress_is_never_told_is_stalled(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang() -> dict[int, Version]:
        return await asyncio.get_running_loop().create_future()

    monkeypatch.setattr(bench.stored, "read_applied", hang)
    following = asyncio.create_task(bench.meter.follow(asyncio.Event()))
    await asyncio.sleep(0.05)
    bench.now += 61

    assert bench.health.stalled() == ["cost/0"]
    following.cancel()


async def test_a_meter_without_anything_to_take_is_alive(bench: Bench) -> None:
    bench.log.asked_ends[0], bench.log.group = 11, 11
    async with bench.following():
        for _ in range(3):
            await asyncio.sleep(0.05)
            bench.now += 59
        assert bench.health.stalled() == []


async def test_while_kafka_is_away_a_meter_is_alive_not_ready_and_says_why(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "ASK_SECONDS", 0.0)
    bench.log.ends[0], bench.log.group, bench.log.away = 12, 11, True
    async with bench.following():
        await eventually(lambda: not bench.health.ready)
        bench.now += 3600
        await asyncio.sleep(0.05)
        assert bench.health.stalled() == []
        assert bench.health.reasons == {"kafka": "ConnectionRefusedError: away"}
        bench.log.away = False
        await eventually(lambda: bench.health.ready)


async def test_a_part_whose_record_is_never_applied_leaves_the_windows_with_its_epoch(bench: Bench) -> None:
    part = make_part("2", project_id="voided")
    bench.stored.parts[key_of(part)] = [(0, Version(7, 3), part)]
    bench.stored.applied[0] = Version(7, 3)
    project = {"project": "voided", "model": "gpt-4o-mini"}
    async with bench.following():
        await asyncio.sleep(0.05)
        await bench.take(10, make_parts_record(4, make_part("5", project_id="voided")))
        assert bench.meter.windows.cost(key_of(part)) == 5
        bench.stored.applied[0] = Version(8, 3)
        await eventually(lambda: bench.meter.windows.cost(key_of(part)) == 2)
        await bench.take(11, make_parts_record(5, make_part("6", project_id="voided")))
        assert bench.meter.windows.cost(key_of(part)) == 2
        await bench.take(12, make_parts_record(4, make_part("3", project_id="voided"), epoch=8))
        assert bench.meter.windows.cost(key_of(part)) == 3

    assert REGISTRY.get_sample_value("tailrace_meter_corrections_usd_total", project) == 3


async def test_what_is_not_committed_is_bounded_in_bytes(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "MAX_UNCOMMITTED_BYTES", 100)
    await bench.take(10, make_parts_record(4, make_part("1")))
    second = asyncio.create_task(bench.take(11, make_parts_record(5, make_part("2"))))
    async with bench.following():
        await asyncio.sleep(0.05)
        assert not second.done()
        bench.stored.applied[0] = Version(7, 4)
        await second


async def test_cost_is_counted_once_and_corrections_apart(bench: Bench) -> None:
    project = {"project": "growing", "model": "gpt-4o-mini"}
    for origin, cost in ((4, "3"), (4, "3"), (5, "2"), (6, "4")):
        parts = [
            make_part(cost, project_id="growing"),
            make_part(cost, project_id="growing", bucket="hour"),
            make_part(cost, project_id="growing", model=None),
        ]
        await bench.take(origin, make_parts_record(origin, *parts))

    assert REGISTRY.get_sample_value("tailrace_meter_cost_usd_total", project) == 5
    assert REGISTRY.get_sample_value("tailrace_meter_corrections_usd_total", project) == 1


async def test_a_record_of_a_later_release_is_waited_at_and_never_committed(bench: Bench) -> None:
    newer = encode_record(make_parts_record(4, make_part())).replace(b'"version":1', b'"version":2')
    taking = asyncio.create_task(bench.meter.take(0, 0, newer))
    await eventually(lambda: "later release" in bench.health.reasons)

    assert "got one of version 2: a later release wrote it" in bench.health.reasons["later release"]
    bench.meter.assign([])
    await asyncio.wait_for(taking, 5)
    assert bench.log.commits == []
    assert bench.health.ready


async def test_a_part_that_is_void_before_anything_was_asked_leaves_the_windows_too(bench: Bench) -> None:
    part = make_part("2")
    bench.stored.parts[key_of(part)] = [(0, Version(7, 3), part)]
    bench.stored.applied[0] = Version(8, 3)
    await bench.take(10, make_parts_record(4, make_part("5")))
    async with bench.following():
        await eventually(lambda: bench.log.commits == [(0, 11)])

    assert bench.cost() == 2


async def test_a_part_whose_epoch_ends_while_its_window_is_loaded_is_not_merged(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = make_part("2")
    bench.stored.parts[key_of(part)] = [(0, Version(7, 3), part)]
    loading, loaded = asyncio.Event(), asyncio.Event()
    load = bench.stored.load_parts

    async def load_late(keys: Collection[WindowKey]) -> dict[WindowKey, list[StoredPart]]:
        loading.set()
        await loaded.wait()
        return await load(keys)

    async with bench.following():
        await asyncio.sleep(0.05)
        monkeypatch.setattr(bench.stored, "load_parts", load_late)
        taking = asyncio.create_task(bench.take(10, make_parts_record(4, make_part("5"))))
        await loading.wait()
        bench.stored.applied[0] = Version(8, 3)
        await asyncio.sleep(0.05)
        loaded.set()
        await taking
        await eventually(lambda: bench.log.commits == [(0, 11)])

    assert bench.cost() == 2


async def test_no_partition_is_stalled_behind_a_record_of_a_later_release(bench: Bench) -> None:
    bench.meter.assign([0, 1])
    newer = encode_record(make_parts_record(4, make_part())).replace(b'"version":1', b'"version":2')
    bench.log.ends[1] = 5
    async with bench.following():
        taking = asyncio.create_task(bench.meter.take(0, 0, newer))
        await eventually(lambda: not bench.health.ready)
        for _ in range(3):
            await asyncio.sleep(0.05)
            bench.now += 59
        assert bench.health.stalled() == []
        bench.meter.assign([])
        await asyncio.wait_for(taking, 5)
