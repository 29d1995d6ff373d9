"""What the fake providers billed: one entry a call, in the order of the answers."""

import threading
from typing import Any, NamedTuple


class Call(NamedTuple):
    """One answered call: `question` and `answer` are texts that its input and its output hold, "" if it has none.

    `usage`: tokens by category, none part of another. `said`: the usage block as the answer said it, None if it said none (a refusal, or
    a stream that was not asked for it; it is billed all the same). `parameters`: what of the request tunes the model.
    """

    api: str
    model: str
    answered_model: str
    stream: bool
    status: int
    usage: dict[str, int]
    said: dict[str, Any] | None
    parameters: dict[str, Any]
    question: str = ""
    answer: str = ""


class Bill:
    """Safe for use by several threads."""

    def __init__(self) -> None:
        self._calls: list[Call] = []
        self._lock = threading.Lock()

    def add(self, call: Call) -> None:
        with self._lock:
            self._calls.append(call)

    def take(self) -> list[Call]:
        """All calls so far; the bill is empty after it."""
        with self._lock:
            calls, self._calls = self._calls, []
        return calls
