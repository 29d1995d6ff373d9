"""The chaos suite's client: it tries again what an SDK tries again, counts what it saw, and says so when nothing is ever taken."""

import random
import time
from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.chaos import client
from tests.chaos.client import Delivered, NotDeliveredError, deliver
from tests.chaos.requests import Request

ORIGINS = ("http://one", "http://two")
HEADERS = {"authorization": "Basic x", "content-type": "application/octet-stream"}


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "PAUSE_SECONDS", 0.01)


def requests(count: int, *, encoding: str = "") -> list[Request]:
    return [
        Request("/api/public/ingestion", b"body", "application/json", encoding, 3, number / count, number)
        for number in range(count)
    ]


async def send(
    answer: Callable[[httpx.Request], httpx.Response], asked: list[Request], *, seconds: float = 0
) -> Delivered:
    return await deliver(
        ORIGINS,
        HEADERS,
        asked,
        seconds=seconds,
        concurrency=2,
        rng=random.Random(1),
        transport=httpx.MockTransport(answer),
    )


async def test_each_request_is_taken_once_with_its_own_headers_at_any_of_the_origins() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(207)

    delivered = await send(answer, requests(20, encoding="gzip"))

    assert {request.url.host for request in seen} == {"one", "two"}
    assert {request.headers["content-type"] for request in seen} == {"application/json"}
    assert {request.headers["content-encoding"] for request in seen} == {"gzip"}
    assert {request.headers["authorization"] for request in seen} == {"Basic x"}
    assert (delivered.statuses, delivered.requests, delivered.events) == ({"207": 20}, 20, 60)
    assert len(delivered.latencies) == 20


async def test_refusals_and_lost_connections_are_tried_again_and_counted() -> None:
    answers = _of(503, 429, 408, httpx.ReadTimeout("slow"), httpx.ConnectError("gone"), 200)

    delivered = await send(answers, requests(1))

    assert delivered.statuses == {"503": 1, "429": 1, "408": 1, "ReadTimeout": 1, "ConnectError": 1, "200": 1}
    assert delivered.accepted == {0: 1}


async def test_it_waits_as_long_as_it_is_asked_to_but_not_longer_than_two_seconds() -> None:
    assert client.retry_after(httpx.Response(503, headers={"retry-after": "1.5"})) == 1.5
    assert client.retry_after(httpx.Response(503, headers={"retry-after": "60"})) == 2
    assert client.retry_after(httpx.Response(503, headers={"retry-after": "soon"})) == 0.01


@pytest.mark.parametrize("status", [400, 401, 404, 413, 500])
async def test_an_answer_that_no_request_here_may_get_ends_it(status: int) -> None:
    with pytest.raises(NotDeliveredError, match=f"got {status} why"):
        await send(lambda _: httpx.Response(status, text="why"), requests(3))


async def test_it_gives_up_after_nothing_but_refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "GIVE_UP_SECONDS", 0.05)

    with pytest.raises(NotDeliveredError, match="nothing but refusals for 0 s, the last: 503"):
        await send(lambda _: httpx.Response(503), requests(1))


async def test_nothing_is_sent_before_its_time() -> None:
    started = time.monotonic()
    times: list[float] = []

    def answer(_: httpx.Request) -> httpx.Response:
        times.append(time.monotonic() - started)
        return httpx.Response(200)

    await send(answer, requests(4), seconds=0.2)

    assert all(at >= due for at, due in zip(times, (0, 0.05, 0.1, 0.15), strict=True))


def _of(*answers: int | httpx.TransportError) -> Callable[[httpx.Request], httpx.Response]:
    """Answers one after the other."""
    following: Iterator[int | httpx.TransportError] = iter(answers)

    def answer(_: httpx.Request) -> httpx.Response:
        said = next(following)
        if isinstance(said, int):
            return httpx.Response(said)
        raise said

    return answer
