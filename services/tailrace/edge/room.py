"""Room that all projects share: a reservation in, a refusal when there is none left. It never waits.

A project may hold at most as much as is free. One that takes all it can ends at half of the room, two at a third each, n at 1/(n+1): there is always
something left for who comes next. What a project asks for beyond that is its own fault and answered 429; 503 is only for a room that is full of others.
"""

from collections.abc import Callable

from tailrace.edge.answers import RETRY_AFTER_SECONDS, Limit, RefusalReason, refuse, refuse_limited


class Room:
    """Holds `limit` of something. `reason` is counted for a project that wants more than its share; `observe` hears how much is taken."""

    def __init__(self, limit: int, what: str, reason: RefusalReason, observe: Callable[[float], object]) -> None:
        self._limit = limit
        self._what = what
        self._reason: RefusalReason = reason
        self._observe = observe
        self._used = 0
        self._held: dict[str, int] = {}

    @property
    def shared(self) -> bool:
        """Whether more than one project holds something."""
        return len(self._held) > 1

    def reserve(self, project: str, size: int, *, held: int) -> None:
        """Grant `size` more to one who holds `held` of what its project holds. Who is alone is always granted. Raises Refusal."""
        mine = self._held.get(project, 0)
        if self._used > held and mine + size > self._limit - self._used:
            raise self._refusal(project, mine, size)
        self._used += size
        self._held[project] = mine + size
        self._observe(self._used)

    def release(self, project: str, size: int) -> None:
        self._used -= size
        left = self._held.get(project, 0) - size
        if left > 0:
            self._held[project] = left
        else:
            self._held.pop(project, None)
        self._observe(self._used)

    def _refusal(self, project: str, mine: int, size: int) -> Exception:
        share = self._limit // (len(self._held.keys() | {project}) + 1)
        if mine + size <= share or mine == 0:
            return refuse(503, f"too many {self._what} are under way; try again", "overloaded")
        limit = Limit(self._reason, share, 0, RETRY_AFTER_SECONDS)
        return refuse_limited(f"too many {self._what} of this project are under way; try again", limit)
