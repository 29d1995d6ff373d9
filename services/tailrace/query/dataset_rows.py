"""What the statements of `datasets.sql` yield, column by column. JSON columns are the text that was sent."""

from datetime import date, datetime
from decimal import Decimal

from tailrace.query.rows import Row


class DatasetRead(Row, frozen=True, kw_only=True, gc=False):
    """A dataset."""

    id: str
    name: str
    description: str | None
    metadata: str | None
    input_schema: str | None
    expected_output_schema: str | None
    created_at: datetime
    updated_at: datetime


class ItemRead(Row, frozen=True, kw_only=True, gc=False):
    """An item in one state; `valid_from`: since when it has it."""

    id: str
    dataset_id: str
    dataset_name: str
    status: str
    input: str | None
    expected_output: str | None
    metadata: str | None
    source_trace_id: str | None
    source_observation_id: str | None
    created_at: datetime
    valid_from: datetime


class ItemId(Row, frozen=True, kw_only=True, gc=False):
    """The id of an item."""

    dataset_id: str
    id: str


class RunRead(Row, frozen=True, kw_only=True, gc=False):
    """A run. `description`, `metadata`: as a call told them; `experiment`: as its first span does. `total` counts the runs on all pages."""

    id: str
    name: str
    description: str | None
    metadata: str | None
    experiment: str | None
    created_at: datetime
    updated_at: datetime
    total: int


class RunName(Row, frozen=True, kw_only=True, gc=False):
    """The name of a run."""

    name: str


class RunId(Row, frozen=True, kw_only=True, gc=False):
    """The id of a run."""

    id: str


class TraceId(Row, frozen=True, kw_only=True, gc=False):
    """The id of a trace."""

    trace_id: str


class RunItemRead(Row, frozen=True, kw_only=True, gc=False):
    """An execution of an item in a run. `total` counts those on all pages."""

    id: str
    item_id: str
    trace_id: str
    observation_id: str | None
    created_at: datetime
    updated_at: datetime
    total: int = 1


class ExperimentRead(Row, frozen=True, kw_only=True, gc=False):
    """An experiment in a period."""

    id: str
    name: str
    started_at: datetime
    ended_at: datetime
    items: int
    description: str | None
    metadata: str | None
    experiment: str | None
    dataset_id: str | None


class ExecutionRead(Row, frozen=True, kw_only=True, gc=False):
    """An execution of an item with its root observation, as far as that is known."""

    run_id: str
    run_name: str
    dataset_id: str | None
    item_id: str
    trace_id: str
    at: datetime
    observation_id: str | None
    day: date | None
    start_time: datetime
    end_time: datetime | None
    level: str
    environment: str
    experiment: str | None


class ComparedRead(Row, frozen=True, kw_only=True, gc=False):
    """An execution of an item and what it took."""

    item_id: str
    trace_id: str
    at: datetime
    observation_id: str | None
    day: date | None
    latency_seconds: float | None
    total_cost: Decimal | None
    level: str
