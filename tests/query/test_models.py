"""Models: a project's own beside the shipped ones, as the SDKs read and write them."""

import asyncio
from typing import Any

import asyncpg
import httpx
import pytest

from tailrace.core.price_file import read_price_file
from tailrace.query import models
from tailrace.runtime.resources import schemas
from tests.query.conftest import api_client
from tests.query.seed import Seed, after

pytestmark = pytest.mark.integration

PATH = "/api/public/models"
SHIPPED = read_price_file((schemas() / "prices.json").read_bytes()).models
FLAT: dict[str, Any] = {"modelName": "ours", "matchPattern": "(?i)^(ours)$", "unit": "TOKENS", "inputPrice": 2.5e-06}
TIERED: dict[str, Any] = {
    "modelName": "tiered",
    "matchPattern": "^tiered",
    "startDate": "2026-01-01T00:00:00+01:00",
    "unit": "TOKENS",
    "pricingTiers": [
        {
            "name": "Standard",
            "isDefault": True,
            "priority": 0,
            "conditions": [],
            "prices": {"input": 1e-06, "request": 0.01},
        },
        {
            "name": "Large",
            "priority": 2,
            "conditions": [{"usageDetailPattern": "^input", "operator": "gt", "value": 200000}],
            "prices": {"input": 2e-06},
        },
        {
            "name": "Fast",
            "isDefault": False,
            "priority": 1,
            "conditions": [
                {"usageDetailPattern": "x", "operator": "lte", "value": 0.5, "caseSensitive": True},
                {"source": "metadata", "key": "tier", "operator": "in", "values": ["fast", "express"]},
            ],
            "prices": {"input": "0.000000000000000000000000000003"},
        },
    ],
    "tokenizerId": "openai",
    "tokenizerConfig": {"tokenizerModel": "gpt-4o", "tokensPerName": 1},
}


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody prices in these tests: answers need not wait until prices hold."""

    async def no_wait(_: float) -> None:
        return None

    monkeypatch.setattr(models, "_wait", no_wait)


async def create(client: httpx.AsyncClient, **values: Any) -> dict[str, Any]:
    response = await client.post(PATH, json=FLAT | values)
    assert response.status_code == 200, response.text
    return response.json()


async def test_a_flat_price_becomes_a_default_tier(client: httpx.AsyncClient) -> None:
    made = await create(client, outputPrice=1e-05)

    id_ = made["id"]
    assert made.pop("createdAt").endswith("Z")
    assert made == {
        "id": id_,
        "modelName": "ours",
        "matchPattern": "(?i)^(ours)$",
        "startDate": None,
        "unit": "TOKENS",
        "inputPrice": 2.5e-06,
        "outputPrice": 1e-05,
        "totalPrice": None,
        "prices": {"input": {"price": 2.5e-06}, "output": {"price": 1e-05}},
        "tokenizerId": None,
        "tokenizerConfig": None,
        "isLangfuseManaged": False,
        "pricingTiers": [
            {
                "id": f"{id_}:0",
                "name": "Standard",
                "isDefault": True,
                "priority": 0,
                "conditions": [],
                "prices": {"input": 2.5e-06, "output": 1e-05},
            }
        ],
    }


async def test_tiers_are_read_as_they_were_written_with_their_defaults(client: httpx.AsyncClient) -> None:
    made = (await client.post(PATH, json=TIERED)).json()

    read = await client.get(f"{PATH}/{made['id']}")

    assert read.json() == made
    assert b'"input":0.000000000000000000000000000003' in read.content
    assert (made["startDate"], made["inputPrice"], made["outputPrice"]) == ("2025-12-31T23:00:00.000Z", 1e-06, None)
    assert made["prices"] == {"input": {"price": 1e-06}, "request": {"price": 0.01}}
    assert (made["tokenizerId"], made["tokenizerConfig"]) == ("openai", TIERED["tokenizerConfig"])
    assert [each["isDefault"] for each in made["pricingTiers"]] == [True, False, False]
    assert [each["conditions"] for each in made["pricingTiers"]] == [
        [],
        [{"usageDetailPattern": "^input", "operator": "gt", "value": 200000, "caseSensitive": False}],
        [
            {"usageDetailPattern": "x", "operator": "lte", "value": 0.5, "caseSensitive": True},
            {"source": "metadata", "key": "tier", "operator": "in", "values": ["fast", "express"]},
        ],
    ]


async def test_the_list_has_the_own_ones_first_and_then_the_shipped_ones(client: httpx.AsyncClient) -> None:
    await create(client, modelName="b", startDate="2026-01-01")
    await create(client, modelName="b", startDate="2026-02-01")
    await create(client, modelName="a")

    first = (await client.get(PATH, params={"limit": 2})).json()
    second = (await client.get(PATH, params={"limit": 2, "page": 2})).json()
    third = (await client.get(PATH, params={"limit": 2, "page": 3})).json()

    total = len(SHIPPED) + 3
    assert first["meta"] == {"page": 1, "limit": 2, "totalItems": total, "totalPages": -(-total // 2)}
    names = [
        (one["modelName"], (one["startDate"] or "")[:7]) for page in (first, second, third) for one in page["data"]
    ]
    assert [name for name, _ in names] == ["a", "b", "b", SHIPPED[0].model, SHIPPED[1].model, SHIPPED[2].model]
    assert [start for _, start in names[1:3]] == ["2026-02", "2026-01"]
    assert [one["isLangfuseManaged"] for one in second["data"]] == [False, True]


async def test_every_shipped_model_is_shown(client: httpx.AsyncClient) -> None:
    names: list[str] = []
    for page in range(1, -(-len(SHIPPED) // 100) + 1):
        names += [one["id"] for one in (await client.get(PATH, params={"limit": 100, "page": page})).json()["data"]]

    assert names == [model.model for model in SHIPPED]


async def test_a_shipped_model_has_the_price_of_the_day(client: httpx.AsyncClient) -> None:
    found = (await client.get(f"{PATH}/gpt-4o")).json()

    assert (found["isLangfuseManaged"], found["unit"], found["inputPrice"]) == (True, "TOKENS", 2.5e-06)
    assert (await client.get(f"{PATH}/o3")).json()["prices"]["input"] == {"price": 2e-06}


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_a_shipped_model_can_be_neither_changed_nor_deleted(client: httpx.AsyncClient, method: str) -> None:
    response = await client.request(method, f"{PATH}/gpt-4o", json=FLAT)

    assert (response.status_code, response.json()["error"]) == (403, "ForbiddenError")
    assert "gpt-4o comes with tailrace" in response.json()["message"]


async def test_put_makes_a_model_of_this_id_and_then_replaces_it(client: httpx.AsyncClient) -> None:
    made = (await client.put(f"{PATH}/my%2Fmodel", json=FLAT)).json()
    replaced = (await client.put(f"{PATH}/my%2Fmodel", json=TIERED)).json()

    assert (made["id"], replaced["id"]) == ("my/model", "my/model")
    assert (replaced["modelName"], replaced["createdAt"]) == ("tiered", made["createdAt"])
    assert (await client.get(f"{PATH}/my%2Fmodel")).json() == replaced
    assert (await client.get(PATH)).json()["meta"]["totalItems"] == len(SHIPPED) + 1


async def test_a_change_adds_a_version_and_keeps_the_old_one(
    client: httpx.AsyncClient, seed: Seed, connection: "asyncpg.Connection[Any]"
) -> None:
    id_ = (await create(client))["id"]
    await client.put(f"{PATH}/{id_}", json=FLAT | {"inputPrice": 3})
    await client.delete(f"{PATH}/{id_}")

    rows = await connection.fetch(
        """select tiers::jsonb -> 0 -> 'prices' ->> 'input' as price, deleted, superseded_at, effective_at, created_at,
                  version > lag(version, 1, 0::bigint) over (order by version) as later
           from model_versions where project_id = $1 order by version""",
        seed.project_id,
    )
    assert [(row["price"], row["deleted"], row["later"]) for row in rows] == [
        ("0.0000025", False, True),
        ("3", False, True),
        ("3", True, True),
    ]
    assert [row["superseded_at"] for row in rows] == [rows[1]["effective_at"], rows[2]["effective_at"], None]
    assert len({row["created_at"] for row in rows}) == 1
    assert (rows[0]["effective_at"] - rows[0]["created_at"]).total_seconds() == 0.5


async def test_a_deleted_model_is_gone_and_its_id_can_be_used_again(client: httpx.AsyncClient) -> None:
    id_ = (await create(client))["id"]

    deleted = await client.delete(f"{PATH}/{id_}")

    assert (deleted.status_code, deleted.json()) == (200, {"message": "Model successfully deleted"})
    for response in (await client.get(f"{PATH}/{id_}"), await client.delete(f"{PATH}/{id_}")):
        assert (response.status_code, response.json()["error"]) == (404, "LangfuseNotFoundError")
    assert (await client.put(f"{PATH}/{id_}", json=FLAT)).json()["id"] == id_


async def test_writers_that_meet_leave_one_current_version(client: httpx.AsyncClient) -> None:
    responses = await asyncio.gather(
        *(client.put(f"{PATH}/met", json=FLAT | {"inputPrice": price}) for price in range(1, 7))
    )

    assert {response.status_code for response in responses} <= {200, 409}
    assert 200 in {response.status_code for response in responses}
    mine = [one for one in (await client.get(PATH)).json()["data"] if one["id"] == "met"]
    assert len(mine) == 1


async def test_a_project_sees_and_changes_its_own_models_only(
    client: httpx.AsyncClient, module_postgres_dsn: str, connection: "asyncpg.Connection[Any]"
) -> None:
    id_ = (await create(client))["id"]
    other = Seed(connection)
    await other.project()
    async with api_client(module_postgres_dsn, other) as stranger:
        listed = (await stranger.get(PATH)).json()
        read, deleted = await stranger.get(f"{PATH}/{id_}"), await stranger.delete(f"{PATH}/{id_}")
        body = FLAT | {"projectId": "anything", "inputPrice": 9}
        taken = await stranger.put(f"{PATH}/{id_}", json=body)

    assert listed["meta"]["totalItems"] == len(SHIPPED)
    assert (read.status_code, deleted.status_code, taken.status_code) == (404, 404, 200)
    assert (await client.get(f"{PATH}/{id_}")).json()["inputPrice"] == 2.5e-06


async def test_an_observation_names_the_model_that_the_api_finds(client: httpx.AsyncClient, seed: Seed) -> None:
    id_ = (await create(client, modelName="ours"))["id"]
    await seed.trace("t")
    await seed.observation("by-us", "t", model="ours", model_id="ours", price_version=f"own:{id_}@7")
    await seed.observation("by-sender", "t", model="ours", model_id="ours", start_time=after(minutes=1))

    found = (await client.get("/api/public/observations", params={"traceId": "t"})).json()["data"]

    assert {one["id"]: one["modelId"] for one in found} == {"by-us": id_, "by-sender": "ours"}
    for one in found:
        assert (await client.get(f"{PATH}/{one['modelId']}")).json()["id"] == id_


@pytest.mark.parametrize(
    ("changes", "path", "message"),
    [
        ({"modelName": ""}, ["modelName"], "expected a text of 1 to 200 characters, got ''"),
        ({"matchPattern": None}, ["matchPattern"], "expected a text of 1 to 1000 characters, got nothing"),
        ({"matchPattern": "(a"}, ["matchPattern"], "expected a regular expression that RE2 knows: missing ): (a"),
        ({"matchPattern": "x{900}" * 2}, ["matchPattern"], "expected a pattern of at most 1000 instructions, got 1804"),
        ({"startDate": "soon"}, ["startDate"], "expected an ISO 8601 time with Z or an offset, got 'soon'"),
        ({"startDate": 5}, ["startDate"], "expected an ISO 8601 time with Z or an offset, got '5'"),
        (
            {"unit": "BYTES"},
            ["unit"],
            "expected one of CHARACTERS, TOKENS, SECONDS, MILLISECONDS, IMAGES, REQUESTS, got 'BYTES'",
        ),
        (
            {"unit": ["TOKENS"]},
            ["unit"],
            "expected one of CHARACTERS, TOKENS, SECONDS, MILLISECONDS, IMAGES, REQUESTS, got a list of 1",
        ),
        (
            {"inputPrice": None},
            ["pricingTiers"],
            "expected inputPrice, outputPrice, totalPrice or pricingTiers, got no price",
        ),
        ({"inputPrice": True}, ["inputPrice"], None),
        ({"inputPrice": -1}, ["inputPrice"], None),
        ({"inputPrice": 1e6}, ["inputPrice"], None),
        ({"inputPrice": "1e-40"}, ["inputPrice"], None),
        ({"inputPrice": "NaN"}, ["inputPrice"], None),
        ({"inputPrice": {"a": 1}}, ["inputPrice"], None),
        ({"totalPrice": 1}, ["totalPrice"], "expected either totalPrice or inputPrice and outputPrice, got both"),
        (
            {"pricingTiers": TIERED["pricingTiers"]},
            ["inputPrice"],
            "expected either flat prices or pricingTiers, got both",
        ),
        ({"tokenizerId": "other"}, ["tokenizerId"], "expected one of openai, claude, got 'other'"),
        ({"tokenizerConfig": "x" * 10_001}, ["tokenizerConfig"], "expected at most 10000 bytes of JSON"),
    ],
)
async def test_a_fault_is_told_with_its_path(
    client: httpx.AsyncClient, changes: dict[str, Any], path: list[str], message: str | None
) -> None:
    response = await client.post(PATH, json=FLAT | changes)

    assert response.status_code == 400, response.text
    assert response.json()["message"] == "Invalid request data"
    [issue] = response.json()["error"]
    assert issue["path"] == path
    if message is not None:
        assert issue["message"] == message


def tier(**values: Any) -> dict[str, Any]:
    whole: dict[str, Any] = {
        "name": "Standard",
        "isDefault": True,
        "priority": 0,
        "conditions": [],
        "prices": {"input": 1},
    }
    return whole | values


USAGE = {"usageDetailPattern": "a", "operator": "gt", "value": 1}


BAD_TIERS: list[tuple[Any, list[list[Any]]]] = [
    ([], [[]]),
    ("x", [[]]),
    ([tier(isDefault=False, priority=1, conditions=[USAGE])], [[]]),
    ([tier(), tier(name="b")], [[], []]),
    ([tier(priority=1)], [[0]]),
    ([tier(), tier(name="b", isDefault=None, priority=1)], [[1]]),
    ([tier(name=None), 5], [[0, "name"], [1], [1, "priority"], [1], [1, "name"], [1, "prices"]]),
    ([tier(prices={})], [[0, "prices"]]),
    ([tier(prices={"input": -1, "": 1})], [[0, "prices", "input"], [0, "prices", ""]]),
    ([tier(conditions="x")], [[0, "conditions"]]),
    (
        [
            tier(),
            tier(name="b", isDefault=False, priority=1, conditions=[USAGE | {"operator": "in", "value": "x"}]),
        ],
        [[1, "conditions", 0, "value"], [1, "conditions", 0, "operator"]],
    ),
    (
        [
            tier(),
            tier(
                name="b",
                isDefault=False,
                priority=1,
                conditions=[{"source": "input", "key": "", "operator": "gt", "values": ["a", 1]}],
            ),
        ],
        [[1, "conditions", 0, *end] for end in (["operator"], ["source"], ["key"], ["values", 1])],
    ),
    (
        [
            tier(),
            tier(name="b", isDefault=False, priority=1, conditions=[USAGE | {"usageDetailPattern": "a{300}"}]),
        ],
        [[]],
    ),
]


@pytest.mark.parametrize(("tiers", "paths"), BAD_TIERS)
async def test_a_fault_in_a_tier_is_told_with_its_path(
    client: httpx.AsyncClient, tiers: Any, paths: list[list[str | int]]
) -> None:
    response = await client.post(PATH, json=FLAT | {"inputPrice": None, "pricingTiers": tiers})

    assert response.status_code == 400, response.text
    assert [issue["path"] for issue in response.json()["error"]] == [["pricingTiers", *path] for path in paths]


async def test_all_faults_are_told_at_once(client: httpx.AsyncClient) -> None:
    response = await client.post(PATH, json={"unit": "x", "startDate": "x", "tokenizerId": 3})

    assert [issue["path"][0] for issue in response.json()["error"]] == [
        "matchPattern",
        "modelName",
        "startDate",
        "unit",
        "pricingTiers",
        "tokenizerId",
    ]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"[]", 400),
        (b"null", 400),
        (b'{"modelName":', 400),
        (b"\xff\xfe", 400),
        (b"[" * 100_000, 400),
        (b'{"a":' * 3000 + b"1" + b"}" * 3000, 400),
        (b'{"modelName":' + b"9" * 5000 + b"}", 400),
        (b" " * (1024 * 1024 + 1), 413),
    ],
)
async def test_a_body_that_is_no_model_is_refused(client: httpx.AsyncClient, body: bytes, status: int) -> None:
    response = await client.post(PATH, content=body)

    assert (response.status_code, response.json()["error"] != "InternalServerError") == (status, True)


async def test_what_no_database_can_hold_is_left_out_of_texts(client: httpx.AsyncClient) -> None:
    body = (
        b'{"modelName":"a\\u0000b\\ud800","matchPattern":"a","inputPrice":1,"tokenizerConfig":{"k\\u0000":"\\ud800"}}'
    )

    made = await client.post(PATH, content=body)

    assert (made.json()["modelName"], made.json()["tokenizerConfig"]) == ("ab\ufffd", {"k": "\ufffd"})


async def test_what_a_project_may_take_of_pricing_is_bounded(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = {"matchPattern": "x{600}"}
    monkeypatch.setattr(models, "MAX_PROGRAM", 1000)
    id_ = (await create(client, **large))["id"]

    refused = await client.post(PATH, json=FLAT | large)
    replaced = await client.put(f"{PATH}/{id_}", json=FLAT | large)

    assert refused.json()["error"][0]["message"].startswith("expected patterns of at most 1000 instructions in all")
    assert replaced.status_code == 200
    monkeypatch.setattr(models, "MAX_MODELS", 1)
    assert "at most 1 models" in (await client.post(PATH, json=FLAT)).json()["error"][0]["message"]
    monkeypatch.setattr(models, "MAX_VERSIONS", 2)
    assert "at most 2 changes" in (await client.put(f"{PATH}/{id_}", json=FLAT)).json()["error"][0]["message"]


async def test_a_key_for_scores_writes_no_model(client: httpx.AsyncClient, seed: Seed) -> None:
    response = await client.post(PATH, json=FLAT, headers={"Authorization": f"Bearer {seed.public_key}"})

    assert response.status_code == 403
