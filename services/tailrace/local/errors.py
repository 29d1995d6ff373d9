"""What goes wrong with the stack on one machine, in words for the person at the terminal."""

from pathlib import Path


class StackError(Exception):
    """Why the stack cannot start or go on: one sentence that says what to do."""


def last_line(log: Path, *, tail_bytes: int = 16_384) -> str:
    """The last line of a log that has text in it, preferring one that speaks of an error; empty when there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - tail_bytes))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if any(word in line for word in ("ERROR", "FATAL", "Exception", "error:"))]
    return (telling or lines or [""])[-1][:500]
