"""The vocabulary: ids, observation types, levels and the closed lists of the field. Plain data, no behaviour."""

from typing import Final, Literal, NewType, get_args

ProjectId = NewType("ProjectId", str)
TraceId = NewType("TraceId", str)
ObservationId = NewType("ObservationId", str)
ScoreId = NewType("ScoreId", str)

ObservationType = Literal[
    "SPAN", "GENERATION", "EVENT", "AGENT", "TOOL", "CHAIN", "RETRIEVER", "EVALUATOR", "EMBEDDING", "GUARDRAIL"
]
Level = Literal["DEBUG", "DEFAULT", "WARNING", "ERROR"]
ScoreDataType = Literal["NUMERIC", "BOOLEAN", "CATEGORICAL", "TEXT", "CORRECTION"]
ScoreSource = Literal["API", "ANNOTATION", "EVAL"]
Bucket = Literal["minute", "hour", "day"]

OBSERVATION_TYPES: Final[frozenset[str]] = frozenset(get_args(ObservationType))
LEVELS: Final[frozenset[str]] = frozenset(get_args(Level))
SCORE_DATA_TYPES: Final[frozenset[str]] = frozenset(get_args(ScoreDataType))
SCORE_SOURCES: Final[frozenset[str]] = frozenset(get_args(ScoreSource))
BUCKETS: Final[tuple[Bucket, ...]] = get_args(Bucket)

MIN_TIME_US: Final = -62_135_510_400_000_000
MAX_TIME_US: Final = 253_402_214_399_999_999
"""The times that can be stored, in microseconds since 1970: the years 1 to 9999 without their first and last day, which drivers
of databases take for infinity."""

DiscardReason = Literal[
    "invalid_payload",
    "invalid_event",
    "observation_too_large",
    "too_many_spans",
    "unknown_record_kind",
    "refused_by_config",
    "refused_by_postgres",
    "internal_error",
]
"""Why an accepted event became a dead letter; the closed list of metrics and of `dead_letters.reason`."""
