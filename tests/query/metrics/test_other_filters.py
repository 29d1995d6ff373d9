"""Filters on what is no dimension: times, metadata by key, and facts that only lists show."""

from typing import Any

import httpx
import pytest

from tests.query.metrics.queries import ask
from tests.query.seed import NOON, Seed, after

pytestmark = pytest.mark.integration


def only(
    view: str, column: str, type_: str, operator: str, value: Any = None, key: str | None = None
) -> dict[str, Any]:
    """A query for the ids of the rows of which the condition holds."""
    condition = {"column": column, "type": type_, "operator": operator, "value": value, "key": key}
    return {
        "view": view,
        "dimensions": [{"field": "id"}],
        "metrics": [{"measure": "count", "aggregation": "count"}],
        "filters": [condition],
        "fromTimestamp": "2026-11-21T00:00:00Z",
        "toTimestamp": "2026-11-22T00:00:00Z",
    }


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (only("observations", "startTime", "datetime", ">", "2026-11-21T12:00:00Z"), ["late"]),
        (only("observations", "startTime", "datetime", "<=", "2026-11-21T12:00:00Z"), ["early"]),
        (only("observations", "endTime", "null", "is null"), ["early"]),
        (only("observations", "statusMessage", "string", "contains", "broke"), ["late"]),
        (only("observations", "metadata", "stringObject", "=", "a", "team"), ["early"]),
        (only("observations", "metadata", "stringObject", "is not set", None, "team"), ["late"]),
        (only("observations", "metadata", "numberObject", ">", 2, "step"), ["early"]),
        (only("observations", "metadata", "booleanObject", "=", True, "deep.flag"), ["early"]),
        (only("traces", "timestamp", "datetime", ">=", "2026-11-21T13:00:00Z"), ["t2"]),
        (only("traces", "metadata", "categoryOptions", "any of", ["x", "y"], "team"), ["t1"]),
        (only("traces", "bookmarked", "boolean", "=", True), ["t2"]),
        (only("traces", "errorCount", "number", ">", 0), ["t2"]),
        (only("scores-numeric", "timestamp", "datetime", "<", "2026-11-21T12:30:00Z"), ["c1"]),
        (only("scores-numeric", "metadata", "stringObject", "starts with", "b", "team"), ["c2"]),
        (only("scores-numeric", "comment", "string", "ends with", "!"), ["c2"]),
    ],
)
async def test_rows_are_chosen_by_what_is_no_dimension(
    client: httpx.AsyncClient, seed: Seed, query: dict[str, Any], found: list[str]
) -> None:
    await seed.trace("t1", metadata={"team": "x"})
    await seed.trace("t2", timestamp=after(hours=1), bookmarked=True, error_count=1)
    metadata = {"team": "a", "step": 3, "deep": {"flag": True}}
    await seed.observation("early", "t1", metadata=metadata)
    await seed.observation("late", "t1", start_time=after(hours=1), end_time=after(hours=2), status_message="it broke")
    await seed.score("c1", timestamp=NOON, metadata={"team": "a"})
    await seed.score("c2", timestamp=after(hours=1), metadata={"team": "b"}, comment="well done!")

    assert [row["id"] for row in await ask(client, query)] == found
