"""The intake: the next records in order, each once, within the bound, whatever the delivery does."""

import time

import pytest

from tailrace.assembler import intake
from tailrace.assembler.batch import EVENT_BYTES, RawRecord, Superseded
from tailrace.assembler.intake import Intake
from tests.fakes import FakeRawLog, RawTopic

LATER = time.monotonic() + 1e6


class BusyLog(FakeRawLog):
    """A log that delivers a record while it is asked for its bounds."""

    intake: Intake | None = None

    async def bounds(self, partition: int) -> tuple[int, int]:
        if self.intake is not None:
            self.intake.offer(make_record(5))
        return await super().bounds(partition)


def make_record(offset: int, size: int = 100) -> RawRecord:
    return RawRecord(offset, {}, bytes(size - 200 if size > 200 else 0))


def make_topic(end: int, first: int = 0) -> RawTopic:
    topic = RawTopic()
    for _ in range(end):
        topic.append([])
    topic.expire(first)
    return topic


@pytest.fixture
def log() -> FakeRawLog:
    return FakeRawLog(make_topic(10))


@pytest.fixture
async def started(log: FakeRawLog) -> Intake:
    started = Intake(0, log, max_bytes=1000)
    await started.start(5)
    return started


def taken(intake: Intake) -> list[int]:
    return [record.offset for record in intake.take_batch()]


async def test_records_are_taken_in_order_each_once(started: Intake) -> None:
    accepted = [started.offer(make_record(offset)) for offset in (4, 5, 5, 6, 4)]

    assert accepted == [False, True, False, True, False]
    assert taken(started) == [5, 6]


async def test_nothing_is_taken_before_the_start_and_after_the_end_of_an_epoch(
    started: Intake, log: FakeRawLog
) -> None:
    fresh = Intake(0, log, max_bytes=1000)
    assert not fresh.offer(make_record(0))
    started.offer(make_record(5))
    started.clear()

    assert not started.offer(make_record(6))
    assert not started.is_ready
    assert started.pending_bytes == 0


async def test_a_record_behind_a_gap_is_not_taken_and_the_log_is_sought_again(
    started: Intake, log: FakeRawLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "GAP_SECONDS", 0)
    assert not started.offer(make_record(7))
    await started.find_way_back()

    assert log.seeks == [5, 5]
    assert started.offer(make_record(5))


