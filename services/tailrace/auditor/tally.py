"""The records of one partition that are read and not yet counted for good: whose events each holds, in a few bytes a record. Pure."""

from array import array
from collections import Counter
from collections.abc import Callable

from tailrace.core.model import ProjectId


class Tally:
    """Consecutive records, from offset `first` to before `next`."""

    def __init__(self) -> None:
        self.first = 0
        self._projects: list[ProjectId] = []
        self._numbers: dict[ProjectId, int] = {}
        self._whose: array[int] = array("L")
        self._events: array[int] = array("L")

    def __len__(self) -> int:
        return len(self._whose)

    @property
    def next(self) -> int:
        """The offset to read next."""
        return self.first + len(self._whose)

    def start_at(self, first: int) -> None:
        """Forget what lies before `first`; begin anew there when that is not among the records, nor right behind them."""
        if not self.first <= first <= self.next:
            self._clear()
        else:
            del self._whose[: first - self.first], self._events[: first - self.first]
            if not self._whose:
                self._clear()
        self.first = first

    def cut_from(self, offset: int) -> None:
        """Forget this record and those behind it."""
        kept = max(0, offset - self.first)
        del self._whose[kept:], self._events[kept:]

    def add(self, project: ProjectId, events: int) -> None:
        """The record at `next` holds so many events of this project."""
        number = self._numbers.get(project)
        if number is None:
            number = self._numbers[project] = len(self._projects)
            self._projects.append(project)
        self._whose.append(number)
        self._events.append(events)

    def count(self, start: int, end: int, *, where: Callable[[int], bool] | None = None) -> Counter[str]:
        """Events by project of the records in [start, end), of those alone for whose offset `where` holds."""
        counted: Counter[int] = Counter()
        start, end = max(start, self.first), min(end, self.next)
        for index in range(start - self.first, end - self.first):
            if where is None or where(self.first + index):
                counted[self._whose[index]] += self._events[index]
        return Counter({str(self._projects[number]): events for number, events in counted.items()})

    def _clear(self) -> None:
        del self._whose[:], self._events[:], self._projects[:]
        self._numbers.clear()
