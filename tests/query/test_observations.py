import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

from tests.query.seed import NOON, Seed, after

pytestmark = pytest.mark.integration
V1, V2 = "/api/public/observations", "/api/public/v2/observations"


async def get(client: httpx.AsyncClient, path: str, **params: Any) -> Any:
    """The JSON of a good answer."""
    response = await client.get(path, params=params)
    assert response.status_code == 200, response.text
    return response.json()


async def ids(client: httpx.AsyncClient, path: str, **params: Any) -> list[str]:
    return [one["id"] for one in (await get(client, path, **params))["data"]]


async def seed_generation(seed: Seed) -> None:
    await seed.trace(
        "t1", name="chat", user_id="ada", session_id="s1", tags=["a"], release="r1", public=True, bookmarked=True
    )
    await seed.observation(
        "g1",
        "t1",
        type="GENERATION",
        name="call",
        parent_observation_id="root",
        end_time=after(milliseconds=1250),
        completion_start_time=after(milliseconds=500),
        environment="staging",
        level="ERROR",
        status_message="oh no",
        version="v1",
        model="gpt-5",
        model_id="gpt-5@1",
        model_parameters='{"temperature": 0.7}',
        usage_details='{"input": 10, "input_cached_tokens": 5, "output": 7, "total": 22}',
        cost_details='{"input": "0.0000100", "input_cached_tokens": "0.000001", "output": "0.00002", "total": "0.000031"}',
        unit="TOKENS",
        total_tokens=22,
        total_cost=Decimal("0.0000310"),
        input_price=Decimal("0.000001"),
        output_price=Decimal("0.00000285"),
        pricing_tier="default",
        prompt_name="greet",
        prompt_version=3,
        input='{"q": [1, 2]}',
        output="not { json",
        metadata={"a": {"b": 1, "c": {}}, "long": "x" * 300, "list": ["y" * 300], "big": "z" * 300},
    )


async def test_a_v1_observation_has_every_field(client: httpx.AsyncClient, seed: Seed) -> None:
    await seed_generation(seed)

    body = await get(client, V1)

    assert body["meta"] == {"page": 1, "limit": 50, "totalItems": 1, "totalPages": 1}
    assert body["data"] == [
        {
            "id": "g1",
            "traceId": "t1",
            "projectId": seed.project_id,
            "type": "GENERATION",
            "name": "call",
            "startTime": "2026-11-21T12:00:00.000Z",
            "endTime": "2026-11-21T12:00:01.250Z",
            "completionStartTime": "2026-11-21T12:00:00.500Z",
            "createdAt": "2026-11-21T12:00:00.000Z",
            "updatedAt": "2026-11-21T12:00:00.000Z",
            "parentObservationId": "root",
            "environment": "staging",
            "level": "ERROR",
            "statusMessage": "oh no",
            "version": "v1",
            "input": {"q": [1, 2]},
            "output": "not { json",
            "metadata": {"a": {"b": 1, "c": {}}, "long": "x" * 300, "list": ["y" * 300], "big": "z" * 300},
            "model": "gpt-5",
            "modelId": "gpt-5@1",
            "modelParameters": {"temperature": 0.7},
            "promptId": None,
            "promptName": "greet",
            "promptVersion": 3,
            "usage": {"input": 15, "output": 7, "total": 22, "unit": "TOKENS"},
            "unit": "TOKENS",
            "promptTokens": 15,
            "completionTokens": 7,
            "totalTokens": 22,
            "usageDetails": {"input": 10, "input_cached_tokens": 5, "output": 7, "total": 22},
            "costDetails": {"input": 0.00001, "input_cached_tokens": 0.000001, "output": 0.00002, "total": 0.000031},
            "inputPrice": 0.000001,
            "outputPrice": 0.00000285,
            "totalPrice": None,
            "calculatedInputCost": 0.000011,
            "calculatedOutputCost": 0.00002,
            "calculatedTotalCost": 0.000031,
            "usagePricingTierId": None,
            "usagePricingTierName": "default",
            "latency": 1.25,
            "timeToFirstToken": 0.5,
        }
    ]
    assert await get(client, f"{V1}/g1") == body["data"][0]


async def test_amounts_leave_digit_for_digit(client: httpx.AsyncClient, seed: Seed) -> None:
    await seed.trace("t1")
    await seed.observation("o1", "t1", total_cost=Decimal("0.123456789012345678901234567890"))

    text = (await client.get(f"{V1}/o1")).text

    assert '"calculatedTotalCost":0.12345678901234567890123456789,' in text


