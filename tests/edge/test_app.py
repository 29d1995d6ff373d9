"""What all write endpoints have in common: who may write, what is answered in JSON, what happens at a limit or in an outage."""

import gzip
import json
import zlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.edge.fakes import INGESTION, METRICS, OTLP, SCORES, EdgeUnderTest, full_key, scores_key
from tests.wire.otlp_requests import encode_request, make_span

BODIES: dict[str, Any] = {
    OTLP: {"resourceSpans": []},
    METRICS: {"resourceMetrics": []},
    INGESTION: {"batch": []},
    SCORES: [],
}
STATUS = {OTLP: 200, METRICS: 200, INGESTION: 207, SCORES: 202}
every_endpoint = pytest.mark.parametrize("path", list(BODIES))
publishing = {
    OTLP: json.loads(encode_request("otlp-json", make_span())),
    INGESTION: {
        "batch": [{"id": "e", "type": "trace-create", "timestamp": "2026-01-01T00:00:00Z", "body": {"id": "t"}}]
    },
    SCORES: {"id": "s", "name": "tone", "value": 1, "traceId": "t"},
}
every_publishing_endpoint = pytest.mark.parametrize("path", list(publishing))
WRONG = "Invalid credentials. Confirm that you've configured the correct host."


@every_endpoint
async def test_a_full_key_may_write(edge: EdgeUnderTest, path: str) -> None:
    response = await edge.post(path, BODIES[path])

    assert response.status_code == STATUS[path]
    assert response.headers["content-type"] == "application/json"


@every_endpoint
async def test_no_key_is_401(edge: EdgeUnderTest, path: str) -> None:
    response = await edge.client.post(path, json=BODIES[path])

    named = {"error": "UnauthorizedError"} if path == INGESTION else {}
    assert (response.status_code, response.json()) == (401, {"message": "No authorization header", **named})


@every_endpoint
@pytest.mark.parametrize("key", [full_key("unknown"), full_key(secret="wrong"), scores_key("unknown")])
async def test_a_wrong_key_is_401(edge: EdgeUnderTest, path: str, key: str) -> None:
    response = await edge.post(path, BODIES[path], key=key)

    named = {"error": "UnauthorizedError"} if path == INGESTION else {}
    assert (response.status_code, response.json()) == (401, {"message": WRONG, **named})


@every_endpoint
@pytest.mark.parametrize("key", ["Basic", "Basic !!!", "Basic cGs6", "Digest x", "Bearer"])
async def test_a_key_that_cannot_be_read_is_401(edge: EdgeUnderTest, path: str, key: str) -> None:
    assert (await edge.post(path, BODIES[path], key=key)).status_code == 401


@pytest.mark.parametrize("path", [OTLP, METRICS])
async def test_a_public_key_alone_may_not_write_traces(edge: EdgeUnderTest, path: str) -> None:
    response = await edge.post(path, BODIES[path], key=scores_key())

    assert response.status_code == 403
    assert list(response.json()) == ["message"]


@every_endpoint
async def test_a_suspended_project_is_403(edge: EdgeUnderTest, path: str) -> None:
    response = await edge.post(path, BODIES[path], key=full_key("suspended"))

    assert (response.status_code, response.json()["error"]) == (403, "ForbiddenError")


@every_endpoint
async def test_keys_that_cannot_be_checked_are_503_with_retry_after(edge: EdgeUnderTest, path: str) -> None:
    edge.store.away = True

    response = await edge.post(path, BODIES[path])

    assert (response.status_code, response.json()["error"]) == (503, "ServiceUnavailableError")
    assert int(response.headers["retry-after"]) > 0


async def test_a_known_key_works_while_postgres_is_away(edge: EdgeUnderTest) -> None:
    await edge.post(OTLP, BODIES[OTLP])
    edge.store.away = True

    assert (await edge.post(OTLP, publishing[OTLP])).status_code == 200


@every_publishing_endpoint
async def test_nothing_is_acknowledged_while_the_log_is_away(edge: EdgeUnderTest, path: str) -> None:
    edge.publisher.away = True

    response = await edge.post(path, publishing[path])

    assert (response.status_code, response.json()["error"]) == (503, "ServiceUnavailableError")
    assert int(response.headers["retry-after"]) > 0
    edge.publisher.away = False
    assert (await edge.post(path, publishing[path])).status_code < 300


@every_publishing_endpoint
async def test_the_tenant_is_the_keys_and_never_the_bodys(edge: EdgeUnderTest, path: str) -> None:
    await edge.post(path, publishing[path], key=full_key("b"), headers={"x-langfuse-public-key": "pk-lf-a"})

    assert [record.headers.project_id for record in edge.publisher.records] == ["project-b"]


@every_publishing_endpoint
@pytest.mark.parametrize("prefix", ["x-langfuse-sdk-", "x_langfuse_sdk_"])
async def test_a_record_states_its_sender_and_its_events(edge: EdgeUnderTest, path: str, prefix: str) -> None:
    await edge.post(path, publishing[path], headers={f"{prefix}name": "python", f"{prefix}version": "2.60.10"})

    (record,) = edge.publisher.records
    assert (record.headers.sdk_name, record.headers.sdk_version, record.headers.events) == ("python", "2.60.10", 1)
    assert record.headers.received_at_us > 1_700_000_000_000_000


