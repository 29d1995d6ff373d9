"""Mastra (`mastra.*`): bodies of each kind of step, identity, tags, the first token. Calls of models it tells as OpenTelemetry does.

Source: `@mastra/otel-exporter` 1.4, as recorded in `tests/frameworks/records/js-mastra-otlp`.
"""

from typing import Final

from tailrace.assembler.mapping.bodies import Bodies, pair
from tailrace.assembler.mapping.values import time_of
from tailrace.wire.otlp import SpanData

CONVENTION: Final = "Mastra"

TYPE: Final = "mastra.span.type"
USER_ID: Final = "mastra.metadata.userId"
SESSION_ID: Final = "mastra.metadata.sessionId"
TAGS: Final = "mastra.tags"
COMPLETION_START_TIME: Final = "mastra.completion_start_time"


def bodies(span: SpanData) -> Bodies | None:
    """`mastra.<type of the step>.input` and `.output`."""
    kind = span.attributes.get(TYPE)
    return pair(span.attributes, f"mastra.{kind}.input", f"mastra.{kind}.output") if isinstance(kind, str) else None


def completion_start_time(span: SpanData) -> int | None:
    """A time."""
    return time_of(span.attributes.get(COMPLETION_START_TIME))
