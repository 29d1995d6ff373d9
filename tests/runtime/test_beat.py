"""The beat is the same for all of a process, and always lies ahead."""

import time

import pytest

from tailrace.runtime.beat import BEAT_SECONDS, next_beat

SECOND = 1_000_000_000


@pytest.mark.parametrize("now", [0, SECOND // 25, SECOND // 10, 12345 * SECOND + 6 * SECOND // 10, 3_000_000 * SECOND])
def test_the_next_beat_lies_ahead_and_no_more_than_one_beat(now: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "monotonic_ns", lambda: now)

    assert now / SECOND < next_beat() <= now / SECOND + BEAT_SECONDS + 1e-6


def test_whoever_asks_between_two_beats_gets_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []
    for now in (100.01, 100.05, 100.09):
        monkeypatch.setattr(time, "monotonic_ns", lambda now=now: int(now * SECOND))
        asked.append(next_beat())

    assert asked == pytest.approx([100.1] * 3)
