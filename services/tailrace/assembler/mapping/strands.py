"""Strands Agents: the time to the first token, in milliseconds. The rest it says as OpenTelemetry does.

Source: `strands-agents` 1.62, `telemetry/tracer.py`.
"""

from typing import Final

from tailrace.assembler.mapping.genai import SECONDS_TO_FIRST_TOKEN
from tailrace.assembler.mapping.values import time_after
from tailrace.wire.otlp import SpanData

CONVENTION: Final = "Strands Agents"
SCOPE: Final = "strands.telemetry.tracer"


def completion_start_time(span: SpanData) -> int | None:
    """Under OpenTelemetry's name, which elsewhere counts seconds."""
    return time_after(span.start_us, span.attributes.get(SECONDS_TO_FIRST_TOKEN), 1_000)
