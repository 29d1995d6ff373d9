"""The time dimension: nights in which clocks are set, weeks and months of a zone, and the granularity that `auto` stands for."""

from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.query.metrics.queries import ask
from tests.query.seed import Seed

pytestmark = pytest.mark.integration


async def buckets(
    client: httpx.AsyncClient, granularity: str, first: str, last: str, **zone: str
) -> list[tuple[str, int]]:
    """Each bucket with the number of its observations."""
    query: dict[str, Any] = {
        "view": "observations",
        "metrics": [{"measure": "count", "aggregation": "count"}],
        "timeDimension": {"granularity": granularity, **zone},
        "fromTimestamp": first,
        "toTimestamp": last,
    }
    return [(row["time_dimension"], row["count_count"]) for row in await ask(client, query)]


async def observe(seed: Seed, *times: str) -> None:
    for number, at in enumerate(times):
        await seed.observation(f"o{number}", "t1", start_time=datetime.fromisoformat(at))


async def test_the_hour_that_a_clock_shows_twice_is_two(client: httpx.AsyncClient, seed: Seed) -> None:
    await observe(seed, "2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00", "2026-10-25T03:10:00+01:00")

    found = await buckets(client, "hour", "2026-10-24", "2026-10-26", timeZone="Europe/Berlin")

    assert found == [("2026-10-25T00:00:00.000Z", 1), ("2026-10-25T01:00:00.000Z", 1), ("2026-10-25T02:00:00.000Z", 1)]


async def test_the_day_on_which_clocks_are_set_has_23_or_25_hours(client: httpx.AsyncClient, seed: Seed) -> None:
    first, last = (
        datetime.fromisoformat("2026-03-28T00:30:00+01:00"),
        datetime.fromisoformat("2026-10-26T00:00:00+01:00"),
    )
    hours = (last - first) // timedelta(hours=1)
    spring = [first + timedelta(hours=n) for n in range(72)]
    autumn = [first + timedelta(hours=n) for n in range(hours - 71, hours + 1)]
    await observe(seed, *(at.isoformat() for at in spring + autumn))

    found = dict(await buckets(client, "day", "2026-03-01", "2026-12-01", timeZone="Europe/Berlin"))

    assert [found[day] for day in ("2026-03-28", "2026-03-29", "2026-03-30")] == [24, 23, 24]
    assert [found[day] for day in ("2026-10-24", "2026-10-25")] == [24, 25]


async def test_a_midnight_that_does_not_exist_is_still_a_day(client: httpx.AsyncClient, seed: Seed) -> None:
    # in Cairo clocks go from 0:00 to 1:00 on 24 April 2026
    await observe(seed, "2026-04-23T23:59:00+02:00", "2026-04-24T01:01:00+03:00", "2026-04-24T23:59:00+03:00")

    found = await buckets(client, "day", "2026-04-22", "2026-04-26", timeZone="Africa/Cairo")

    assert found == [("2026-04-23", 1), ("2026-04-24", 2)]


@pytest.mark.parametrize(
    ("zone", "granularity", "start"),
    [
        ("UTC", "minute", "2026-12-31T20:20:00.000Z"),
        ("UTC", "hour", "2026-12-31T20:00:00.000Z"),
        ("Asia/Kathmandu", "hour", "2026-12-31T20:15:00.000Z"),
        ("Asia/Kathmandu", "day", "2027-01-01"),
        ("Asia/Kathmandu", "month", "2027-01-01"),
        ("Asia/Kathmandu", "week", "2026-12-28"),
        ("UTC", "day", "2026-12-31"),
        ("UTC", "week", "2026-12-28"),
        ("UTC", "month", "2026-12-01"),
    ],
)
async def test_a_bucket_is_an_instant_up_to_an_hour_and_a_date_of_the_zone_beyond(
    client: httpx.AsyncClient, seed: Seed, zone: str, granularity: str, start: str
) -> None:
    await observe(seed, "2026-12-31T20:20:59.999999+00:00")

    assert await buckets(client, granularity, "2026-12-30", "2027-01-05", timeZone=zone) == [(start, 1)]


@pytest.mark.parametrize(
    ("last", "start"),
    [
        ("2026-01-01T01:15:00Z", "2026-01-01T00:42:00.000Z"),
        ("2026-01-01T01:15:01Z", "2026-01-01T00:00:00.000Z"),
        ("2026-01-04T03:00:00Z", "2026-01-01T00:00:00.000Z"),
        ("2026-01-04T03:00:01Z", "2026-01-01"),
        ("2026-03-17", "2026-02-28"),
        ("2027-06-01", "2026-12-28"),
        ("2030-01-01", "2026-12-01"),
    ],
)
async def test_auto_is_the_finest_that_makes_no_more_than_75_buckets(
    client: httpx.AsyncClient, seed: Seed, last: str, start: str
) -> None:
    await observe(seed, "2026-01-01T00:42:17Z", "2026-02-28T12:00:00Z", "2026-12-31T12:00:00Z")

    assert start in dict(await buckets(client, "auto", "2026-01-01", last))


async def test_a_period_holds_its_start_and_not_its_end(client: httpx.AsyncClient, seed: Seed) -> None:
    await observe(seed, "2026-01-01T00:00:00Z", "2026-01-01T23:59:59.999999Z", "2026-01-02T00:00:00Z")

    assert await buckets(client, "day", "2026-01-01", "2026-01-02") == [("2026-01-01", 2)]
