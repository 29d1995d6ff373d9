"""Strands Agents: the time to the first token, in milliseconds. The rest it says as OpenTelemetry does.

Source: `strands-agents` 1.62, `telemetry/tracer.py`.
"""

from typing import Final

from tailrace.assembler.mapping.genai import SERVER_DELAY
from tailrace.assembler.mapping.values import time_after
from tailrace.wire.otlp import SpanData

CONVENTION: Final = "Strands Agents"
SCOPE: Final = "strands.telemetry.tracer"


def completion_start_time(span: SpanData) -> int | None:
    """Under OpenTelemetry's name, which elsewhere counts seconds."""
    return time_after(span.start_us, span.attributes.get(SERVER_DELAY), 1_000)
