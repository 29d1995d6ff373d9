"""Logging: structlog to stderr, one JSON object a line, or readable text on a terminal.

Event names are constant and dotted (`sink.flush.done`). Payloads, keys and DSNs are never logged.
"""

import logging
import sys
import time
from collections.abc import MutableMapping
from typing import Any, cast

import structlog

_quiet_libraries = ("aiokafka", "faust", "mode", "asyncio", "uvicorn", "kafka")


def configure_logging(service: str, *, level: str, log_format: str) -> None:
    """Send structlog and the libraries' own warnings to stderr. `log_format` is json, text or auto."""
    as_text = log_format == "text" or (log_format == "auto" and sys.stderr.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: Any = (
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if as_text
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    # Plain tracebacks: a pretty one shows the local variables, and with them payloads and keys.
    final: list[Any] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if not as_text:
        final.append(structlog.processors.format_exc_info)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=[*final, renderer]))
    handler.addFilter(RepeatFilter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for library in _quiet_libraries:
        logging.getLogger(library).setLevel(max(logging.WARNING, root.level))
    structlog.contextvars.bind_contextvars(service=service)


class RepeatFilter(logging.Filter):
    """Lets one warning or error of a kind through every ten seconds, and says how many it held back."""

    def __init__(self, interval_seconds: float = 10.0) -> None:
        super().__init__()
        self._interval_seconds = interval_seconds
        self._last: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING:
            return True
        key = (record.name, _kind_of(record))
        now = time.monotonic()
        then, held = self._last.get(key, (float("-inf"), 0))
        if now - then < self._interval_seconds:
            self._last[key] = (then, held + 1)
            return False
        if len(self._last) > 1000:
            self._last.clear()
        self._last[key] = (now, 0)
        fields = _fields_of(record)
        if held and fields is not None:
            fields["repeated"] = held
        return True


def _kind_of(record: logging.LogRecord) -> str:
    fields = _fields_of(record)
    return str(record.msg) if fields is None else f"{fields.get('event')}:{fields.get('partition')}"


def _fields_of(record: logging.LogRecord) -> MutableMapping[str, Any] | None:
    message: Any = record.msg
    return cast("MutableMapping[str, Any]", message) if isinstance(message, MutableMapping) else None


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger whose lines carry the service's name."""
    return structlog.stdlib.get_logger(name)
