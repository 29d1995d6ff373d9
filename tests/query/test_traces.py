from datetime import timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.query.seed import NOON, Seed, after

pytestmark = pytest.mark.integration


async def get(client: httpx.AsyncClient, path: str, **params: Any) -> Any:
    """The JSON of a good answer."""
    response = await client.get(path, params=params)
    assert response.status_code == 200, response.text
    return response.json()


async def ids(client: httpx.AsyncClient, **params: Any) -> list[str]:
    return [trace["id"] for trace in (await get(client, "/api/public/traces", **params))["data"]]


async def seed_full_trace(seed: Seed) -> None:
    await seed.trace(
        "t1",
        name="chat",
        user_id="ada",
        session_id="s1",
        release="r1",
        version="v1",
        tags=["a", "b"],
        public=True,
        environment="staging",
        first_start=NOON,
        last_end=after(milliseconds=1500),
        total_cost=Decimal("0.00004500"),
        input='{"question": 12345678901234567890}',
        output="plain words",
        metadata={"k": {"n": 1}},
    )
    await seed.observation("o2", "t1", start_time=after(seconds=1), parent_observation_id="o1")
    await seed.observation("o1", "t1", input="[1]", metadata={"a": 1})
    await seed.score("c1", trace_id="t1")
    await seed.score("c2", trace_id="t1", data_type="CORRECTION", long_string_value="better", name="output")


async def test_a_trace_in_a_list_has_the_ids_of_what_belongs_to_it(client: httpx.AsyncClient, seed: Seed) -> None:
    await seed_full_trace(seed)

    body = await get(client, "/api/public/traces")

    assert body["meta"] == {"page": 1, "limit": 50, "totalItems": 1, "totalPages": 1}
    assert body["data"] == [
        {
            "id": "t1",
            "projectId": seed.project_id,
            "timestamp": "2026-11-21T12:00:00.000Z",
            "name": "chat",
            "userId": "ada",
            "sessionId": "s1",
            "release": "r1",
            "version": "v1",
            "environment": "staging",
            "public": True,
            "bookmarked": False,
            "tags": ["a", "b"],
            "externalId": None,
            "createdAt": "2026-11-21T12:00:00.000Z",
            "updatedAt": "2026-11-21T12:00:00.000Z",
            "input": {"question": "12345678901234567890"},
            "output": "plain words",
            "metadata": {"k": {"n": 1}},
            "htmlPath": f"/project/{seed.project_id}/traces/t1",
            "latency": 1.5,
            "totalCost": 0.000045,
            "observations": ["o1", "o2"],
            "scores": ["c1", "c2"],
        }
    ]


async def test_a_single_trace_has_its_observations_and_scores_in_full(client: httpx.AsyncClient, seed: Seed) -> None:
    await seed_full_trace(seed)

    trace = await get(client, "/api/public/traces/t1")

    assert [one["id"] for one in trace["observations"]] == ["o1", "o2"]
    assert trace["observations"][0]["input"] == [1]
    assert trace["observations"][0]["metadata"] == {"a": 1}
    assert trace["observations"][1]["parentObservationId"] == "o1"
    assert [score["id"] for score in trace["scores"]] == ["c1"]
    assert trace["scores"][0]["traceId"] == "t1"
    assert trace["latency"] == 1.5


async def test_groups_that_are_left_out_have_the_values_that_clients_expect(
    client: httpx.AsyncClient, seed: Seed
) -> None:
    await seed_full_trace(seed)

    for trace in (
        (await get(client, "/api/public/traces", fields="core"))["data"][0],
        await get(client, "/api/public/traces/t1", fields="core,unheard-of"),
    ):
        assert (trace["observations"], trace["scores"]) == ([], [])
        assert (trace["latency"], trace["totalCost"]) == (-1, -1)
        assert (trace["input"], trace["output"], trace["metadata"]) == (None, None, {})
        assert trace["name"] == "chat"


async def test_without_io_observations_of_a_trace_come_without_their_bodies(
    client: httpx.AsyncClient, seed: Seed
) -> None:
    await seed_full_trace(seed)

    trace = await get(client, "/api/public/traces/t1", fields="core,observations")

    assert [one["input"] for one in trace["observations"]] == [None, None]


async def test_a_trace_without_observations_has_no_latency_and_no_cost(client: httpx.AsyncClient, seed: Seed) -> None:
    await seed.trace("bare")

    trace = await get(client, "/api/public/traces/bare")

    assert (trace["latency"], trace["totalCost"], trace["observations"], trace["metadata"]) == (0, 0, [], {})