async def test_a_seek_that_brings_the_same_gap_is_repeated_less_and_less(
    started: Intake, log: FakeRawLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each seek throws away what is on its way here; on a busy machine that may take longer than any fixed time."""
    now = time.monotonic()
    monkeypatch.setattr(intake.time, "monotonic", lambda: now)
    for _ in range(600):
        started.offer(make_record(7))
        now += 0.1
        await started.find_way_back()

    assert 6 < len(log.seeks) < 15
    assert set(log.seeks) == {5}


async def test_what_was_fetched_before_a_seek_may_still_come_without_another_seek(
    started: Intake, log: FakeRawLog
) -> None:
    started.offer(make_record(7))
    await started.find_way_back()

    assert log.seeks == [5]


async def test_silence_although_the_log_has_more_is_sought_out(
    started: Intake, log: FakeRawLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.position = 6
    await started.find_way_back()
    assert log.seeks == [5]
    monkeypatch.setattr(intake.time, "monotonic", lambda: LATER)
    await started.find_way_back()
    assert log.seeks == [5, 5]


async def test_what_the_client_has_not_handed_out_yet_is_not_lost(
    started: Intake, log: FakeRawLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.monotonic()
    monkeypatch.setattr(intake.time, "monotonic", lambda: now + 20)
    await started.find_way_back()
    assert log.seeks == [5]
    monkeypatch.setattr(intake.time, "monotonic", lambda: now + 31)
    await started.find_way_back()

    assert log.seeks == [5, 5], "a fetch that hangs is begun again"


async def test_a_seek_that_does_not_help_is_repeated_ever_more_seldom(
    started: Intake, log: FakeRawLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.monotonic()
    for second in range(200):
        log.position = 6
        monkeypatch.setattr(intake.time, "monotonic", lambda at=now + second: at)
        await started.find_way_back()

    assert 5 <= len(log.seeks) <= 12
    started.offer(make_record(5))
    log.position = 7
    monkeypatch.setattr(intake.time, "monotonic", lambda: now + 203)
    before = len(log.seeks)
    await started.find_way_back()
    assert len(log.seeks) == before
    monkeypatch.setattr(intake.time, "monotonic", lambda: now + 240)
    await started.find_way_back()
    monkeypatch.setattr(intake.time, "monotonic", lambda: now + 243)
    log.position = 7
    await started.find_way_back()

    assert log.seeks[before:] == [6, 6], "another record is sought as eagerly as the first was"


async def test_silence_at_the_end_of_the_log_is_no_loss(
    started: Intake, log: FakeRawLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake.time, "monotonic", lambda: LATER)
    for offset in range(5, 10):
        started.offer(make_record(offset))
    await started.find_way_back()

    assert log.seeks == [5]


async def test_a_record_that_comes_while_the_way_back_is_looked_for_is_not_taken_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log = BusyLog(make_topic(10))
    busy = Intake(0, log, max_bytes=10_000)
    await busy.start(5)
    log.intake = busy
    log.position = 6
    monkeypatch.setattr(intake.time, "monotonic", lambda: LATER)
    await busy.find_way_back()
    for offset in range(5, 8):
        busy.offer(make_record(offset))

    assert taken(busy) == [5, 6, 7]


@pytest.mark.parametrize(("first", "end"), [(6, 10), (0, 4)], ids=["it begins later", "it is shorter"])
async def test_a_log_that_has_lost_the_next_record_is_another_log(
    monkeypatch: pytest.MonkeyPatch, first: int, end: int
) -> None:
    started = Intake(0, FakeRawLog(make_topic(end, first)), max_bytes=1000)
    await started.start(5)
    monkeypatch.setattr(intake.time, "monotonic", lambda: LATER)
    with pytest.raises(Superseded, match="log_changed"):
        await started.find_way_back()


async def test_above_the_bound_the_log_is_paused_and_below_half_of_it_goes_on(started: Intake, log: FakeRawLog) -> None:
    for offset in (5, 6):
        started.offer(make_record(offset, 500))
    assert not log.paused
    started.offer(make_record(7, 300))
    assert log.paused
    started.note_folded(started.take_batch())
    started.settle(5)
    assert log.paused
    started.settle(6)

    assert not log.paused


async def test_the_bound_holds_for_what_is_folded_and_not_applied(started: Intake) -> None:
    for offset, size in ((5, 600), (6, 600), (7, 600)):
        started.offer(make_record(offset, size))
    first = started.take_batch()
    started.note_folded(first)

    assert [record.offset for record in first] == [5, 6]
    assert not started.is_ready
    started.settle(5)
    assert started.is_ready


async def test_one_record_larger_than_the_bound_is_admitted_alone(started: Intake) -> None:
    started.offer(make_record(5, 5000))
    started.offer(make_record(6, 5000))
    assert taken(started) == [5]
    started.note_folded([make_record(5, 5000)])
    assert not started.is_ready
    started.settle(5)

    assert taken(started) == [6]


async def test_the_position_is_that_of_the_next_record_to_fold(started: Intake) -> None:
    for offset in (5, 6, 7):
        started.offer(make_record(offset))
    assert started.position == 5
    started.take_first()

    assert started.position == 6
    assert started.has_more()


async def test_a_batch_takes_no_more_than_its_events_and_always_one_record(
    log: FakeRawLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = Intake(0, log, max_bytes=1_000_000)
    await started.start(5)
    monkeypatch.setattr(intake, "BATCH_EVENTS", 10)
    for offset, events in ((5, b"4"), (6, b"x"), (7, b"6"), (8, b"50"), (9, b"1")):
        started.offer(RawRecord(offset, {"events": events}, b""))

    assert [taken(started) for _ in range(3)] == [[5, 6, 7], [8], [9]]


async def test_many_tiny_events_fill_the_bound_as_few_large_ones_do(log: FakeRawLog) -> None:
    tiny = Intake(0, log, max_bytes=100_000)
    await tiny.start(5)
    for offset in range(5, 8):
        tiny.offer(RawRecord(offset, {"events": b"100"}, bytes(4_000)))
    tiny.note_folded(tiny.take_batch())

    assert tiny.pending_bytes == 2 * (4_200 + 100 * EVENT_BYTES)
    assert not tiny.has_room
