"""Flue (`flue.*`): tasks, tools, and values of tools that are no objects. The rest it says as OpenTelemetry does.

Source: `@flue/opentelemetry` 2.1.
"""

from typing import Final

from tailrace.wire.otlp import SpanData

CONVENTION: Final = "Flue"
SCOPE: Final = "@flue/opentelemetry"

TOOL: Final = "flue.tool."
TASK: Final = "flue.task."
BODIES: Final = ("flue.tool.call.arguments", "flue.tool.call.result")


def observation_type(span: SpanData) -> str | None:
    """By what the attributes are of."""
    if any(name.startswith(TOOL) for name in span.attributes):
        return "TOOL"
    return "AGENT" if any(name.startswith(TASK) for name in span.attributes) else None
