"""Counting tokens: texts in, the number of tokens of each out, as OpenAI's tiktoken counts them.

The library is toktok: its vocabularies are part of it, it takes time linear in the text whatever that is, and it is without the GIL meanwhile
(docs/decisions/0021). It is imported, and a vocabulary read, when the first text of that vocabulary is counted: who sends usage pays nothing.
"""

import re
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final

from tailrace.core.vocabularies import Vocabulary
from tailrace.runtime.log import get_logger
from tailrace.runtime.settings import Processing

log = get_logger(__name__)

_LIBRARY: Final = "toktok"
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


class TokensUnavailableError(Exception):
    """There is nothing to count tokens with."""


class TokenCounter:
    """Counts tokens of texts. For several threads; the first count of a vocabulary takes half a second and 60 MB of memory."""

    def __init__(self, library: str = _LIBRARY) -> None:
        self._library = library
        self._ready: set[Vocabulary] = set()

    @property
    def is_available(self) -> bool:
        """Whether there is anything to count with."""
        return find_spec(self._library) is not None

    def is_ready(self, vocabulary: Vocabulary) -> bool:
        """Whether a count takes no longer than its text does."""
        return vocabulary in self._ready

    def count(self, vocabulary: Vocabulary, texts: Sequence[str]) -> list[int]:
        """The tokens of each text. Raises TokensUnavailableError."""
        try:
            library: Any = import_module(self._library)
        except ImportError as error:
            raise TokensUnavailableError(f"expected {self._library} to be installed: {error}") from None
        counts: list[int] = library.batch_count([_encodable(text) for text in texts], vocabulary, 1)
        self._ready.add(vocabulary)
        return counts


def token_counter(settings: Processing) -> TokenCounter | None:
    """What counts the usage that nobody sends; None if the settings want none. That it cannot is said in the log."""
    if not settings.estimate_usage:
        return None
    counter = TokenCounter()
    if not counter.is_available:
        log.warning("tokens.unavailable", library=_LIBRARY, effect="usage that nobody sends stays unknown")
    return counter


def _encodable(text: str) -> str:
    """Stored texts have no lone surrogates; should one have, it counts as U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return _SURROGATE.sub("\ufffd", text)
    return text
