"""What the statements of `queries.sql` yield, column by column. Times are aware UTC; JSON columns are text."""

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

import msgspec


class Row(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The manner of every row."""


class TraceRead(Row, frozen=True, kw_only=True, gc=False):
    """A trace with its roll-up."""

    id: str
    timestamp: datetime
    name: str | None
    user_id: str | None
    session_id: str | None
    release: str | None
    version: str | None
    environment: str
    public: bool
    bookmarked: bool
    tags: list[str]
    external_id: str | None
    observation_count: int
    error_count: int
    total_tokens: int
    total_cost: Decimal | None
    first_start: datetime | None
    last_end: datetime | None
    root_ended: bool
    amended: bool
    days: list[date]
    warnings: list[str]
    last_received_at: datetime
    created_at: datetime
    updated_at: datetime


class ObservationRead(Row, frozen=True, kw_only=True, gc=False):
    """An observation with what it takes from its trace."""

    trace_id: str
    id: str
    day: date
    type: str
    name: str | None
    parent_observation_id: str | None
    start_time: datetime
    end_time: datetime | None
    completion_start_time: datetime | None
    environment: str
    level: str
    status_message: str | None
    version: str | None
    is_root: bool
    is_app_root: bool
    model: str | None
    model_id: str | None
    model_parameters: str | None
    usage_details: str
    cost_details: str
    unit: str | None
    total_tokens: int
    total_cost: Decimal | None
    input_price: Decimal | None
    output_price: Decimal | None
    price_version: str | None
    pricing_tier: str | None
    counted: bool
    prompt_name: str | None
    prompt_version: int | None
    prompt_id: str | None
    warnings: list[str]
    created_at: datetime
    updated_at: datetime
    user_id: str | None
    session_id: str | None
    trace_name: str | None
    tags: list[str] | None
    release: str | None
    public: bool
    bookmarked: bool


class TraceBody(Row, frozen=True, kw_only=True, gc=False):
    """The large texts of a trace."""

    trace_id: str
    input: str | None = None
    output: str | None = None
    metadata: str | None = None


class ObservationBody(Row, frozen=True, kw_only=True, gc=False):
    """The large texts of an observation."""

    trace_id: str
    id: str
    input: str | None = None
    output: str | None = None
    metadata: str | None = None


class ScoreRead(Row, frozen=True, kw_only=True, gc=False):
    """A score with what it takes from its trace, if that is known."""

    id: str
    timestamp: datetime
    name: str
    data_type: str
    value: float
    string_value: str | None
    long_string_value: str | None
    source: str
    comment: str | None
    metadata: str | None
    trace_id: str | None
    observation_id: str | None
    session_id: str | None
    dataset_run_id: str | None
    environment: str
    config_id: str | None
    queue_id: str | None
    author_user_id: str | None
    created_at: datetime
    updated_at: datetime
    found_trace_id: str | None
    user_id: str | None
    tags: list[str] | None
    trace_environment: str | None
    trace_session_id: str | None


class SessionRead(Row, frozen=True, kw_only=True, gc=False):
    """A session."""

    id: str
    created_at: datetime
    environment: str


class IdOfTrace(Row, frozen=True, kw_only=True, gc=False):
    """The id of something in a trace."""

    trace_id: str
    id: str


class UserFigures(Row, frozen=True, kw_only=True, gc=False):
    """An end user over a period; `total` counts the users on all pages."""

    id: str
    cost: Decimal
    tokens: int
    traces: int
    errors: int
    last_seen_at: datetime
    total: int


class WindowRead(Row, frozen=True, kw_only=True, gc=False):
    """One end user's window."""

    start: datetime
    cost: Decimal
    tokens: int
    generations: int
    errors: int


class OwnModelRead(Row, frozen=True, kw_only=True, gc=False):
    """A project's own model as it is now."""

    id: str
    version: int
    model_name: str
    match_pattern: str
    start_date: datetime | None
    unit: str | None
    tiers: str
    tokenizer_id: str | None
    tokenizer_config: str | None
    created_at: datetime
    program: int


class OwnModelsTake(Row, frozen=True, kw_only=True, gc=False):
    """What a project's own models take of what pricing may take: how many, instructions of their patterns, versions."""

    models: int
    program: int
    versions: int


class UnknownModel(Row, frozen=True, kw_only=True, gc=False):
    """A model that has no price, over a period; `total` counts the models on all pages."""

    model: str
    observations: int
    tokens: Decimal
    first_seen_at: datetime
    last_seen_at: datetime
    total: int


class PromptRead(Row, frozen=True, kw_only=True, gc=False):
    """A version of a prompt, with its labels in their order and the tags of its name. `prompt`: a text, or messages as JSON."""

    id: str
    name: str
    version: int
    type: str
    prompt: str
    config: str
    labels: list[str]
    tags: list[str]
    commit_message: str | None
    created_by: str
    created_at: datetime
    updated_at: datetime


class FoundPrompt(PromptRead, frozen=True, kw_only=True, gc=False):
    """A version that one of several references leads to; `position` of that, from 1."""

    position: int


class PromptMeta(Row, frozen=True, kw_only=True, gc=False):
    """A name of prompts with what its chosen versions have."""

    name: str
    type: str
    versions: list[int]
    labels: list[str]
    tags: list[str]
    last_updated_at: datetime
    last_config: str


class PromptKind(Row, frozen=True, kw_only=True, gc=False):
    """What all versions of a name share, and the number of the highest; 0 if there is none."""

    type: str
    tags: list[str]
    last_version: int


class Dependent(Row, frozen=True, kw_only=True, gc=False):
    """A version that includes another prompt."""

    name: str
    version: int


class NumberOfVersion(Row, frozen=True, kw_only=True, gc=False):
    """A version by its number."""

    version: int


class CacheOfPrompts(Row, frozen=True, kw_only=True, gc=False):
    """A process that may hold prompts in memory."""

    id: UUID


class PromptFigures(Row, frozen=True, kw_only=True, gc=False):
    """What observations that are linked to one version of a prompt cost, and how long they took: p50, p75, p90, p95, p99 in seconds."""

    version: int
    prompt_id: str | None
    labels: list[str]
    n: int
    first_seen_at: datetime
    last_seen_at: datetime
    errors: int
    cost: Decimal
    priced: int
    cost_deviation: Decimal | None
    input_tokens: int
    output_tokens: int
    total_tokens: int
    timed: int
    latencies: list[float] | None


class PromptScoreFigures(Row, frozen=True, kw_only=True, gc=False):
    """Scores of one name of one version; of a categorical one those of one category."""

    version: int
    target: str
    name: str
    source: str
    data_type: str
    category: str | None
    n: int
    mean: Decimal
    deviation: Decimal | None


class ScoreConfigRead(Row, frozen=True, kw_only=True, gc=False):
    """A score config as it is now: its latest version."""

    id: str
    version: int
    name: str
    data_type: str
    min_value: float | None
    max_value: float | None
    categories: str | None
    description: str | None
    is_archived: bool
    created_at: datetime
    updated_at: datetime


class AnnotationQueueRead(Row, frozen=True, kw_only=True, gc=False):
    """A queue of what people are to look at."""

    id: str
    name: str
    description: str | None
    score_config_ids: list[str]
    created_at: datetime
    updated_at: datetime


class AnnotationQueueItemRead(Row, frozen=True, kw_only=True, gc=False):
    """A trace, an observation or a session in a queue."""

    id: str
    queue_id: str
    object_id: str
    object_type: str
    status: str
    completed_at: datetime | None
    created_at: datetime
    updated_at: datetime


class CommentRead(Row, frozen=True, kw_only=True, gc=False):
    """A comment on a trace, an observation, a session or a prompt."""

    id: str
    object_type: str
    object_id: str
    content: str
    author_user_id: str | None
    created_at: datetime
    updated_at: datetime


class Found(Row, frozen=True, kw_only=True, gc=False):
    """That something is there."""

    id: str
