"""The attributes of Langfuse's own SDKs: `langfuse.*`, `user.id`, `session.id`. Tables, and how to read what stands under them.

Source: what the Python SDKs 3.15, 4.18 and 5.0 and the JavaScript SDK 5.11 send (recorded in `tests/payloads`), and their constants.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

from tailrace.assembler.mapping.bodies import Bodies
from tailrace.assembler.mapping.values import decode_text, text_of, time_of, word_of
from tailrace.core.model import OBSERVATION_TYPES
from tailrace.wire.otlp import SpanData

CONVENTION: Final = "Langfuse SDKs"
SCOPE: Final = "langfuse-sdk"

TYPE: Final = "langfuse.observation.type"
INPUT: Final = "langfuse.observation.input"
OUTPUT: Final = "langfuse.observation.output"
LEVEL: Final = "langfuse.observation.level"
STATUS_MESSAGE: Final = "langfuse.observation.status_message"
MODEL: Final = "langfuse.observation.model.name"
MODEL_PARAMETERS: Final = "langfuse.observation.model.parameters"
USAGE_DETAILS: Final = "langfuse.observation.usage_details"
COST_DETAILS: Final = "langfuse.observation.cost_details"
COMPLETION_START_TIME: Final = "langfuse.observation.completion_start_time"
PROMPT_NAMES: Final = ("langfuse.observation.prompt.name", "langfuse.prompt.name")
PROMPT_VERSIONS: Final = ("langfuse.observation.prompt.version", "langfuse.prompt.version")
AS_ROOT: Final = "langfuse.internal.as_root"
IS_APP_ROOT: Final = "langfuse.internal.is_app_root"

ENVIRONMENT: Final = "langfuse.environment"
RELEASE: Final = "langfuse.release"
VERSION: Final = "langfuse.version"

TRACE_NAME: Final = "langfuse.trace.name"
TRACE_INPUT: Final = "langfuse.trace.input"
TRACE_OUTPUT: Final = "langfuse.trace.output"
PUBLIC: Final = ("langfuse.trace.public", "langfuse.public")
USER_IDS: Final = (
    "langfuse.user.id",
    "user.id",
    "langfuse.observation.metadata.langfuse_user_id",
    "langfuse.trace.metadata.langfuse_user_id",
)
SESSION_IDS: Final = ("langfuse.session.id", "session.id")
METADATA_SESSION_IDS: Final = (
    "langfuse.observation.metadata.langfuse_session_id",
    "langfuse.trace.metadata.langfuse_session_id",
)
TAGS: Final = (
    "langfuse.trace.tags",
    "langfuse.tags",
    "langfuse.observation.metadata.langfuse_tags",
    "langfuse.trace.metadata.langfuse_tags",
)

_IDS_IN_METADATA: Final = frozenset({*USER_IDS[2:], *METADATA_SESSION_IDS})
"""Values of metadata: the Python SDK 5 writes each as JSON."""

TRACE_UPDATES: Final = frozenset(
    {TRACE_NAME, TRACE_INPUT, TRACE_OUTPUT, *PUBLIC, *USER_IDS, *SESSION_IDS, *METADATA_SESSION_IDS, *TAGS}
)
"""An attribute of these, or metadata of the trace, makes any span speak of its trace."""

GENERATION_ONLY: Final = (MODEL, MODEL_PARAMETERS, USAGE_DETAILS, COST_DETAILS, COMPLETION_START_TIME, PROMPT_NAMES[0])

_OBSERVATION_METADATA: Final = "langfuse.observation.metadata"
_TRACE_METADATA: Final = "langfuse.trace.metadata"
_BOTH_METADATA: Final = "langfuse.metadata"
METADATA: Final = (_OBSERVATION_METADATA, _TRACE_METADATA, _BOTH_METADATA)
_TYPES: Final = {name.lower(): name for name in OBSERVATION_TYPES}
_MAX_PROMPT_VERSION: Final = 2**31 - 1
_LAST_SPAN_ONLY_VERSION: Final = (3, 3)
_LANGUAGE: Final = "telemetry.sdk.language"


class Metadata(NamedTuple):
    """The user's metadata in a span's (or a resource's) attributes, each value decoded from JSON exactly once."""

    observation: dict[str, Any]
    trace: dict[str, Any]


def read_metadata(attributes: Mapping[str, Any]) -> Metadata:
    """Metadata that is no object is kept under the key `metadata`."""
    observation: dict[str, Any] = {}
    trace: dict[str, Any] = {}
    for key, value in attributes.items():
        if not key.startswith(METADATA):
            continue
        if key.startswith(_TRACE_METADATA):
            _put(trace, key[len(_TRACE_METADATA) :], value)
        elif key.startswith(_OBSERVATION_METADATA):
            _put(observation, key[len(_OBSERVATION_METADATA) :], value)
        else:
            _put(observation, key[len(_BOTH_METADATA) :], value)
            _put(trace, key[len(_BOTH_METADATA) :], value)
    return Metadata(observation, trace)


def _put(metadata: dict[str, Any], rest: str, value: Any) -> None:
    """`rest`: what follows the prefix in the attribute's name, `.key` or nothing."""
    decoded = decode_text(value)
    if rest[:1] == ".":
        metadata[rest[1:]] = decoded
    elif not rest:
        if isinstance(decoded, dict):
            metadata.update(decoded)  # pyright: ignore[reportUnknownArgumentType]
        else:
            metadata["metadata"] = decoded


def read_id(attributes: Mapping[str, Any], keys: Iterable[str]) -> str | None:
    """The first non-empty id under `keys`. One that the metadata carries may stand in JSON quotes."""
    for key in keys:
        value = attributes.get(key)
        if key in _IDS_IN_METADATA and isinstance(value, str) and value[:1] == '"':
            value = decode_text(value)
        if value is not None and value != "":
            return text_of(value)
    return None


def observation_type(span: SpanData) -> str | None:
    """A Python SDK up to 3.3.x writes `span` for a generation too."""
    attributes = span.attributes
    given = _TYPES.get(word_of(attributes.get(TYPE)))
    if given == "SPAN" and _calls_generations_spans(span) and any(attributes.get(key) for key in GENERATION_ONLY):
        return "GENERATION"
    return given


def _calls_generations_spans(span: SpanData) -> bool:
    scope = span.scope
    return scope.name == SCOPE and _is_before_types(scope.version) and span.resource.get(_LANGUAGE) == "python"


@lru_cache(maxsize=64)
def _is_before_types(version: str) -> bool:
    major, _, rest = version.partition(".")
    minor = rest.partition(".")[0]
    return _is_number(major) and _is_number(minor) and (int(major), int(minor)) <= _LAST_SPAN_ONLY_VERSION


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 9


def bodies(span: SpanData) -> Bodies | None:
    """An empty text is what the application says, too."""
    given, answer = span.attributes.get(INPUT), span.attributes.get(OUTPUT)
    return None if given is None and answer is None else Bodies(text_of(given), text_of(answer), (INPUT, OUTPUT))


def completion_start_time(span: SpanData) -> int | None:
    """Written as ISO-8601, or as that in JSON quotes."""
    given = span.attributes.get(COMPLETION_START_TIME)
    return None if given is None else time_of(decode_text(given))


def prompt(span: SpanData) -> tuple[str, int] | None:
    """Name and version of the linked prompt; there is no link without both."""
    for name_key, version_key in zip(PROMPT_NAMES, PROMPT_VERSIONS, strict=True):
        found = prompt_link(span.attributes.get(name_key), span.attributes.get(version_key))
        if found is not None:
            return found
    return None


def prompt_link(name: Any, version: Any) -> tuple[str, int] | None:
    """A link, if these are a name and a version."""
    number = prompt_version(version)
    return (name, number) if isinstance(name, str) and name and number is not None else None


def prompt_version(value: Any) -> int | None:
    """A version number that can be stored, also one written as text."""
    number = decode_text(value)
    return number if type(number) is int and 0 <= number <= _MAX_PROMPT_VERSION else None


def is_true(value: Any) -> bool:
    return value is True or value == "true"
