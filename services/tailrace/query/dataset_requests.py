"""Bodies that write datasets, items and executions, in, and what is to be written, out. All that is wrong with a body is told at once."""

import re
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple, cast

from tailrace.query.errors import InvalidBodyError, InvalidRequestError
from tailrace.query.given import kind_of
from tailrace.query.parameters import parse_instant
from tailrace.wire.lenient_json import NotJsonError, dump_json, load_json

MAX_NAME_CHARACTERS: Final = 500
MAX_ID_CHARACTERS: Final = 255
MAX_REFERENCE_CHARACTERS: Final = 800
MAX_DESCRIPTION_CHARACTERS: Final = 10_000
MAX_SCHEMA_BYTES: Final = 100_000
MAX_BODY_BYTES: Final = 4_500_000
STATUSES: Final = ("ACTIVE", "ARCHIVED")

_control: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_run_item_keys: Final = frozenset(
    {
        "runName",
        "runDescription",
        "metadata",
        "datasetItemId",
        "observationId",
        "traceId",
        "datasetVersion",
        "createdAt",
    }
)


class NewDataset(NamedTuple):
    """A dataset as its project wants it; what is None stays as it is. JSON is text."""

    name: str
    description: str | None
    metadata: str | None
    input_schema: str | None
    expected_output_schema: str | None


class NewItem(NamedTuple):
    """An item as its project wants it; what is None stays as it is. JSON is text."""

    dataset_name: str
    id: str | None
    input: str | None
    expected_output: str | None
    metadata: str | None
    source_trace_id: str | None
    source_observation_id: str | None
    status: str | None


class NewRunItem(NamedTuple):
    """An execution of an item: in a trace, in one of its observations, or both."""

    run_name: str
    run_description: str | None
    metadata: str | None
    item_id: str
    trace_id: str | None
    observation_id: str | None
    dataset_version: datetime | None
    created_at: datetime | None


class FromTrace(NamedTuple):
    """An item to be made of a trace, or of one of its observations. `has_expected_output`: it is given, not taken from there."""

    trace_id: str
    observation_id: str | None
    id: str | None
    expected_output: str | None
    has_expected_output: bool
    metadata: str | None
    status: str | None


def read_dataset(body: bytes) -> NewDataset:
    """The dataset in a body. Raises InvalidBodyError."""
    given = _Reading(body)
    return given.checked(
        NewDataset(
            name=given.text("name", MAX_NAME_CHARACTERS),
            description=given.optional_text("description", MAX_DESCRIPTION_CHARACTERS),
            metadata=given.json("metadata"),
            input_schema=given.schema("inputSchema"),
            expected_output_schema=given.schema("expectedOutputSchema"),
        )
    )


def read_item(body: bytes) -> NewItem:
    """The item in a body. Raises InvalidBodyError."""
    given = _Reading(body)
    return given.checked(
        NewItem(
            dataset_name=given.text("datasetName", MAX_NAME_CHARACTERS),
            id=given.optional_text("id", MAX_ID_CHARACTERS),
            input=given.json("input"),
            expected_output=given.json("expectedOutput"),
            metadata=given.json("metadata"),
            source_trace_id=given.optional_text("sourceTraceId", MAX_REFERENCE_CHARACTERS),
            source_observation_id=given.optional_text("sourceObservationId", MAX_REFERENCE_CHARACTERS),
            status=given.one_of("status", STATUSES),
        )
    )


def read_run_item(body: bytes) -> NewRunItem:
    """The execution in a body. Raises InvalidBodyError, also for a key that is unknown."""
    given = _Reading(body)
    given.refuse_others(_run_item_keys)
    read = NewRunItem(
        run_name=given.text("runName", MAX_NAME_CHARACTERS),
        run_description=given.optional_text("runDescription", MAX_DESCRIPTION_CHARACTERS),
        metadata=given.json("metadata"),
        item_id=given.text("datasetItemId", MAX_ID_CHARACTERS),
        trace_id=given.optional_text("traceId", MAX_REFERENCE_CHARACTERS),
        observation_id=given.optional_text("observationId", MAX_REFERENCE_CHARACTERS),
        dataset_version=given.instant("datasetVersion"),
        created_at=given.instant("createdAt"),
    )
    if read.trace_id is None and read.observation_id is None:
        given.fault("expected traceId or observationId, got neither", "traceId")
    return given.checked(read)