async def test_an_observation_with_nothing_but_a_start_has_the_fields_that_clients_require(
    client: httpx.AsyncClient, seed: Seed
) -> None:
    await seed.trace("t1")
    await seed.observation("o1", "t1")

    one = await get(client, f"{V1}/o1")

    assert one["usage"] == {"input": 0, "output": 0, "total": 0, "unit": "TOKENS"}
    assert (one["usageDetails"], one["costDetails"], one["metadata"]) == ({}, {}, {})
    assert one["calculatedInputCost"] is None
    assert {"modelParameters", "input", "output", "level", "environment"} <= one.keys()


async def test_an_observation_id_of_two_traces_is_the_newest(client: httpx.AsyncClient, seed: Seed) -> None:
    await seed.trace("t1")
    await seed.trace("t2")
    await seed.observation("o1", "t1", start_time=after(days=2))
    await seed.observation("o1", "t2")

    assert (await get(client, f"{V1}/o1"))["traceId"] == "t1"


@pytest.mark.parametrize("path", ["span/7%20x", "span%2F7%20x"])
async def test_an_observation_id_may_hold_slashes(client: httpx.AsyncClient, seed: Seed, path: str) -> None:
    await seed.trace("t1")
    await seed.observation("span/7 x", "t1")

    assert (await get(client, f"{V1}/{path}"))["id"] == "span/7 x"


async def test_an_unknown_observation_is_a_404(client: httpx.AsyncClient) -> None:
    response = await client.get(f"{V1}/nobody")

    assert (response.status_code, response.json()["error"]) == (404, "LangfuseNotFoundError")


async def test_v2_gives_the_core_and_the_basics_unless_asked_for_more(client: httpx.AsyncClient, seed: Seed) -> None:
    await seed_generation(seed)

    body = await get(client, V2)

    assert body == {
        "data": [
            {
                "id": "g1",
                "traceId": "t1",
                "startTime": "2026-11-21T12:00:00.000Z",
                "endTime": "2026-11-21T12:00:01.250Z",
                "projectId": seed.project_id,
                "parentObservationId": "root",
                "type": "GENERATION",
                "name": "call",
                "level": "ERROR",
                "statusMessage": "oh no",
                "version": "v1",
                "environment": "staging",
                "bookmarked": True,
                "public": True,
                "userId": "ada",
                "sessionId": "s1",
                "isRootObservation": False,
                "modelId": None,
                "inputPrice": None,
                "outputPrice": None,
                "totalPrice": None,
            }
        ],
        "meta": {},
    }


async def test_v2_adds_the_groups_that_are_asked_for(client: httpx.AsyncClient, seed: Seed) -> None:
    await seed_generation(seed)

    fields = "time,io,metadata,model,usage,prompt,metrics,trace_context,unheard_of"
    [one] = (await get(client, V2, fields=fields))["data"]

    assert "name" not in one
    assert one["completionStartTime"] == "2026-11-21T12:00:00.500Z"
    assert (one["input"], one["output"]) == ('{"q": [1, 2]}', "not { json")
    assert one["metadata"] == {
        "a.b": 1,
        "a.c": {},
        "big": "z" * 300,
        "list": ["y" * 300],
        "long": "x" * 300,
    }
    assert (one["model"], one["providedModelName"], one["internalModelId"]) == ("gpt-5", "gpt-5", "gpt-5@1")
    assert one["modelParameters"] == {"temperature": 0.7}
    assert one["usageDetails"]["input_cached_tokens"] == 5
    assert (one["costDetails"]["output"], one["totalCost"]) == (0.00002, 0.000031)
    assert one["usagePricingTierName"] == "default"
    assert (one["promptId"], one["promptName"], one["promptVersion"]) == (None, "greet", 3)
    assert (one["latency"], one["timeToFirstToken"]) == (1.25, 0.5)
    assert (one["traceName"], one["tags"], one["release"]) == ("chat", ["a"], "r1")
    assert (one["modelId"], one["inputPrice"], one["outputPrice"]) == ("gpt-5@1", "0.000001", "0.00000285")


