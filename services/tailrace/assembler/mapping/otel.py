"""OpenTelemetry itself: what a failed span says of its failure, beside the message of its status.

Source: OpenTelemetry semantic conventions, errors and exceptions; `error.message` is written by LiteLLM 1.106.
"""

from typing import Final

from tailrace.assembler.mapping.values import text_of
from tailrace.wire.otlp import SpanData

CONVENTION: Final = "OpenTelemetry"

ERROR_MESSAGE: Final = "error.message"
ERROR_TYPE: Final = "error.type"

_EXCEPTION_EVENT: Final = "exception"
_EXCEPTION_MESSAGE: Final = "exception.message"


def exception_message(span: SpanData) -> str | None:
    """The message of the last exception that was recorded: it is the one that went through."""
    for event in reversed(span.events):
        if event.name == _EXCEPTION_EVENT:
            message = text_of(event.attributes.get(_EXCEPTION_MESSAGE))
            if message:
                return message
    return None
