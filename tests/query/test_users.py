from decimal import Decimal
from typing import Any

import httpx
import pytest

from tests.query.seed import Seed, after

pytestmark = pytest.mark.integration
USERS = "/api/tailrace/v1/users"


async def get(client: httpx.AsyncClient, path: str, **params: Any) -> Any:
    """The JSON of a good answer."""
    response = await client.get(path, params=params)
    assert response.status_code == 200, response.text
    return response.json()


async def seed_users(seed: Seed) -> None:
    """ada: two partitions and two models over two days; bob: one call; cat: seen, no figures; and what has no user."""
    await seed.user("ada", partition=0, last_seen_at=after(minutes=5))
    await seed.user("ada", partition=1, last_seen_at=after(minutes=9))
    await seed.user("bob", last_seen_at=after(minutes=7))
    await seed.user("cat_%", last_seen_at=after(minutes=1))
    await seed.cost("ada", after(seconds=61), model="m1", cost=Decimal("0.10"), total_tokens=10, generations=1)
    await seed.cost(
        "ada", after(seconds=62), model="m1", cost=Decimal("0.020"), total_tokens=5, generations=1, partition=1
    )
    await seed.cost("ada", after(days=1), model="m2", cost=Decimal("0.003"), total_tokens=1, generations=1, errors=1)
    await seed.cost("ada", after(seconds=61), traces=2)
    await seed.cost("bob", after(hours=2), model="m1", cost=Decimal("0.05"), total_tokens=99, generations=1, traces=1)
    await seed.cost(None, after(hours=2), model="m1", cost=Decimal(7), generations=1)


async def test_users_have_the_sums_of_all_partitions_models_and_days(client: httpx.AsyncClient, seed: Seed) -> None:
    await seed_users(seed)

    body = await get(client, USERS)

    assert body["meta"] == {"page": 1, "limit": 50, "totalItems": 3, "totalPages": 1}
    assert body["data"] == [
        {
            "id": "ada",
            "cost": "0.123",
            "tokens": 16,
            "traces": 2,
            "errors": 1,
            "lastSeen": "2026-11-21T12:09:00.000Z",
        },
        {"id": "bob", "cost": "0.05", "tokens": 99, "traces": 1, "errors": 0, "lastSeen": "2026-11-21T12:07:00.000Z"},
        {"id": "cat_%", "cost": "0", "tokens": 0, "traces": 0, "errors": 0, "lastSeen": "2026-11-21T12:01:00.000Z"},
    ]


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({"sort": "cost.asc"}, ["cat_%", "bob", "ada"]),
        ({"sort": "tokens.desc"}, ["bob", "ada", "cat_%"]),
        ({"sort": "traces.asc"}, ["cat_%", "bob", "ada"]),
        ({"sort": "errors.desc"}, ["ada", "bob", "cat_%"]),
        ({"sort": "lastSeen.desc"}, ["ada", "bob", "cat_%"]),
        ({"search": "a"}, ["ada"]),
        ({"search": "cat_%"}, ["cat_%"]),
        ({"search": "%"}, []),
        ({"search": "ob"}, []),
        ({"limit": 1, "page": 2}, ["bob"]),
        ({"from": "2026-11-21T13:00:00Z", "to": "2026-11-21T15:00:00Z"}, ["bob"]),
        ({"from": "2026-11-22"}, ["ada"]),
        ({"to": "2026-11-21T12:00:00Z"}, []),
        ({"from": "2030-01-01", "to": "2020-01-01"}, []),
    ],
)
async def test_users_are_listed_by_period_order_and_prefix(
    client: httpx.AsyncClient, seed: Seed, params: dict[str, Any], found: list[str]
) -> None:
    await seed_users(seed)

    assert [one["id"] for one in (await get(client, USERS, **params))["data"]] == found


@pytest.mark.parametrize(
    ("first", "last", "cost"),
    [
        ("2026-11-21T12:01:00Z", "2026-11-21T12:02:00Z", "0.12"),
        ("2026-11-21T12:01:30Z", "2026-11-21T12:01:31Z", "0.12"),
        ("2026-11-21T12:02:00Z", "2026-11-22T12:00:01Z", "0.003"),
        ("2026-11-20T23:59:00Z", "2026-11-23T00:00:00Z", "0.123"),
    ],
)
async def test_a_period_adds_up_whole_minutes(
    client: httpx.AsyncClient, seed: Seed, first: str, last: str, cost: str
) -> None:
    await seed_users(seed)

    [ada] = (await get(client, USERS, **{"from": first, "to": last, "search": "ada"}))["data"]

    assert ada["cost"] == cost