async def test_v2_cuts_long_metadata_unless_io_or_the_key_is_asked_for(client: httpx.AsyncClient, seed: Seed) -> None:
    await seed_generation(seed)

    [one] = (await get(client, V2, fields="metadata", expandMetadata="big, a"))["data"]

    assert one["metadata"]["long"] == "x" * 200
    assert one["metadata"]["list"] == '["' + "y" * 198
    assert one["metadata"]["big"] == "z" * 300
    assert "input" not in one


async def seed_many(seed: Seed) -> None:
    """Six observations in two traces, a second apart; o0 is the oldest."""
    await seed.trace("ta", user_id="ada", session_id="s1", tags=["x", "y"], name="A")
    await seed.trace("tb", user_id="bob", environment="staging")
    for number in range(6):
        await seed.observation(
            f"o{number}",
            "ta" if number < 4 else "tb",
            start_time=after(seconds=number),
            end_time=after(seconds=number + number),
            type="GENERATION" if number % 2 else "SPAN",
            name=f"n{number % 3}",
            level="ERROR" if number == 2 else "DEFAULT",
            parent_observation_id=f"o{number - 1}" if number else None,
            is_app_root=number == 4,
            environment="staging" if number == 5 else "default",
            version=f"v{number}",
            model="m" if number % 2 else None,
            output_tokens=number * 10,
            metadata={"number": number, "scope": {"name": f"lib-{number}"}},
            cost_details=f'{{"input": "0.{number}", "output": "0"}}',
        )


ALL = ["o5", "o4", "o3", "o2", "o1", "o0"]


@pytest.mark.parametrize("path", [V1, V2])
@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({}, ALL),
        ({"limit": 2}, ["o5", "o4"]),
        ({"name": "n1"}, ["o4", "o1"]),
        ({"userId": "bob"}, ["o5", "o4"]),
        ({"type": "SPAN"}, ["o4", "o2", "o0"]),
        ({"traceId": "ta", "type": "GENERATION"}, ["o3", "o1"]),
        ({"traceId": "nobody"}, []),
        ({"level": "ERROR"}, ["o2"]),
        ({"version": "v3"}, ["o3"]),
        ({"parentObservationId": "o1"}, ["o2"]),
        ({"environment": ["staging", "else"]}, ["o5"]),
        ({"fromStartTime": "2026-11-21T12:00:02Z", "toStartTime": "2026-11-21T12:00:04Z"}, ["o3", "o2"]),
        ({"fromStartTime": "2026-11-20T00:00:00Z", "type": "SPAN"}, ["o4", "o2", "o0"]),
    ],
)
async def test_observations_are_listed_by_their_parameters(
    client: httpx.AsyncClient, seed: Seed, path: str, params: dict[str, Any], found: list[str]
) -> None:
    await seed_many(seed)

    assert await ids(client, path, **params) == found


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({"sessionId": "s1", "level": "ERROR"}, ["o2"]),
        ({"isRootObservation": "true"}, ["o4", "o0"]),
        ({"isRootObservation": "false", "traceId": "tb"}, ["o5"]),
        ({"parentObservationId": ""}, ["o0"]),
        ({"limit": 1000}, ALL),
    ],
)
async def test_v2_knows_more_parameters(
    client: httpx.AsyncClient, seed: Seed, params: dict[str, Any], found: list[str]
) -> None:
    await seed_many(seed)

    assert await ids(client, V2, **params) == found


@pytest.mark.parametrize(
    ("one", "found"),
    [
        ({"type": "string", "column": "type", "operator": "=", "value": "SPAN"}, ["o4", "o2", "o0"]),
        ({"type": "number", "column": "latency", "operator": ">=", "value": 3.5}, ["o5", "o4"]),
        ({"type": "number", "column": "tokensPerSecond", "operator": ">", "value": 0}, ["o5", "o4", "o3", "o2", "o1"]),
        ({"type": "number", "column": "inputCost", "operator": ">", "value": 0.35}, ["o5", "o4"]),
        ({"type": "boolean", "column": "isRootObservation", "operator": "=", "value": True}, ["o4", "o0"]),
        ({"type": "boolean", "column": "isRootObservation", "operator": "<>", "value": True}, ["o5", "o3", "o2", "o1"]),
        ({"type": "arrayOptions", "column": "traceTags", "operator": "all of", "value": ["x", "y"]}, ALL[2:]),
        ({"type": "arrayOptions", "column": "tags", "operator": "none of", "value": ["x"]}, ["o5", "o4"]),
        ({"type": "string", "column": "traceName", "operator": "=", "value": "A"}, ALL[2:]),
        ({"type": "null", "column": "model", "operator": "is null", "value": ""}, ["o4", "o2", "o0"]),
        (
            {"type": "stringObject", "column": "metadata", "key": "scope.name", "operator": "=", "value": "lib-3"},
            ["o3"],
        ),
        ({"type": "numberObject", "column": "metadata", "key": "number", "operator": "<", "value": 1}, ["o0"]),
        ({"type": "datetime", "column": "startTime", "operator": ">", "value": "2026-11-21T12:00:04Z"}, ["o5"]),
        ({"type": "datetime", "column": "endTime", "operator": ">", "value": "2026-11-21T12:00:08Z"}, ["o5"]),
    ],
)
@pytest.mark.parametrize("path", [V1, V2])
async def test_a_filter_narrows_the_list(
    client: httpx.AsyncClient, seed: Seed, path: str, one: dict[str, Any], found: list[str]
) -> None:
    await seed_many(seed)

    assert await ids(client, path, filter=json.dumps([one])) == found


