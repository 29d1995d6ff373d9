"""Quotas as a sender meets them: what passes, what is answered at the limit, and that a request is never refused for ever."""

from datetime import UTC, datetime
from typing import Any

import pytest
from prometheus_client import REGISTRY

from tailrace.edge.exchange import Told
from tailrace.runtime.keys import Quota
from tests.edge.fakes import INGESTION, METRICS, OTLP, SCORES, EdgeUnderTest, full_key, scores_key


def batch_of(events: int, size: int = 0) -> dict[str, Any]:
    """A batch of so many traces, and of `size` bytes or more."""
    event = {"type": "trace-create", "timestamp": "2026-01-01T00:00:00Z"}
    batch = [event | {"id": f"e{number}", "body": {"id": f"t{number}"}} for number in range(events)]
    return {"batch": batch, "metadata": "x" * size}


def limited_edge(**quota: int) -> EdgeUnderTest:
    edge = EdgeUnderTest()
    edge.store.quota = Quota(**quota)
    return edge


async def test_at_its_quota_a_project_hears_429_as_the_sdks_expect_it() -> None:
    edge = limited_edge(events_per_second=5)
    first = await edge.post(INGESTION, batch_of(50))

    refused = await edge.post(INGESTION, batch_of(1))

    assert first.status_code == 207
    assert refused.status_code == 429
    assert refused.headers["retry-after"] == "1"
    assert refused.headers["x-ratelimit-limit"] == "50"
    assert refused.headers["x-ratelimit-remaining"] == "0"
    reset = int(refused.headers["x-ratelimit-reset"])
    assert abs(reset - datetime.now(UTC).timestamp()) < 5
    at = datetime.fromtimestamp(reset, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    details = {"retryAfterSeconds": 1, "limit": 50, "remaining": 0, "resetAt": at}
    message = "the project's quota of 5 events a second is used up; send again later"
    assert refused.json() == {"message": message, "code": "rate_limited", "details": details}


async def test_who_waits_as_long_as_told_is_taken() -> None:
    edge = limited_edge(events_per_second=5)
    await edge.post(INGESTION, batch_of(70))
    refused = await edge.post(INGESTION, batch_of(1))

    edge.now += int(refused.headers["retry-after"])

    assert int(refused.headers["retry-after"]) == 5
    assert (await edge.post(INGESTION, batch_of(1))).status_code == 207


async def test_a_request_larger_than_the_bucket_passes_and_is_paid_for_afterwards() -> None:
    edge = limited_edge(events_per_second=1)

    large = await edge.post(INGESTION, batch_of(100))
    after = await edge.post(INGESTION, batch_of(1))

    assert (large.status_code, after.status_code) == (207, 429)
    assert after.headers["retry-after"] == "91"
    edge.now += 91
    assert (await edge.post(INGESTION, batch_of(100))).status_code == 207


async def test_bytes_are_those_of_the_decompressed_body() -> None:
    edge = limited_edge(bytes_per_second=100)

    assert (await edge.post(INGESTION, batch_of(1, size=2000))).status_code == 207
    refused = await edge.post(INGESTION, batch_of(1))

    assert refused.status_code == 429
    assert "100 bytes a second" in refused.json()["message"]


@pytest.mark.parametrize("path", [INGESTION, SCORES, OTLP])
async def test_a_body_over_the_projects_own_bound_is_413(path: str) -> None:
    edge = limited_edge(max_body_bytes=200)

    assert (await edge.post(path, b" " * 201)).status_code == 413
    assert (await edge.post(path, b" " * 201, key=full_key("b"))).status_code == 400


async def test_an_accepted_answer_says_what_is_left_of_the_quota() -> None:
    edge = limited_edge(events_per_second=5)

    answer = await edge.post(INGESTION, batch_of(20))

    assert answer.headers["x-ratelimit-limit"] == "50"
    assert answer.headers["x-ratelimit-remaining"] == "30"
    assert int(answer.headers["x-ratelimit-reset"]) == int(edge.now) + 4
    assert "retry-after" not in answer.headers


async def test_without_a_quota_nothing_is_said_of_one() -> None:
    answer = await EdgeUnderTest().post(INGESTION, batch_of(20))

    assert not [name for name in answer.headers if name.startswith("x-ratelimit")]


async def test_the_quota_of_one_project_is_nothing_to_another() -> None:
    edge = limited_edge(events_per_second=1)
    await edge.post(INGESTION, batch_of(50))

    assert (await edge.post(INGESTION, batch_of(50), key=full_key("b"))).status_code == 207


@pytest.mark.parametrize("path", [INGESTION, SCORES, OTLP, METRICS])
async def test_all_endpoints_and_all_keys_of_a_project_share_its_quota(path: str) -> None:
    edge = limited_edge(events_per_second=1)
    await edge.post(INGESTION, batch_of(50))

    key = scores_key() if path == SCORES else full_key()
    assert (await edge.post(path, {}, key=key)).status_code == 429


async def test_the_default_of_the_installation_holds_for_projects_without_their_own_figure() -> None:
    edge = EdgeUnderTest(events_per_second=1)
    edge.store.quota = Quota(events_per_second=0)

    answers = [await edge.post(INGESTION, batch_of(20), key=full_key(name)) for name in ("a", "a", "b", "b")]

    assert [answer.status_code for answer in answers] == [207, 207, 207, 429]


async def test_what_is_not_taken_costs_nothing() -> None:
    edge = limited_edge(events_per_second=5, bytes_per_second=100_000)
    edge.publisher.away = True

    answers = [await edge.post(INGESTION, batch_of(30)) for _ in range(5)]
    edge.publisher.away = False
    taken = await edge.post(INGESTION, batch_of(30))

    assert [answer.status_code for answer in answers] == [503] * 5
    assert taken.headers["x-ratelimit-remaining"] == "20"


async def test_a_quota_holds_while_postgres_is_away() -> None:
    edge = limited_edge(events_per_second=5)
    await edge.post(INGESTION, batch_of(50))
    edge.store.away = True

    assert (await edge.post(INGESTION, batch_of(1))).status_code == 429
    edge.now += 1
    assert (await edge.post(INGESTION, batch_of(1))).status_code == 207


async def test_a_suspended_project_stays_forbidden() -> None:
    edge = EdgeUnderTest(events_per_second=1)

    answers = [await edge.post(INGESTION, batch_of(50), key=full_key("suspended")) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [403, 403]


async def test_a_limiter_that_fails_lets_pass_and_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    edge = limited_edge(events_per_second=1)
    monkeypatch.setattr(edge.traffic.quotas, "_clock", lambda: 1 / 0)
    before = REGISTRY.get_sample_value("tailrace_edge_limiter_failures_total") or 0

    answers = [await edge.post(INGESTION, batch_of(50)) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [207, 207]
    assert (REGISTRY.get_sample_value("tailrace_edge_limiter_failures_total") or 0) > before


async def test_a_refusal_is_counted_by_project_and_reason() -> None:
    def counted() -> float:
        labels = {"project": "project-a", "reason": "quota_events"}
        return REGISTRY.get_sample_value("tailrace_edge_limited_requests_total", labels) or 0

    edge, before = limited_edge(events_per_second=1), counted()
    for _ in range(3):
        await edge.post(INGESTION, batch_of(50))

    assert counted() - before == 2


async def test_only_the_buckets_of_projects_with_a_quota_are_kept_and_no_more_than_the_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    edge = EdgeUnderTest(events_per_second=5)
    monkeypatch.setattr("tailrace.edge.quotas.MOST_PROJECTS", 1)
    await edge.post(INGESTION, batch_of(50))
    await edge.post(INGESTION, batch_of(50), key=full_key("b"))

    assert (await edge.post(INGESTION, batch_of(1))).status_code == 207, "the one forgotten has a full bucket again"


async def test_who_is_over_the_share_of_one_edge_is_not_told_to_wait_longer_than_the_whole_quota_needs() -> None:
    edge = limited_edge(events_per_second=10)
    edge.traffic._exchange.hear([Told(offered={"project-a": 1000.0})])  # pyright: ignore[reportPrivateUsage]
    await edge.post(INGESTION, batch_of(60))

    refused = await edge.post(INGESTION, batch_of(1))

    assert (refused.status_code, refused.headers["retry-after"]) == (429, "6")
