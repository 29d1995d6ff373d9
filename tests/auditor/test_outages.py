"""While Kafka or Postgres does not answer, the auditor is alive, not ready, and says why; what it holds is bounded."""

import asyncio
from collections.abc import Mapping, Sequence

import asyncpg
import pytest
from aiokafka.errors import KafkaConnectionError

from tailrace.auditor import events
from tailrace.auditor.events import EventAudit
from tailrace.auditor.ledger import Audited, Bounds, Move, Snapshot, Stored
from tailrace.core.model import ProjectId
from tailrace.runtime.conservation import Count
from tailrace.runtime.probes import Health
from tailrace.runtime.settings import Audit
from tests.auditor.conftest import broken_by_name, states
from tests.fakes import eventually


class FakeLog:
    """One partition with one event in each record; `error` is what the brokers say."""

    def __init__(self, records: int) -> None:
        self.records = records
        self.error: Exception | None = None
        self.read = 0

    async def bounds(self) -> dict[int, Bounds]:
        if self.error is not None:
            raise self.error
        return {0: Bounds(0, self.records)}

    async def poll(self, positions: Mapping[int, int]) -> dict[int, list[tuple[ProjectId, int]]]:
        if self.error is not None:
            raise self.error
        count = min(100, self.records - positions[0])
        self.read += count
        return {0: [(ProjectId("shop"), 1)] * count}


class FakeStore:
    """Postgres, in which `applied` records are applied and counted."""

    def __init__(self, applied: int) -> None:
        self.applied = applied
        self.counted = -1
        self.error: Exception | None = None

    async def read_snapshot(self) -> Snapshot:
        if self.error is not None:
            raise self.error
        count = Count(self.applied, self.applied, 0)
        audited = {("shop", 0): Audited(self.counted + 1, 0)}
        return Snapshot({0: self.applied - 1}, {("shop", 0): count}, [], {0: Stored(self.counted, 0, None)}, audited)

    async def begin(self, partition: int) -> None:
        raise AssertionError(partition)

    async def take_over(self, partition: int, given_up: Mapping[str, int]) -> None:
        raise AssertionError(partition, given_up)

    async def advance(self, moves: Sequence[Move]) -> None:
        for move in moves:
            self.counted = move.after


def make_audit(log: FakeLog, store: FakeStore) -> tuple[EventAudit, Health]:
    health = Health("auditor", stall_seconds=60)
    health.started()
    return EventAudit(log, store, health, Audit(interval_seconds=1, grace_seconds=0)), health


@pytest.mark.parametrize(
    ("part", "error"),
    [
        ("kafka", KafkaConnectionError()),
        ("kafka", TimeoutError()),
        ("postgres", asyncpg.PostgresConnectionError("gone")),
        ("postgres", ConnectionRefusedError("refused")),
        ("postgres", TimeoutError()),
    ],
    ids=repr,
)
async def test_an_outage_is_told_and_outlived(part: str, error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_RETRY_SECONDS", 0.01)
    log, store = FakeLog(5), FakeStore(3)
    audit, health = make_audit(log, store)
    stop = asyncio.Event()
    running = asyncio.create_task(audit.run(stop))
    broken: FakeLog | FakeStore = log if part == "kafka" else store
    await eventually(lambda: store.counted == 2)

    broken.error = error
    await eventually(lambda: part in health.reasons)
    assert not health.ready
    assert health.stalled() == []

    broken.error = None
    await eventually(lambda: health.ready)
    stop.set()
    await running
    assert states() == (5, 3, 0, 2, 0)
    assert broken_by_name() == {}


async def test_a_backlog_is_held_up_to_a_bound_and_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MAX_RECORDS", 300)
    log, store = FakeLog(1000), FakeStore(0)
    audit, _ = make_audit(log, store)

    for applied in range(0, 1001, 250):
        store.applied = applied
        while await audit.run_cycle():
            pass
        assert log.read <= applied + 300 + 100
        assert broken_by_name() == {}

    assert log.read == 1000
    assert states() == (1000, 1000, 0, 0, 0)


async def test_an_audit_that_starts_far_behind_catches_up_in_bounded_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MAX_RECORDS", 300)
    log, store = FakeLog(5000), FakeStore(5000)
    audit, _ = make_audit(log, store)

    cycles = 1
    while await audit.run_cycle():
        cycles += 1

    assert (store.counted, log.read) == (4999, 5000)
    assert cycles > 10
    assert broken_by_name() == {}