@every_publishing_endpoint
@pytest.mark.parametrize(
    ("encoding", "compress"),
    [("gzip", gzip.compress), ("GZIP", gzip.compress), ("x-gzip", gzip.compress), ("deflate", zlib.compress)],
)
async def test_a_compressed_body_is_the_same(edge: EdgeUnderTest, path: str, encoding: str, compress: Any) -> None:
    plain = json.dumps(publishing[path]).encode()

    await edge.post(path, compress(plain), headers={"Content-Encoding": encoding})
    await edge.post(path, plain, headers={"Content-Encoding": "identity"})

    compressed, identical = edge.publisher.records
    assert compressed.body == identical.body


@every_publishing_endpoint
@pytest.mark.parametrize("body", [b"no gzip", gzip.compress(b"{}" * 1000)[:-12], gzip.compress(b"{}")[:5]])
async def test_a_broken_gzip_is_400(edge: EdgeUnderTest, path: str, body: bytes) -> None:
    response = await edge.post(path, body, headers={"Content-Encoding": "gzip"})

    assert response.status_code == 400
    assert "zlib" in json.dumps(response.json())


@every_publishing_endpoint
async def test_an_unknown_encoding_is_415(edge: EdgeUnderTest, path: str) -> None:
    response = await edge.post(path, b"{}", headers={"Content-Encoding": "br"})

    assert (response.status_code, response.json()["error"]) == (415, "UnsupportedMediaTypeError")


@pytest.mark.parametrize("path", [INGESTION, SCORES])
async def test_a_json_body_over_its_limit_is_413(edge: EdgeUnderTest, path: str) -> None:
    response = await edge.post(path, b" " * 4_718_593)

    assert (response.status_code, response.json()["error"]) == (413, "PayloadTooLargeError")


@every_publishing_endpoint
async def test_a_small_body_that_inflates_without_end_is_given_up_at_the_limit(path: str) -> None:
    edge = EdgeUnderTest(max_body_bytes=5_000_000)
    bomb = gzip.compress(b"\x00" * 50_000_000)

    response = await edge.post(path, bomb, headers={"Content-Encoding": "gzip"})

    assert response.status_code == 413


@pytest.mark.parametrize(("project", "status"), [("a", 429), ("b", 503)])
async def test_a_body_that_does_not_fit_beside_others_is_429_for_their_own_project_and_else_503(
    project: str, status: int
) -> None:
    edge = EdgeUnderTest(max_inflight_bytes=1024)

    async def slow_body() -> AsyncIterator[bytes]:
        yield b'{"batch": ['
        large: dict[str, Any] = {"batch": [], "metadata": "x" * 2000}
        refused = await edge.post(INGESTION, large, key=full_key(project))
        assert (refused.status_code, refused.headers["retry-after"]) == (status, "2")
        yield b"]}" + b" " * 2000

    alone = await edge.client.post(INGESTION, content=slow_body(), headers={"Authorization": full_key()})

    assert alone.status_code == 207
    assert (await edge.post(INGESTION, {"batch": []})).status_code == 207


@pytest.mark.parametrize("path", ["/", "/api/public/nothing", OTLP + "/"])
async def test_an_unknown_route_is_404_in_json(edge: EdgeUnderTest, path: str) -> None:
    response = await edge.post(path, b"{}")

    assert (response.status_code, response.json()["error"]) == (404, "LangfuseNotFoundError")


@every_endpoint
async def test_a_wrong_method_is_405_in_json(edge: EdgeUnderTest, path: str) -> None:
    response = await edge.client.get(path)

    assert (response.status_code, response.json()["error"]) == (405, "MethodNotAllowedError")
    assert response.headers["allow"] == "POST"


@every_endpoint
async def test_a_browser_of_any_origin_may_ask_first(edge: EdgeUnderTest, path: str) -> None:
    asked = {
        "Origin": "https://shop.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }

    response = await edge.client.options(path, headers=asked)

    assert response.status_code == 204
    assert response.headers["access-control-allow-origin"] == "*"
    assert "authorization" in response.headers["access-control-allow-headers"]


async def test_errors_carry_cors_headers_too(edge: EdgeUnderTest) -> None:
    response = await edge.client.post(SCORES, headers={"Origin": "https://shop.example"})

    assert response.status_code == 401
    assert response.headers["access-control-allow-origin"] == "*"
    assert "Retry-After" in response.headers["access-control-expose-headers"]


async def test_health_needs_no_key(edge: EdgeUnderTest) -> None:
    response = await edge.client.get("/api/public/health")

    assert (response.status_code, response.json()["status"]) == (200, "OK")


async def test_a_fault_of_ours_is_500_in_json_without_a_trace_of_it(edge: EdgeUnderTest) -> None:
    edge.publisher.partitions = 0

    response = await edge.post(SCORES, publishing[SCORES])

    assert (response.status_code, response.json()) == (
        500,
        {"message": "something is wrong on our side", "error": "InternalServerError"},
    )
