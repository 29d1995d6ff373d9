"""The bodies of batch events and of scores: their shapes, the rules that an SDK's body must keep, and their fields in plain form.

Only shape is checked. Bodies keep what is opaque (input, output, metadata, usage) as the sender's own bytes.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, NamedTuple

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from tailrace.core.model import MAX_TIME_US, MIN_TIME_US, ScoreDataType, ScoreSource
from tailrace.wire.lenient_json import json_text, load_json

MAX_ID_CHARACTERS: Final = 800
MAX_TRACE_NAME_CHARACTERS: Final = 1000
MAX_TEXT_SCORE_CHARACTERS: Final = 500

Id = Annotated[str, Meta(min_length=1, max_length=MAX_ID_CHARACTERS)]
Timestamp = Annotated[datetime, Meta(tz=True)]
_OptionalId = Id | UnsetType | None
_OptionalText = str | UnsetType | None
_OptionalTime = Timestamp | UnsetType | None
_Reference = Annotated[str, Meta(max_length=MAX_ID_CHARACTERS)] | UnsetType | None
_Opaque = Raw | UnsetType


class Issue(NamedTuple):
    """What is wrong with a part of a body: the way to it, a sentence, and a word for programs."""

    path: list[str | int]
    message: str
    code: str

    def under(self, *parents: str | int) -> "Issue":
        """The same, seen from further out."""
        path = [*parents, *self.path]
        return Issue(path, _message_at(self.message.partition(" - at `")[0], path), self.code)


class InvalidBodyError(ValueError):
    """A body breaks a rule."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.issue = Issue([field], _message_at(message, [field]), "invalid_value")


class TraceBody(msgspec.Struct, rename="camel"):
    """The body of a trace-create."""

    id: _OptionalId = UNSET
    timestamp: _OptionalTime = UNSET
    name: Annotated[str, Meta(max_length=MAX_TRACE_NAME_CHARACTERS)] | UnsetType | None = UNSET
    user_id: _OptionalText = UNSET
    session_id: _OptionalText = UNSET
    input: _Opaque = UNSET
    output: _Opaque = UNSET
    metadata: _Opaque = UNSET
    release: _OptionalText = UNSET
    version: _OptionalText = UNSET
    public: bool | UnsetType | None = UNSET
    tags: list[str] | UnsetType | None = UNSET
    environment: _OptionalText = UNSET
    external_id: _OptionalText = UNSET


class ObservationBody(msgspec.Struct, rename="camel"):
    """The body of every observation's event. `type`: only in the events that do not carry it in their own type."""

    id: Id
    trace_id: _Reference = UNSET
    type: _OptionalText = UNSET
    name: _OptionalText = UNSET
    start_time: _OptionalTime = UNSET
    end_time: _OptionalTime = UNSET
    completion_start_time: _OptionalTime = UNSET
    input: _Opaque = UNSET
    output: _Opaque = UNSET
    metadata: _Opaque = UNSET
    level: _OptionalText = UNSET
    status_message: _OptionalText = UNSET
    parent_observation_id: _Reference = UNSET
    version: _OptionalText = UNSET
    environment: _OptionalText = UNSET
    model: _OptionalText = UNSET
    model_parameters: _Opaque = UNSET
    usage: _Opaque = UNSET
    usage_details: _Opaque = UNSET
    cost_details: _Opaque = UNSET
    prompt_name: _OptionalText = UNSET
    prompt_version: int | UnsetType | None = UNSET


class ScoreBody(msgspec.Struct, rename="camel"):
    """A score."""

    value: Raw
    id: _OptionalId = UNSET
    name: _OptionalText = UNSET
    trace_id: _Reference = UNSET
    observation_id: _Reference = UNSET
    session_id: _Reference = UNSET
    dataset_run_id: _Reference = UNSET
    comment: _OptionalText = UNSET
    metadata: _Opaque = UNSET
    environment: _OptionalText = UNSET
    data_type: ScoreDataType | UnsetType | None = UNSET
    config_id: _OptionalText = UNSET
    queue_id: _OptionalText = UNSET
    timestamp: _OptionalTime = UNSET
    source: ScoreSource | UnsetType | None = UNSET


Body = TraceBody | ObservationBody | ScoreBody


def check_body(body: Body, *, eval_allowed: bool = True) -> None:
    """Check what types cannot say. Raises InvalidBodyError."""
    _check_times(body)
    if body.id and "\r" in body.id:
        raise InvalidBodyError("id", "expected an id without a carriage return, got one with it")
    if isinstance(body, ObservationBody):
        _check_observation(body)
    elif isinstance(body, ScoreBody):
        _check_score(body, eval_allowed=eval_allowed)


def fields_of_body(body: Body) -> dict[str, Any]:
    """What a checked body says, see `tailrace.wire.events.Event.fields`."""
    fields: dict[str, Any] = {}
    for name in body.__struct_fields__:
        value: Any = getattr(body, name)
        if value is UNSET or name == "id":
            continue
        if isinstance(value, Raw):
            data = bytes(value)
            value = json_text(data) if name in _TEXTS else load_json(data)
        elif isinstance(value, datetime):
            value = microseconds(value, name)
        fields[name] = value
    if isinstance(body, ScoreBody):
        fields |= _stored_value(body)._asdict()
        fields["source"] = body.source or "API"
        fields["name"] = "output" if fields["data_type"] == "CORRECTION" else body.name
    return fields


