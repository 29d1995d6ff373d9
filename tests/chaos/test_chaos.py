"""The chaos suite in short: a seed of the worst faults on one cluster, and the loss of the log on another. `make chaos` runs all."""

from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio

from tests.chaos.cluster import Cluster, running_cluster
from tests.chaos.faults import SCENARIOS
from tests.chaos.report import findings_of
from tests.chaos.rounds import run_round

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

SEED = 4_711
SHORT = ("kill-all", "freeze-two", "postgres-kill", "kafka-kill", "rule-position", "poison", "log-lost")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster() -> AsyncGenerator[Cluster]:
    async with running_cluster() as cluster:
        yield cluster


@pytest.mark.parametrize("name", SHORT)
async def test_after_the_fault_nothing_is_lost_duplicated_or_wrong(cluster: Cluster, name: str) -> None:
    (scenario,) = (one for one in SCENARIOS if one.name == name)
    outcome = await run_round(cluster, scenario, SEED)

    assert outcome.is_clean, findings_of(outcome)
    assert sum(outcome.checked.values()) > 500
