"""Histograms: bins of equal width, of the values that there are."""

from decimal import Decimal
from typing import Any

import httpx
import pytest

from tests.query.metrics.queries import ask
from tests.query.seed import Seed

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(
    ("values", "bins", "expected"),
    [
        ([], 3, []),
        ([None, None], 3, []),
        (["0.5", None], 3, [["0.5", "0.5", 1]]),
        (["1", "1", "1"], 2, [["1", "1", 3]]),
        (["0", "3", None], 3, [["0", "1", 1], ["1", "2", 0], ["2", "3", 1]]),
        (["0", "1", "1.9999999", "2", "3"], 3, [["0", "1", 1], ["1", "2", 2], ["2", "3", 2]]),
        (["0", "0.3"], 1, [["0", "0.3", 2]]),
    ],
)
async def test_a_value_is_in_the_bin_that_begins_at_it_or_before_and_the_greatest_in_the_last(
    client: httpx.AsyncClient, seed: Seed, values: list[str | None], bins: int, expected: list[Any]
) -> None:
    for number, value in enumerate(values):
        await seed.observation(f"o{number}", "t1", total_cost=None if value is None else Decimal(value))
    query = {
        "view": "observations",
        "metrics": [{"measure": "totalCost", "aggregation": "histogram"}],
        "fromTimestamp": "2026-11-21T00:00:00Z",
        "toTimestamp": "2026-11-22T00:00:00Z",
        "config": {"bins": bins},
    }

    [row] = await ask(client, query)

    found = [[str(lower), str(upper), height] for lower, upper, height in row["histogram_totalCost"]]
    assert found == expected
