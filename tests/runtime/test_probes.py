"""Alive means moving: when a process is live, when it is ready, and what it says."""

import httpx
import pytest

from tailrace.runtime.probes import Health, probe_app, serve_probes
from tests.fakes import Clock, eventually


@pytest.fixture
def clock() -> Clock:
    return Clock(1000.0)


@pytest.fixture
def health(clock: Clock) -> Health:
    health = Health("sink", stall_seconds=60, clock=clock)
    health.started()
    return health


async def _get(health: Health, path: str) -> httpx.Response:
    transport = httpx.ASGITransport(app=probe_app(health))
    async with httpx.AsyncClient(transport=transport, base_url="http://probe") as client:
        return await client.get(path)


def test_a_consumer_with_lag_that_does_not_move_is_stalled_after_the_stall_time(health: Health, clock: Clock) -> None:
    health.report_progress("raw/0", position=7, lagging=True)
    clock.now += 60
    health.report_progress("raw/0", position=7, lagging=True)
    assert health.stalled() == []
    clock.now += 0.1

    assert health.stalled() == ["raw/0"]


def test_a_consumer_that_moves_is_not_stalled(health: Health, clock: Clock) -> None:
    for position in range(10):
        health.report_progress("raw/0", position=position, lagging=True)
        clock.now += 59

    assert health.stalled() == []


def test_a_consumer_without_lag_may_stand_for_ever(health: Health, clock: Clock) -> None:
    for _ in range(10):
        health.report_progress("raw/0", position=7, lagging=False)
        clock.now += 59

    assert health.stalled() == []


def test_a_consumer_that_reports_no_more_is_stalled(health: Health, clock: Clock) -> None:
    health.report_progress("raw/0", position=7, lagging=False)
    clock.now += 61

    assert health.stalled() == ["raw/0"]


def test_an_outage_stalls_nobody_though_nothing_is_reported_meanwhile(health: Health, clock: Clock) -> None:
    health.report_progress("raw/0", position=7, lagging=True)
    health.block("postgres", "ConnectionRefusedError")
    clock.now += 3600

    assert health.stalled() == []
    assert not health.ready


def test_after_an_outage_the_whole_stall_time_starts_again(health: Health, clock: Clock) -> None:
    health.report_progress("raw/0", position=7, lagging=True)
    health.block("postgres", "ConnectionRefusedError")
    health.block("kafka", "NodeNotReadyError")
    clock.now += 3600
    health.clear("postgres")
    assert health.stalled() == []
    health.clear("kafka")
    clock.now += 60
    assert health.stalled() == []
    clock.now += 0.1

    assert health.stalled() == ["raw/0"]


def test_clearing_what_was_not_blocked_restarts_no_clock(health: Health, clock: Clock) -> None:
    health.report_progress("raw/0", position=7, lagging=True)
    for _ in range(100):
        clock.now += 1
        health.clear("postgres")

    assert health.stalled() == ["raw/0"]


def test_a_reason_of_one_consumer_excuses_no_other(health: Health, clock: Clock) -> None:
    health.report_progress("raw/0", position=7, lagging=True)
    health.report_progress("raw/1", position=7, lagging=True)
    health.block("raw/0", "the partition stands still until an operator resumes it")
    clock.now += 30
    for consumer in ("raw/0", "raw/1"):
        health.report_progress(consumer, position=7, lagging=True)
    clock.now += 31

    assert health.stalled() == ["raw/1"]


def test_a_consumer_that_was_let_go_of_is_forgotten(health: Health, clock: Clock) -> None:
    health.report_progress("raw/0", position=7, lagging=True)
    health.forget("raw/0")
    clock.now += 3600

    assert health.stalled() == []


async def test_livez_is_503_while_stalled_and_names_the_consumer(health: Health, clock: Clock) -> None:
    assert (await _get(health, "/livez")).status_code == 200
    health.report_progress("raw/0", position=7, lagging=True)
    clock.now += 61

    response = await _get(health, "/livez")
    assert response.status_code == 503
    assert response.json() == {"service": "sink", "live": False, "stalled": ["raw/0"]}


async def test_a_starting_process_is_alive_and_not_ready_and_says_why(clock: Clock) -> None:
    health = Health("sink", stall_seconds=60, clock=clock)
    clock.now += 3600

    assert (await _get(health, "/livez")).status_code == 200
    ready = await _get(health, "/readyz")
    assert ready.status_code == 503
    assert ready.json()["reasons"] == {"start": "starting"}


async def test_readyz_tells_every_reason_until_it_is_cleared(health: Health) -> None:
    health.block("kafka", "NodeNotReadyError")
    health.block("postgres", "ConnectionRefusedError")
    health.clear("kafka")
    assert (await _get(health, "/readyz")).json()["reasons"] == {"postgres": "ConnectionRefusedError"}
    health.clear("postgres")

    assert (await _get(health, "/readyz")).json() == {"service": "sink", "ready": True, "reasons": {}}


async def test_metrics_are_served_beside_the_probes(health: Health) -> None:
    async with serve_probes(health, host="127.0.0.1", port=0) as server:
        await eventually(lambda: server.started)
        port = server.servers[0].sockets[0].getsockname()[1]
        async with httpx.AsyncClient() as client:
            response = await client.get(f"http://127.0.0.1:{port}/metrics")

    assert response.status_code == 200
    assert "tailrace_process_ready 1.0" in response.text
