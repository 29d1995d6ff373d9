"""A shelf: state kept warm, the least recently used first to go, and only once Postgres has it. Bounded by an estimate of bytes."""

from collections.abc import Callable, Hashable
from typing import Generic, Protocol, TypeVar


class Kept(Protocol):
    """What a shelf holds: it knows the raw record that touched it last."""

    last_origin: int


K = TypeVar("K", bound=Hashable)
V = TypeVar("V", bound=Kept)


class Shelf(Generic[K, V]):
    """Values by key, in order of use. `weigh` estimates the bytes of a value; `bytes` is their sum."""

    def __init__(self, weigh: Callable[[V], int]) -> None:
        self._weigh = weigh
        self._values: dict[K, V] = {}
        self._weights: dict[K, int] = {}
        self.bytes = 0

    def __contains__(self, key: K) -> bool:
        return key in self._values

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: K) -> V | None:
        return self._values.get(key)

    def place(self, key: K, value: V) -> None:
        """Put a new value that is not complete yet: `keep` weighs it."""
        self._values[key] = value

    def keep(self, key: K, value: V) -> int:
        """Put a value, or weigh a changed one again; it becomes the most recently used. Returns what it weighs."""
        self._values.pop(key, None)
        self._values[key] = value
        weight = self._weigh(value)
        self.bytes += weight - self._weights.get(key, 0)
        self._weights[key] = weight
        return weight

    def evict(self, applied_origin: int, target_bytes: int) -> list[K]:
        """Let go of the least recently used until `bytes` is at most the target, passing over what is not applied yet."""
        gone: list[K] = []
        if self.bytes <= target_bytes:
            return gone
        for key, value in self._values.items():
            if value.last_origin <= applied_origin:
                gone.append(key)
                self.bytes -= self._weights.pop(key)
                if self.bytes <= target_bytes:
                    break
        for key in gone:
            del self._values[key]
        return gone
