"""A client that is not answered while others are ends its process; one that nobody answers waits."""

import asyncio

import pytest

from tailrace.local.ports import free_port
from tailrace.runtime import wedge
from tailrace.runtime.probes import Health
from tailrace.runtime.settings import Kafka
from tailrace.runtime.wedge import WedgedClientError, watch_kafka
from tests.fakes import Clock

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def _quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wedge, "LOOK_SECONDS", 0.05)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def health(clock: Clock) -> Health:
    health = Health("sink", stall_seconds=60, clock=clock)
    health.started()
    health.block("kafka", "TimeoutError")
    clock.now += 60.1
    return health


async def test_a_client_that_is_not_answered_while_others_are_ends_its_process(
    kafka_bootstrap: str, health: Health
) -> None:
    watching = watch_kafka(Kafka(bootstrap_servers=kafka_bootstrap), health, group="any")

    with pytest.raises(WedgedClientError, match="not this process's: TimeoutError"):
        await asyncio.wait_for(watching, 30)


async def test_while_the_brokers_are_away_nothing_ends(health: Health) -> None:
    watching = asyncio.create_task(
        watch_kafka(Kafka(bootstrap_servers=f"127.0.0.1:{free_port()}"), health, group="any")
    )
    await asyncio.wait([watching], timeout=1)

    assert not watching.done()
    watching.cancel()


async def test_a_client_that_waits_for_less_than_the_stall_time_or_again_is_let_be(
    kafka_bootstrap: str, health: Health, clock: Clock
) -> None:
    health.clear("kafka")
    health.block("kafka", "TimeoutError")
    clock.now += 59
    health.block("kafka", "another reason, the same wait")
    watching = asyncio.create_task(watch_kafka(Kafka(bootstrap_servers=kafka_bootstrap), health, group=None))
    await asyncio.wait([watching], timeout=1)

    assert not watching.done()
    clock.now += 2
    with pytest.raises(WedgedClientError):
        await asyncio.wait_for(watching, 30)