@pytest.mark.parametrize("path", ["a/b%20c", "a%2Fb%20c"])
async def test_an_id_may_hold_slashes_raw_or_encoded(client: httpx.AsyncClient, seed: Seed, path: str) -> None:
    await seed.trace("a/b c")

    assert (await get(client, f"/api/public/traces/{path}"))["id"] == "a/b c"


@pytest.mark.parametrize("id_", ["a\nb", "\n", "a\n"])
async def test_an_id_may_hold_line_ends(client: httpx.AsyncClient, seed: Seed, id_: str) -> None:
    await seed.trace(id_)

    assert (await get(client, f"/api/public/traces/{quote(id_)}"))["id"] == id_
    assert (await get(client, f"/api/tailrace/v1/traces/{quote(id_)}/tree"))["trace"]["id"] == id_


@pytest.mark.parametrize("id_", ["nobody", "%00", "%FF", "a%00b", "%F0%9F%90%98", "x" * 4000])
async def test_an_unknown_trace_is_a_404_that_clients_poll_on(client: httpx.AsyncClient, seed: Seed, id_: str) -> None:
    response = await client.get(f"/api/public/traces/{id_}")

    assert response.status_code == 404
    assert response.json()["error"] == "LangfuseNotFoundError"


async def test_the_same_id_in_two_projects_never_meets(client: httpx.AsyncClient, seed: Seed, connection: Any) -> None:
    other = Seed(connection)
    await other.project()
    await other.trace("t1", name="theirs", input='"theirs"')
    await other.observation("o1", "t1")
    await other.score("c1", trace_id="t1")

    assert (await client.get("/api/public/traces/t1")).status_code == 404
    await seed.trace("t1", name="ours")
    trace = await get(client, "/api/public/traces/t1")
    assert (trace["name"], trace["input"], trace["observations"], trace["scores"]) == ("ours", None, [], [])
    assert await ids(client) == ["t1"]


async def seed_many(seed: Seed) -> None:
    """Five traces, a minute apart: t0 is the oldest."""
    for number in range(5):
        await seed.trace(
            f"t{number}",
            timestamp=after(minutes=number),
            name="even" if number % 2 == 0 else "odd",
            user_id=f"user-{number}",
            session_id="s" if number < 2 else None,
            tags=["all", f"tag-{number}"],
            environment="default" if number < 4 else "staging",
            version=f"v{number}",
            release="r" if number else None,
            error_count=number,
            total_cost=Decimal(number) / 100,
            total_tokens=number * 10,
            metadata={"number": number, "kind": "x" if number else "y", "deep": {"er": "yes"}, "on": number == 1},
        )


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({}, ["t4", "t3", "t2", "t1", "t0"]),
        ({"limit": 2}, ["t4", "t3"]),
        ({"limit": 2, "page": 3}, ["t0"]),
        ({"page": 9}, []),
        ({"userId": "user-3"}, ["t3"]),
        ({"userId": ""}, ["t4", "t3", "t2", "t1", "t0"]),
        ({"name": "odd"}, ["t3", "t1"]),
        ({"sessionId": "s"}, ["t1", "t0"]),
        ({"version": "v2", "release": "r"}, ["t2"]),
        ({"tags": ["all", "tag-2"]}, ["t2"]),
        ({"tags": ["tag-1", "tag-2"]}, []),
        ({"environment": ["staging", "nowhere"]}, ["t4"]),
        ({"fromTimestamp": "2026-11-21T12:01:00Z", "toTimestamp": "2026-11-21T13:03:00+01:00"}, ["t2", "t1"]),
        ({"fromTimestamp": "2026-11-22"}, []),
        ({"orderBy": "timestamp.asc", "limit": 1}, ["t0"]),
        ({"orderBy": "name.asc"}, ["t0", "t2", "t4", "t1", "t3"]),
        ({"orderBy": "release.desc", "limit": 5}, ["t4", "t3", "t2", "t1", "t0"]),
        ({"orderBy": "totalCost.desc", "limit": 1}, ["t4"]),
        ({"name": "x' or true --"}, []),
        ({"name": "a\x00b"}, []),
    ],
)
async def test_traces_are_listed_by_page_order_and_parameters(
    client: httpx.AsyncClient, seed: Seed, params: dict[str, Any], found: list[str]
) -> None:
    await seed_many(seed)

    assert await ids(client, **params) == found


