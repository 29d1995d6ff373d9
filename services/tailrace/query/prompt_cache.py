"""Answers about prompts in memory: kept while this process is known to hear of every change, and no longer.

A lease says until when that is known. Who holds none reads from the database. What is kept is bounded in bytes, and the least recently
used goes first. How leases are had and why nobody reads what is old is told in `prompt_line`.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, NamedTuple

MAX_BYTES: Final = 64 * 1024 * 1024
ENTRY_BYTES: Final = 700
"""What an answer takes beside its own bytes and the text of its question, and as much for each name that it is made of."""


class Question(NamedTuple):
    """What was asked. `resolve`: with all that is included."""

    project_id: str
    name: str
    version: int | None
    label: str | None
    resolve: bool


class Kept(NamedTuple):
    """An answer's bytes; None: there is no such prompt. `included`: the names of other prompts that it is made of."""

    answer: bytes | None
    included: frozenset[str] = frozenset()


class PromptCache:
    """Answers by question."""

    def __init__(self, *, max_bytes: int = MAX_BYTES, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_bytes = max_bytes
        self._clock = clock
        self._kept: OrderedDict[Question, Kept] = OrderedDict()
        self._made_of: dict[tuple[str, str], set[Question]] = {}
        self._changes = 0
        self._lease_until = 0.0
        self._bytes = 0

    @property
    def size_bytes(self) -> int:
        """What is kept, with the estimate of what holds it."""
        return self._bytes

    @property
    def changes(self) -> int:
        """How many changes this process has heard of. Taken before the database is read, given to `keep` after."""
        return self._changes

    @property
    def leased(self) -> bool:
        """Whether what is kept may be answered now."""
        return self._clock() < self._lease_until

    def find(self, question: Question) -> Kept | None:
        """The answer, if it is kept and may be given."""
        kept = self._kept.get(question)
        if kept is None or not self.leased:
            return None
        self._kept.move_to_end(question)
        return kept

    def keep(self, question: Question, kept: Kept, *, changes: int) -> None:
        """Keep an answer, unless something changed since `changes`: it may have been read before that."""
        weight = _weight(question, kept)
        if changes != self._changes or not self.leased or weight > self._max_bytes:
            return
        self._drop(question)
        self._kept[question] = kept
        for name in (question.name, *kept.included):
            self._made_of.setdefault((question.project_id, name), set()).add(question)
        self._bytes += weight
        while self._bytes > self._max_bytes:
            self._drop(next(iter(self._kept)))

    def forget(self, project_id: str, name: str) -> None:
        """The prompt changed: what is kept of it may be old, and of all that is made of it."""
        self._changes += 1
        for question in list(self._made_of.get((project_id, name), ())):
            self._drop(question)

    def extend(self, until: float) -> None:
        """All changes are heard of until then, by the clock."""
        self._lease_until = max(self._lease_until, until)

    def revoke(self) -> None:
        """Changes may have been missed: nothing that is kept may be answered ever again."""
        self._lease_until = 0.0
        self._changes += 1
        self._kept.clear()
        self._made_of.clear()
        self._bytes = 0

    def _drop(self, question: Question) -> None:
        kept = self._kept.pop(question, None)
        if kept is None:
            return
        self._bytes -= _weight(question, kept)
        for name in (question.name, *kept.included):
            questions = self._made_of[question.project_id, name]
            questions.discard(question)
            if not questions:
                del self._made_of[question.project_id, name]


def _weight(question: Question, kept: Kept) -> int:
    texts = 4 * (len(question.name) + len(question.label or ""))
    return ENTRY_BYTES * (1 + len(kept.included)) + len(kept.answer or b"") + texts
