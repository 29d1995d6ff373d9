"""What an audit found broken, and since when: only what stays broken for longer than the allowed time is told. Pure but for the clock."""

import time
from collections.abc import Callable, Hashable, Iterator
from typing import Generic, NamedTuple, TypeVar

Key = TypeVar("Key", bound=Hashable)
Amount = TypeVar("Amount")


class _Finding(NamedTuple, Generic[Amount]):
    amount: Amount
    since: float


class Findings(Generic[Key, Amount]):
    """Broken identities by key, at most `limit` of them; an amount that is false heals one."""

    def __init__(
        self, grace_seconds: float, *, limit: int = 10_000, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._grace_seconds = grace_seconds
        self._limit = limit
        self._clock = clock
        self._found: dict[Key, _Finding[Amount]] = {}

    def __len__(self) -> int:
        return len(self._found)

    def __iter__(self) -> Iterator[Key]:
        """Everything that is broken now, also what may still heal."""
        return iter(list(self._found))

    @property
    def is_full(self) -> bool:
        """No more are remembered."""
        return len(self._found) >= self._limit

    def note(self, key: Key, amount: Amount) -> None:
        """The identity `key` was just seen to be off by `amount`."""
        if not amount:
            self._found.pop(key, None)
        elif key in self._found:
            self._found[key] = self._found[key]._replace(amount=amount)
        elif not self.is_full:
            self._found[key] = _Finding(amount, self._clock())

    def confirmed(self) -> dict[Key, Amount]:
        """What has been broken for the allowed time."""
        now = self._clock()
        return {key: one.amount for key, one in self._found.items() if now - one.since >= self._grace_seconds}