async def test_the_meta_counts_all_pages(client: httpx.AsyncClient, seed: Seed) -> None:
    await seed_many(seed)

    body = await get(client, "/api/public/traces", limit=2, page=2)

    assert body["meta"] == {"page": 2, "limit": 2, "totalItems": 5, "totalPages": 3}


def condition(type_: str, column: str, operator: str, value: Any = None, key: str | None = None) -> dict[str, Any]:
    return {"type": type_, "column": column, "operator": operator, "value": value} | ({"key": key} if key else {})


@pytest.mark.parametrize(
    ("one", "found"),
    [
        (condition("string", "name", "=", "odd"), ["t3", "t1"]),
        (condition("string", "userId", "contains", "ser-2"), ["t2"]),
        (condition("string", "userId", "starts with", "user-4"), ["t4"]),
        (condition("string", "userId", "ends with", "-4"), ["t4"]),
        (condition("string", "release", "does not contain", "r"), ["t0"]),
        (condition("stringOptions", "version", "any of", ["v1", "v2"]), ["t2", "t1"]),
        (condition("stringOptions", "release", "none of", ["r"]), ["t0"]),
        (condition("arrayOptions", "tags", "any of", ["tag-1", "tag-2"]), ["t2", "t1"]),
        (condition("arrayOptions", "tags", "all of", ["tag-1", "all"]), ["t1"]),
        (condition("arrayOptions", "tags", "none of", ["tag-1"]), ["t4", "t3", "t2", "t0"]),
        (condition("datetime", "timestamp", ">=", "2026-11-21T12:03:00Z"), ["t4", "t3"]),
        (condition("number", "totalCost", ">", 0.029), ["t4", "t3"]),
        (condition("number", "tokens", "<=", 10), ["t1", "t0"]),
        (condition("number", "errorCount", "=", 2), ["t2"]),
        (condition("number", "latency", "<", 1e300), []),
        (condition("boolean", "bookmarked", "<>", True), ["t4", "t3", "t2", "t1", "t0"]),
        (condition("null", "sessionId", "is null"), ["t4", "t3", "t2"]),
        (condition("null", "sessionId", "is not null"), ["t1", "t0"]),
        (condition("stringObject", "metadata", "=", "y", "kind"), ["t0"]),
        (condition("stringObject", "metadata", "=", "yes", "deep.er"), ["t4", "t3", "t2", "t1", "t0"]),
        (condition("stringObject", "metadata", "is not set", None, "kind"), []),
        (condition("numberObject", "metadata", ">=", 3, "number"), ["t4", "t3"]),
        (condition("booleanObject", "metadata", "=", True, "on"), ["t1"]),
        (condition("categoryOptions", "metadata", "none of", ["x"], "kind"), ["t0"]),
        (condition("number", "warningCount", ">", 0), []),
        (condition("string", "level", "=", "DEFAULT"), ["t4", "t3", "t2", "t1", "t0"]),
    ],
)
async def test_a_filter_narrows_the_list(
    client: httpx.AsyncClient, seed: Seed, one: dict[str, Any], found: list[str]
) -> None:
    await seed_many(seed)

    assert await ids(client, filter=httpx.Response(200, json=[one]).text) == found


async def test_filters_reach_the_observations_and_scores_of_a_trace(client: httpx.AsyncClient, seed: Seed) -> None:
    await seed.trace("t1")
    await seed.trace("t2")
    await seed.observation(
        "o1", "t1", level="ERROR", cost_details={"input": "0.25", "output": "0.5", "input_cached": "0.25"}
    )
    await seed.score("c1", trace_id="t1", value=0.5, name="n")
    await seed.score("c2", trace_id="t1", data_type="CATEGORICAL", string_value="good", name="c")
    await seed.score("c3", trace_id="t1", data_type="BOOLEAN", value=1.0, name="b")

    for one in (
        condition("string", "level", "=", "ERROR"),
        condition("number", "inputCost", "=", 0.5),
        condition("number", "outputCost", ">=", 0.5),
        condition("number", "scores_avg", ">=", 0.5, "n"),
        condition("categoryOptions", "score_categories", "any of", ["good"], "c"),
        condition("booleanObject", "score_booleans", "=", True, "b"),
    ):
        assert await ids(client, filter=httpx.Response(200, json=[one]).text) == ["t1"], one
    other = condition("booleanObject", "score_booleans", "<>", True, "b")
    assert await ids(client, filter=httpx.Response(200, json=[other]).text) == ["t2"]


