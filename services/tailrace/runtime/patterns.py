"""Regular expressions of tenants: a text in, a predicate out that takes time linear in what it looks at, whatever the expression is.

The engine is RE2, which has no back-references and no look-around, and needs none to match model names. What one match may cost is the length
of the text times the size of the compiled program, which is bounded here.
"""

from collections.abc import Callable
from typing import Any, Final

import re2

from tailrace.runtime.log import get_logger

log = get_logger(__name__)

MAX_PATTERN_CHARACTERS: Final = 1_000
MAX_PROGRAM: Final = 1_000
"""Instructions of one compiled pattern. `(?i)^(gpt-4o)$` has 10, one with twenty names some 300."""

_MEMORY_BYTES: Final = 128 * 1024
_re2: Any = re2


class PatternError(ValueError):
    """The pattern cannot be used; the message says why."""


class Pattern:
    """A compiled pattern. `program`: its size in instructions."""

    def __init__(self, text: str) -> None:
        """Raises PatternError."""
        if len(text) > MAX_PATTERN_CHARACTERS:
            raise PatternError(f"expected at most {MAX_PATTERN_CHARACTERS} characters, got {len(text)}")
        options = _re2.Options()
        options.log_errors = False
        options.never_capture = True
        options.max_mem = _MEMORY_BYTES
        try:
            self._compiled = _re2.compile(text, options)
        except (_re2.error, UnicodeError) as error:
            raise PatternError(f"expected a regular expression that RE2 knows: {_reason(error)}") from None
        self.program: int = self._compiled.programsize
        if self.program > MAX_PROGRAM:
            raise PatternError(f"expected a pattern of at most {MAX_PROGRAM} instructions, got {self.program}")

    def is_found_in(self, text: str) -> bool:
        """Whether it is found anywhere in the text."""
        try:
            return self._compiled.search(text) is not None
        except UnicodeError:
            return False


def compile_stored(text: str) -> Callable[[str], bool]:
    """A pattern that was checked when it was stored. If it cannot be used after all, it is found nowhere, and that is logged."""
    try:
        return Pattern(text).is_found_in
    except PatternError as error:
        log.warning("patterns.stored.unusable", reason=str(error))
        return _nowhere


def _nowhere(_: str) -> bool:
    return False


def _reason(error: Exception) -> str:
    said: object = error.args[0] if error.args else error
    return said.decode(errors="replace") if isinstance(said, bytes) else str(said)