async def test_the_filter_beats_parameters_of_the_same_name(client: httpx.AsyncClient, seed: Seed) -> None:
    await seed_many(seed)
    later = {"type": "datetime", "column": "startTime", "operator": ">", "value": "2026-11-21T12:00:04Z"}

    assert await ids(client, V2, toStartTime="2026-11-21T12:00:01Z", filter=json.dumps([later])) == ["o5"]


async def read_all(client: httpx.AsyncClient, **params: Any) -> list[list[str]]:
    """The ids of all pages of v2."""
    pages: list[list[str]] = []
    while True:
        body = await get(client, V2, **params)
        pages.append([f"{one['traceId']}/{one['id']}" for one in body["data"]])
        if "cursor" not in body["meta"]:
            return pages
        params["cursor"] = body["meta"]["cursor"]


async def test_cursors_meet_every_observation_once_also_at_equal_times_and_ids(
    client: httpx.AsyncClient, seed: Seed
) -> None:
    expected: list[str] = []
    for trace in ("ta", "tb", "tc"):
        await seed.trace(trace)
        for number in range(5):
            await seed.observation(f"o{number}", trace, start_time=after(microseconds=number // 3))
            expected.append(f"{trace}/o{number}")

    pages = await read_all(client, limit=2)

    assert [len(page) for page in pages] == [2] * 7 + [1]
    assert sorted(one for page in pages for one in page) == sorted(expected)
    assert pages == [page for page in await read_all(client, limit=2) if page]


async def test_the_last_page_has_no_cursor_also_when_it_is_full(client: httpx.AsyncClient, seed: Seed) -> None:
    await seed_many(seed)

    assert (await get(client, V2, limit=6))["meta"] == {}


async def test_an_observation_whose_start_moved_to_earlier_is_found_at_its_start(
    client: httpx.AsyncClient, seed: Seed
) -> None:
    await seed.trace("t1")
    await seed.observation("moved", "t1", start_time=NOON - timedelta(days=60), day=NOON.date())

    assert await ids(client, V2, fromStartTime="2026-09-01", toStartTime="2026-10-01") == ["moved"]
    assert await ids(client, V2, fromStartTime="2026-11-01") == []


@pytest.mark.parametrize(
    ("path", "params"),
    [
        (V1, {"limit": 101}),
        (V1, {"type": "THING"}),
        (V1, {"level": "LOUD"}),
        (V1, {"fromStartTime": "x"}),
        (V2, {"limit": 1001}),
        (V2, {"limit": 0}),
        (V2, {"cursor": "nonsense"}),
        (V2, {"cursor": "W10"}),
        (V2, {"cursor": "eyJhIjoxfQ"}),
        (V2, {"cursor": "WzEsMl0"}),
        (V2, {"cursor": "WzFlMzAwLCJhIiwiYiJd"}),
        (V2, {"parseIoAsJson": "true"}),
        (V2, {"isRootObservation": "maybe"}),
        (V2, {"filter": '[{"type":"string","column":"output","operator":"matches","value":"x"}]'}),
    ],
)
async def test_a_parameter_that_cannot_be_used_is_a_400_with_its_name(
    client: httpx.AsyncClient, path: str, params: dict[str, Any]
) -> None:
    response = await client.get(path, params=params)

    assert response.status_code == 400, response.text
    assert response.json()["error"][0]["path"][0] == next(iter(params))
