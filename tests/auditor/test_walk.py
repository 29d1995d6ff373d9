"""A walk over money: it skips what is empty, adapts its ranges to the speed of the answers, and finds the broken window."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import asyncpg
import pytest

from tailrace.auditor.findings import Findings
from tailrace.auditor.repository import Law
from tailrace.auditor.walk import LAWS, Broken, Walk, floor

START = datetime(2026, 3, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class FakeMoney:
    """Minutes with observations, all of which are right but for `wrong`; an answer takes `seconds_per_minute` for each minute with rows."""

    def __init__(self, minutes: list[int], wrong: dict[int, Decimal], *, seconds_per_minute: float = 0.0) -> None:
        self.at = sorted(START + number * MINUTE for number in minutes)
        self.wrong = {START + number * MINUTE: usd for number, usd in wrong.items()}
        self.seconds_per_minute = seconds_per_minute
        self.now = 0.0
        self.asked: list[tuple[datetime, datetime]] = []
        self.longest = 0.0
        self.refuse_above: timedelta | None = None

    async def next_project(self, after: str | None) -> str | None:
        return {None: "shop", "shop": "till"}.get(after)

    async def next_start(self, project: str, law: Law, start: datetime) -> datetime | None:
        if (project, law) != ("shop", LAWS[0]):
            return None
        return next((one for one in self.at if one >= start), None)

    async def compare(self, project: str, law: Law, start: datetime, end: datetime) -> Decimal:
        if self.refuse_above is not None and end - start > self.refuse_above:
            raise asyncpg.QueryCanceledError("canceling statement due to statement timeout")
        self.asked.append((start, end))
        seconds = self.seconds_per_minute * sum(start <= one < end for one in self.at)
        self.now += seconds
        self.longest = max(self.longest, seconds)
        return sum((usd for at, usd in self.wrong.items() if start <= at < end), Decimal(0))


async def walk_all(
    money: FakeMoney, *, first: datetime = START, end: datetime = datetime(9999, 1, 1, tzinfo=UTC)
) -> list[Broken]:
    findings: Findings[Broken, Decimal] = Findings(0)
    walk = Walk(money, findings, first=first, end=end, clock=lambda: money.now)
    while await walk.step():
        pass
    return sorted(findings)


async def test_broken_windows_are_found_and_named() -> None:
    money = FakeMoney(list(range(0, 5000, 3)), {33: Decimal("0.1"), 4002: Decimal(-2)})

    found = await walk_all(money)

    assert found == [Broken("shop", 0, START + 33 * MINUTE), Broken("shop", 0, START + 4002 * MINUTE)]


async def test_ranges_grow_while_answers_are_quick_and_years_without_rows_are_skipped() -> None:
    money = FakeMoney([0, 1, 2, 60 * 24 * 365 * 20], {})

    await walk_all(money)

    assert len(money.asked) == 3


async def test_every_minute_is_asked_for_once_and_no_answer_takes_long() -> None:
    money = FakeMoney(list(range(3000)), {}, seconds_per_minute=0.01)

    await walk_all(money)

    assert sum((end - start for start, end in money.asked), timedelta()) >= 3000 * MINUTE
    assert all(before[1] <= after[0] for before, after in zip(money.asked, money.asked[1:], strict=False))
    assert money.longest <= 0.5


async def test_a_range_that_takes_too_long_is_asked_for_in_pieces() -> None:
    money = FakeMoney(list(range(500)), {400: Decimal(1)})
    money.refuse_above = 5 * MINUTE

    assert await walk_all(money) == [Broken("shop", 0, START + 400 * MINUTE)]


async def test_a_minute_that_takes_too_long_is_passed() -> None:
    money = FakeMoney([0, 1, 2], {})
    money.refuse_above = timedelta(0)

    assert await walk_all(money) == []


async def test_a_walk_stays_within_its_period() -> None:
    money = FakeMoney(list(range(5000)), {10: Decimal(1), 2000: Decimal(1), 4000: Decimal(1)})
    day = START + timedelta(days=1)

    found = await walk_all(money, first=day, end=day + timedelta(days=1))

    assert found == [Broken("shop", 0, START + 2000 * MINUTE)]
    assert min(start for start, _ in money.asked) == day
    assert max(end for _, end in money.asked) == day + timedelta(days=1)


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        (timedelta(minutes=1), datetime(2026, 3, 1, 10, 59, tzinfo=UTC)),
        (timedelta(hours=1), datetime(2026, 3, 1, 10, tzinfo=UTC)),
        (timedelta(days=1), datetime(2026, 3, 1, tzinfo=UTC)),
    ],
)
def test_a_moment_lies_in_a_window(unit: timedelta, expected: datetime) -> None:
    assert floor(datetime(2026, 3, 1, 10, 59, 59, 999999, tzinfo=UTC), unit) == expected