def microseconds(time: datetime, field: str) -> int:
    """Microseconds since 1970. Raises InvalidBodyError for a time outside of the years 1 to 9999 in UTC."""
    offset = time - _EPOCH
    if not _EARLIEST <= offset <= _LATEST:
        raise InvalidBodyError(field, "expected a time in the years 1 to 9999 in UTC, got another")
    return offset // _MICROSECOND


def issue_of(error: msgspec.ValidationError | InvalidBodyError) -> Issue:
    """What a failed check found."""
    if isinstance(error, InvalidBodyError):
        return error.issue
    message = str(error)
    found = _AT.search(message)
    path = [int(index) if index else name for name, index in _STEP.findall(found[1])] if found else []
    return Issue(path, message, "invalid_type" if ", got `" in message else "invalid_value")


_TEXTS: Final = frozenset(("input", "output", "model_parameters"))
_OBJECTS: Final = ("model_parameters", "usage", "usage_details", "cost_details")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST: Final = timedelta(microseconds=MIN_TIME_US)
_LATEST: Final = timedelta(microseconds=MAX_TIME_US)
_MICROSECOND: Final = timedelta(microseconds=1)
_AT = re.compile(r" - at `\$([^`]*)`")
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]")


def _message_at(message: str, path: list[str | int]) -> str:
    steps = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return f"{message} - at `${steps}`"


def _check_times(body: Body) -> None:
    for name in ("timestamp", "start_time", "end_time", "completion_start_time"):
        time = getattr(body, name, None)
        if isinstance(time, datetime):
            microseconds(time, _camel(name))


def _check_observation(body: ObservationBody) -> None:
    for name in _OBJECTS:
        value: Any = getattr(body, name)
        if value is not UNSET and bytes(value)[:1] not in (b"{", b"n"):
            raise InvalidBodyError(_camel(name), "expected an object")
    if bool(body.prompt_name) != (body.prompt_version is not None and body.prompt_version is not UNSET):
        raise InvalidBodyError("promptVersion", "expected promptName and promptVersion together, got one of them")


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(other.capitalize() for other in others)


def _check_score(body: ScoreBody, *, eval_allowed: bool) -> None:
    stored = _stored_value(body)
    if stored.data_type != "CORRECTION" and not body.name:
        raise InvalidBodyError("name", "expected a name, got none")
    _check_target(body, stored.data_type)
    if body.source == "EVAL" and not eval_allowed:
        raise InvalidBodyError("source", "expected API or ANNOTATION, got EVAL")
    if body.source == "ANNOTATION" and not body.config_id and stored.data_type != "CORRECTION":
        raise InvalidBodyError("configId", "expected a configId for an ANNOTATION score, got none")


def _check_target(body: ScoreBody, data_type: ScoreDataType) -> None:
    targets = {"traceId": body.trace_id, "sessionId": body.session_id, "datasetRunId": body.dataset_run_id}
    given = [name for name, target in targets.items() if target]
    if body.observation_id and not body.trace_id:
        raise InvalidBodyError("observationId", "expected a traceId with an observationId, got none")
    if len(given) != 1:
        got = " and ".join(given) or "none"
        raise InvalidBodyError("traceId", f"expected exactly one of traceId, sessionId and datasetRunId, got {got}")
    if data_type == "CORRECTION" and (not body.trace_id or body.config_id):
        raise InvalidBodyError("dataType", "expected a CORRECTION of a trace or an observation, without a configId")


def _stored_value(body: ScoreBody) -> "_StoredValue":
    """What is stored of a score's value. Raises InvalidBodyError when its data type does not allow it."""
    value: Any = load_json(bytes(body.value))
    data_type = body.data_type or ("CATEGORICAL" if isinstance(value, str) else "NUMERIC")
    if data_type == "NUMERIC":
        return _StoredValue(data_type, _finite_number(value))
    if data_type == "BOOLEAN":
        if type(value) not in (int, float) or value not in (0, 1):
            raise InvalidBodyError("value", "expected 0 or 1 for a BOOLEAN score, got something else")
        return _StoredValue(data_type, float(value), string_value="True" if value else "False")
    if not isinstance(value, str):
        raise InvalidBodyError("value", f"expected a string for a {data_type} score, got something else")
    if data_type == "CORRECTION":
        return _StoredValue(data_type, long_string_value=value)
    if data_type == "TEXT" and not 1 <= len(value) <= MAX_TEXT_SCORE_CHARACTERS:
        limit = f"1 to {MAX_TEXT_SCORE_CHARACTERS} characters"
        raise InvalidBodyError("value", f"expected {limit} for a TEXT score, got {len(value)}")
    return _StoredValue(data_type, string_value=value)


class _StoredValue(NamedTuple):
    data_type: ScoreDataType
    value: float = 0.0
    string_value: str | None = None
    long_string_value: str | None = None


def _finite_number(value: Any) -> float:
    if type(value) not in (int, float):
        raise InvalidBodyError("value", "expected a number for a NUMERIC score, got something else")
    try:
        return float(value)
    except OverflowError:
        raise InvalidBodyError("value", "expected a number that a double can hold, got a larger one") from None
