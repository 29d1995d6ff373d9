"""Rows as the database yields them, with defaults for all that a test does not speak of."""

from typing import Any

from tailrace.query.rows import ScoreRead
from tests.query.seed import NOON


def make_score(**values: Any) -> ScoreRead:
    """A numeric score of 1 that belongs to nothing."""
    names = ScoreRead.__struct_fields__
    defaults: dict[str, Any] = dict.fromkeys(names) | {
        "id": "c1",
        "name": "quality",
        "data_type": "NUMERIC",
        "value": 1.0,
    }
    defaults |= {"source": "API", "environment": "default", "timestamp": NOON, "created_at": NOON, "updated_at": NOON}
    return ScoreRead(**(defaults | values))
