"""The records between processors: what the assembler decides, the sink writes and the meter sums.

An assembled record holds whole new values, never increments, so that applying it twice changes nothing. Rows are named like the
columns they fill. Times are aware UTC; money is Decimal USD, a string on the wire.
"""

from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal, TypeVar
from uuid import UUID

import msgspec
import orjson

from tailrace.wire.topics import SCHEMA_VERSION


class Record(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The manner of every record on the wire."""


class ObservationRow(Record, frozen=True, kw_only=True):
    """A folded observation without its bodies. `stamps`: see tailrace.core.merge. `day`: the partition it is stored in.

    `experiment`: JSON text of what is told of an experiment's item; only its root observation has one.
    """

    project_id: str
    day: date
    trace_id: str
    id: str
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
    provided_cost_details: str | None
    cost_details: str
    unit: str | None
    input_tokens: int
    output_tokens: int
    total_tokens: int
    total_cost: Decimal | None
    input_price: Decimal | None
    output_price: Decimal | None
    price_version: str | None
    pricing_tier: str | None
    counted: bool
    prompt_name: str | None
    prompt_version: int | None
    warnings: list[str]
    stamps: str
    created_at: datetime
    updated_at: datetime
    experiment_id: str | None = None
    experiment_name: str | None = None
    experiment_dataset_id: str | None = None
    experiment_item_id: str | None = None
    experiment: str | None = None


class ObservationBodyRow(Record, frozen=True, kw_only=True):
    """The large texts of an observation; `metadata` is a JSON object as text."""

    project_id: str
    day: date
    trace_id: str
    id: str
    input: str | None
    output: str | None
    metadata: str | None


class TraceRow(Record, frozen=True, kw_only=True):
    """A folded trace with its roll-up. `contributions`: JSON list of what each (model, minute) of it adds to its user's windows."""

    project_id: str
    id: str
    timestamp: datetime
    name: str | None
    user_id: str | None
    session_id: str | None
    release: str | None
    version: str | None
    environment: str
    public: bool
    tags: list[str]
    external_id: str | None
    observation_count: int
    error_count: int
    input_tokens: int
    output_tokens: int
    total_tokens: int
    total_cost: Decimal | None
    first_start: datetime | None
    last_end: datetime | None
    root_ended: bool
    ended_roots: int
    amended: bool
    days: list[date]
    contributions: str
    warnings: list[str]
    stamps: str
    last_received_at: datetime
    created_at: datetime
    updated_at: datetime


class TraceBodyRow(Record, frozen=True, kw_only=True):
    """The large texts of a trace; `metadata` is a JSON object as text."""

    project_id: str
    trace_id: str
    input: str | None
    output: str | None
    metadata: str | None


class ScoreRow(Record, frozen=True, kw_only=True):
    """A folded score. `deleted`: what is left of one that was deleted, its id without content."""

    project_id: str
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
    stamps: str
    created_at: datetime
    updated_at: datetime
    deleted: bool = False


class SessionRow(Record, frozen=True, kw_only=True):
    """What one partition knows of a session."""

    project_id: str
    id: str
    created_at: datetime
    last_seen_at: datetime
    environment: str


class UserRow(Record, frozen=True, kw_only=True):
    """What one partition knows of an end user."""

    project_id: str
    id: str
    first_seen_at: datetime
    last_seen_at: datetime


class CostPart(Record, frozen=True, kw_only=True):
    """The absolute sum that one raw partition knows for (project, user, model, bucket); the newest (epoch, origin) counts."""

    project_id: str
    user_id: str | None
    model: str | None
    bucket: Literal["minute", "hour", "day"]
    bucket_start: datetime
    cost: Decimal
    input_tokens: int
    output_tokens: int
    total_tokens: int
    generations: int
    errors: int
    traces: int


class DeadLetter(Record, frozen=True, kw_only=True):
    """An event that cannot be used. `payload`: the sender's bytes of that event, or of the whole record."""

    project_id: str
    sequence: int
    reason: str
    detail: str
    entity: str | None
    content_kind: str
    payload: bytes
    received_at: datetime


class EventCount(Record, frozen=True, kw_only=True):
    """How many events of one project a raw record held, and what became of them."""

    project_id: str
    accepted: int
    applied: int
    dead_lettered: int


class AssembledRecord(Record, frozen=True, kw_only=True):
    """What became of one raw record, or one chunk of it; chunks are applied all or none.

    `previous`: the origin before it. `fingerprint`: hex digest of the raw record. `received_at`: when the edge got it.
    """

    epoch: int
    owner: UUID
    partition: int
    origin: int
    previous: int
    fingerprint: str
    received_at: datetime
    chunk: int = 0
    chunks: int = 1
    version: int = 1
    observations: list[ObservationRow] = []
    observation_bodies: list[ObservationBodyRow] = []
    traces: list[TraceRow] = []
    trace_bodies: list[TraceBodyRow] = []
    scores: list[ScoreRow] = []
    sessions: list[SessionRow] = []
    users: list[UserRow] = []
    cost_parts: list[CostPart] = []
    dead_letters: list[DeadLetter] = []
    counts: list[EventCount] = []


class CostPartsRecord(Record, frozen=True, kw_only=True):
    """Changed parts of one raw partition on their way to a meter, as they stand after the raw record `origin`."""

    partition: int
    epoch: int
    origin: int
    parts: list[CostPart]
    version: int = 1


class DeadLetterRecord(Record, frozen=True, kw_only=True):
    """A dead letter on its topic; (partition, origin, letter.sequence) is its identity."""

    partition: int
    origin: int
    letter: DeadLetter
    version: int = 1


AnyRecord = TypeVar("AnyRecord", bound=Record)


class BadRecordError(ValueError):
    """A record is not what its topic promises; the message names the path in it."""


class NewerRecordError(BadRecordError):
    """A record is of a later version than this release reads: it is for a later release's process to take."""


def encode_record(record: Record) -> bytes:
    """JSON bytes of a record."""
    return orjson.dumps(record, default=msgspec.to_builtins)


def decode_record(data: bytes, kind: type[AnyRecord]) -> AnyRecord:
    """The record in `data`. Raises BadRecordError, and NewerRecordError of a later version, whatever else is in it."""
    try:
        loaded: Any = orjson.loads(data)
        _check_version(loaded)
        return msgspec.convert(loaded, kind, str_keys=True)
    except (orjson.JSONDecodeError, msgspec.ValidationError) as error:
        raise BadRecordError(f"expected a {kind.__name__}, got {error}") from None


def _check_version(loaded: Any) -> None:
    version: Any = loaded.get("version", 1) if isinstance(loaded, dict) else 1  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise NewerRecordError(
            f"expected a record of version {SCHEMA_VERSION} or less, got one of version {version}: a later release wrote it"
        )
