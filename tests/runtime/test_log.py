"""Repeated warnings are held back and counted; what is information always passes."""

import logging
from typing import Any

import pytest

from tailrace.runtime import log
from tailrace.runtime.log import RepeatFilter


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(log, "time", clock)
    return clock


def make_record(event: str = "sink.failed", level: int = logging.WARNING, **fields: Any) -> logging.LogRecord:
    message: Any = {"event": event, **fields}
    return logging.LogRecord("tailrace", level, "file", 1, message, None, None)


def test_one_warning_of_a_kind_passes_in_ten_seconds(clock: Clock) -> None:
    repeats = RepeatFilter(10)
    passed: list[bool] = []
    for _ in range(21):
        passed.append(repeats.filter(make_record()))
        clock.now += 1

    assert [second for second, one in enumerate(passed) if one] == [0, 10, 20]


def test_the_next_that_passes_says_how_many_were_held_back(clock: Clock) -> None:
    repeats = RepeatFilter(10)
    for _ in range(4):
        repeats.filter(make_record())
    clock.now += 10
    record = make_record()
    assert repeats.filter(record)
    assert record.msg == {"event": "sink.failed", "repeated": 3}
    clock.now += 10
    record = make_record()
    repeats.filter(record)

    assert record.msg == {"event": "sink.failed"}


def test_another_event_and_another_partition_are_another_kind(clock: Clock) -> None:
    repeats = RepeatFilter(10)

    assert repeats.filter(make_record())
    assert repeats.filter(make_record("sink.away"))
    assert repeats.filter(make_record(partition=1))
    assert repeats.filter(make_record(partition=2))
    assert not repeats.filter(make_record(partition=2))


def test_information_is_never_held_back(clock: Clock) -> None:
    repeats = RepeatFilter(10)

    assert all(repeats.filter(make_record(level=logging.INFO)) for _ in range(5))


def test_warnings_of_libraries_are_held_back_by_their_text(clock: Clock) -> None:
    repeats = RepeatFilter(10)
    records = [logging.LogRecord("aiokafka", logging.ERROR, "f", 1, "lost %s", ("broker",), None) for _ in range(2)]

    assert [repeats.filter(record) for record in records] == [True, False]


def test_kinds_without_end_take_no_memory_without_end(clock: Clock) -> None:
    repeats = RepeatFilter(10)
    for number in range(5000):
        repeats.filter(make_record(f"event.{number}"))

    assert len(repeats._last) <= 1001  # pyright: ignore[reportPrivateUsage]