def read_from_trace(body: bytes) -> FromTrace:
    """What an item is to be made of. Raises InvalidBodyError."""
    given = _Reading(body)
    return given.checked(
        FromTrace(
            trace_id=given.text("traceId", MAX_REFERENCE_CHARACTERS),
            observation_id=given.optional_text("observationId", MAX_REFERENCE_CHARACTERS),
            id=given.optional_text("id", MAX_ID_CHARACTERS),
            expected_output=given.json("expectedOutput"),
            has_expected_output=given.has("expectedOutput"),
            metadata=given.json("metadata"),
            status=given.one_of("status", STATUSES),
        )
    )


class _Reading:
    """One body, and what was found wrong with it so far. A fault yields a stand-in, so that reading goes on."""

    def __init__(self, body: bytes) -> None:
        try:
            given: object = load_json(body)
        except NotJsonError as error:
            raise InvalidBodyError([InvalidRequestError(str(error))]) from None
        if not isinstance(given, dict):
            raise InvalidBodyError([InvalidRequestError(f"expected an object, got {kind_of(given)}")])
        self._given = cast("dict[str, Any]", given)
        self._faults: list[InvalidRequestError] = []

    def checked(self, read: Any) -> Any:
        """What was read. Raises InvalidBodyError if anything was wrong."""
        if self._faults:
            raise InvalidBodyError(self._faults)
        return read

    def fault(self, message: str, *path: str | int) -> None:
        self._faults.append(InvalidRequestError(message, *path))

    def refuse_others(self, known: Collection[str]) -> None:
        for key in sorted(set(self._given) - set(known))[:10]:
            self.fault("there is no such key", key[:100])

    def has(self, name: str) -> bool:
        return self._given.get(name) is not None

    def text(self, name: str, most: int) -> str:
        """A text that must be there."""
        value = _plain(self._given.get(name))
        if isinstance(value, str) and 0 < len(value) <= most:
            return value
        self.fault(f"expected a text of 1 to {most} characters, got {kind_of(value)}", name)
        return ""

    def optional_text(self, name: str, most: int) -> str | None:
        value = _plain(self._given.get(name))
        if value is None or (isinstance(value, str) and len(value) <= most):
            return value or None
        self.fault(f"expected a text of at most {most} characters, got {kind_of(value)}", name)
        return None

    def one_of(self, name: str, choices: Sequence[str]) -> str | None:
        value = self._given.get(name)
        if value is None or (isinstance(value, str) and value in choices):
            return value
        self.fault(f"expected one of {', '.join(choices)}, got {kind_of(value)}", name)
        return None

    def json(self, name: str) -> str | None:
        """Any JSON as text; null is absent."""
        value = self._given.get(name)
        return None if value is None else dump_json(_plain(value))

    def schema(self, name: str) -> str | None:
        """An object, or true or false: what a JSON Schema can be."""
        value = self._given.get(name)
        if value is None:
            return None
        if not isinstance(value, (dict, bool)):
            self.fault(f"expected a JSON Schema, which is an object, got {kind_of(value)}", name)
            return None
        text = dump_json(value)
        if len(text.encode()) > MAX_SCHEMA_BYTES:
            self.fault(f"expected at most {MAX_SCHEMA_BYTES} bytes of JSON Schema", name)
        return text

    def instant(self, name: str) -> datetime | None:
        value = self._given.get(name)
        if value is None:
            return None
        try:
            return parse_instant(value if isinstance(value, str) else str(value), name)
        except InvalidRequestError as fault:
            self._faults.append(fault)
            return None


def _plain(value: Any) -> Any:
    """The value without control characters in its texts; line ends and tabs stay."""
    if isinstance(value, str):
        return _control.sub("", value)
    if isinstance(value, list):
        return [_plain(item) for item in cast("list[Any]", value)]
    if isinstance(value, dict):
        return {_control.sub("", key): _plain(item) for key, item in cast("dict[str, Any]", value).items()}
    return value