async def test_a_page_beyond_the_last_still_counts_all(client: httpx.AsyncClient, seed: Seed) -> None:
    await seed_users(seed)

    body = await get(client, USERS, page=5, limit=2)

    assert body == {"data": [], "meta": {"page": 5, "limit": 2, "totalItems": 3, "totalPages": 2}}


@pytest.mark.parametrize(
    ("params", "windows"),
    [
        (
            {"bucket": "minute"},
            [("2026-11-21T12:01:00.000Z", "0.12", 15, 2, 0), ("2026-11-22T12:00:00.000Z", "0.003", 1, 1, 1)],
        ),
        (
            {"bucket": "hour", "from": "2026-11-21T12:59:00Z", "to": "2026-11-22T12:00:00Z"},
            [("2026-11-21T12:00:00.000Z", "0.12", 15, 2, 0)],
        ),
        ({}, [("2026-11-21T00:00:00.000Z", "0.12", 15, 2, 0), ("2026-11-22T00:00:00.000Z", "0.003", 1, 1, 1)]),
        ({"bucket": "day", "model": "m2"}, [("2026-11-22T00:00:00.000Z", "0.003", 1, 1, 1)]),
        ({"model": "m9"}, []),
    ],
)
async def test_windows_of_a_user_by_bucket_period_and_model(
    client: httpx.AsyncClient, seed: Seed, params: dict[str, str], windows: list[tuple[Any, ...]]
) -> None:
    await seed_users(seed)

    found = (await get(client, f"{USERS}/ada/windows", **params))["data"]

    names = ("start", "cost", "tokens", "generations", "errors")
    assert found == [dict(zip(names, window, strict=True)) for window in windows]


@pytest.mark.parametrize("path", ["team/ada%20b", "team%2Fada%20b", "team%2fada%20b"])
async def test_a_user_id_may_hold_slashes_raw_or_encoded(client: httpx.AsyncClient, seed: Seed, path: str) -> None:
    await seed.cost("team/ada b", after(minutes=1), cost=Decimal("0.5"))

    [window] = (await get(client, f"{USERS}/{path}/windows"))["data"]

    assert window["cost"] == "0.5"


async def test_a_window_that_corrections_emptied_is_none(client: httpx.AsyncClient, seed: Seed) -> None:
    await seed.cost("ada", after(minutes=1), model="m", cost=Decimal("0.00"))

    assert (await get(client, f"{USERS}/ada/windows"))["data"] == []


async def test_too_many_windows_say_how_to_ask_for_less(
    client: httpx.AsyncClient, seed: Seed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tailrace.query.users.MAX_WINDOWS", 1)
    await seed_users(seed)

    response = await client.get(f"{USERS}/ada/windows", params={"bucket": "minute"})

    assert response.status_code == 400
    assert "longer bucket" in response.json()["message"]


@pytest.mark.parametrize(
    ("path", "params"),
    [
        (USERS, {"sort": "name.asc"}),
        (USERS, {"sort": "cost"}),
        (USERS, {"from": "now"}),
        (USERS, {"limit": "1000"}),
        (f"{USERS}/ada/windows", {"bucket": "week"}),
        (f"{USERS}/ada/windows", {"to": "0000-00-00T00:00:00Z"}),
    ],
)
async def test_a_parameter_that_cannot_be_used_is_a_400_with_its_name(
    client: httpx.AsyncClient, path: str, params: dict[str, str]
) -> None:
    response = await client.get(path, params=params)

    assert response.status_code == 400, response.text
    assert response.json()["error"][0]["path"] == [next(iter(params))]


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59.999999Z"])
@pytest.mark.parametrize("path", [USERS, f"{USERS}/ada/windows"])
async def test_the_ends_of_time_are_no_error(client: httpx.AsyncClient, seed: Seed, path: str, at: str) -> None:
    await seed_users(seed)

    assert "data" in await get(client, path, **{"from": at})
    assert "data" in await get(client, path, to=at, bucket="hour")