async def test_the_filter_beats_a_parameter_of_the_same_name(client: httpx.AsyncClient, seed: Seed) -> None:
    await seed_many(seed)
    one = condition("string", "name", "=", "odd")

    found = await ids(client, name="even", userId="user-3", filter=httpx.Response(200, json=[one]).text)

    assert found == ["t3"]


@pytest.mark.parametrize(
    "params",
    [
        {"page": 0},
        {"page": "x"},
        {"limit": 101},
        {"limit": -1},
        {"page": "99999999999999999999"},
        {"fromTimestamp": "yesterday"},
        {"fromTimestamp": "2026-11-21T12:00:00"},
        {"orderBy": "timestamp"},
        {"orderBy": "1;drop.asc"},
        {"filter": "{"},
        {"filter": "[" * 5000},
        {"filter": "{}"},
        {"filter": '[{"type":"string"}]'},
        {"filter": '[{"type":"string","column":"input","operator":"=","value":"x"}]'},
        {"filter": '[{"type":"string","column":"name","operator":"matches","value":"x"}]'},
        {"filter": '[{"type":"string","column":"name","operator":"=","value":1}]'},
        {"filter": '[{"type":"number","column":"name","operator":"=","value":1}]'},
        {"filter": '[{"type":"number","column":"latency","operator":"=","value":1e999}]'},
        {"filter": '[{"type":"number","column":"latency","operator":"; drop","value":1}]'},
        {"filter": '[{"type":"stringObject","column":"metadata","operator":"=","value":"x"}]'},
        {"filter": '[{"type":"stringOptions","column":"name","operator":"any of","value":["x",1]}]'},
        {"filter": '[{"type":"datetime","column":"timestamp","operator":">","value":"soon"}]'},
        {"filter": '[{"type":"boolean","column":"public","operator":"=","value":"true"}]'},
        {"filter": '[{"type":"string","column":"name","operator":"=","value":"\\ud800"}]'},
    ],
)
async def test_a_parameter_that_cannot_be_used_is_a_400_with_its_name(
    client: httpx.AsyncClient, params: dict[str, Any]
) -> None:
    response = await client.get("/api/public/traces", params=params)

    assert response.status_code == 400
    body = response.json()
    assert body["message"] == "Invalid request data"
    assert body["error"][0]["path"][0] == next(iter(params))
    assert body["error"][0]["message"]


async def test_a_page_whose_bodies_are_too_large_says_how_to_ask_for_less(
    client: httpx.AsyncClient, seed: Seed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tailrace.query.bodies.MAX_ANSWER_BYTES", 1000)
    await seed.trace("t1", input="x" * 600)
    await seed.trace("t2", input="x" * 600)

    assert (await client.get("/api/public/traces")).status_code == 400
    assert "fields" in (await client.get("/api/public/traces")).json()["message"]
    assert await ids(client, limit=1) == ["t2"]
    assert await ids(client, fields="core") == ["t2", "t1"]


async def test_a_row_that_nests_deeper_than_clients_parse_comes_as_text(client: httpx.AsyncClient, seed: Seed) -> None:
    deep = "[" * 2000 + "]" * 2000
    await seed.trace("t1", input=deep, output="[" * 300 + "]" * 300, metadata='{"deep":' + "[" * 300 + "]" * 300 + "}")

    trace = await get(client, "/api/public/traces/t1")

    assert (trace["input"], trace["output"]) == (deep, "[" * 300 + "]" * 300)
    assert trace["metadata"]["metadata"].startswith('{"deep":')


async def test_times_with_an_unencoded_plus_are_read(client: httpx.AsyncClient, seed: Seed) -> None:
    await seed_many(seed)

    response = await client.get("/api/public/traces?fromTimestamp=2026-11-21T13:04:00+01:00")

    assert [trace["id"] for trace in response.json()["data"]] == ["t4"]


async def test_observations_of_several_days_are_all_found(client: httpx.AsyncClient, seed: Seed) -> None:
    await seed.trace("t1")
    await seed.observation("o1", "t1")
    await seed.observation("o2", "t1", start_time=NOON + timedelta(days=40))
    await seed.observation("o3", "t1", start_time=NOON + timedelta(days=1), day=(NOON - timedelta(days=9)).date())

    assert (await get(client, "/api/public/traces"))["data"][0]["observations"] == ["o1", "o3", "o2"]
    assert [one["id"] for one in (await get(client, "/api/public/traces/t1"))["observations"]] == ["o1", "o3", "o2"]
