"""Edges, a log and its processors in simulated time: projects that offer so much in, what each of them heard out."""

import random
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tailrace.edge.backlog import Applied, Backlog
from tailrace.edge.demand import Demand
from tailrace.edge.exchange import Exchange, Told
from tailrace.edge.pace import Pacer

STEP = 0.05
LOOK_STEPS = 5
PARTITIONS = 4


class _Edge:
    def __init__(self, world: "World", lag_seconds: float) -> None:
        self.backlog = Backlog()
        self.exchange = Exchange(Demand(lambda: world.now))
        self.pacer = Pacer(self.exchange, lag_seconds)


@dataclass
class World:
    """`capacity`: work applied a second by all partitions; each takes at most `batch_seconds` of its part at a time, and no sooner than `latency` after it came.

    `request`: the work of one. `stalls`: from and to which second nothing is applied in the partitions named.
    """

    capacity: float
    request: float = 10
    batch_seconds: float = 0.2
    latency: float = 0.2
    edges: int = 1
    lag_seconds: float = 0.25
    stalls: Sequence[tuple[float, float, range]] = ()

    def __post_init__(self) -> None:
        self.now = 1000.0
        self.taken: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.delays: dict[str, list[float]] = {}
        self.behind: list[float] = []
        self._edges = [_Edge(self, self.lag_seconds) for _ in range(self.edges)]
        self._log = [deque[tuple[float, str, float]]() for _ in range(PARTITIONS)]
        self._applied: dict[int, tuple[float, float]] = {}
        self._busy_until = [0.0] * PARTITIONS
        self._due: Counter[str] = Counter()
        self._random = random.Random(1)
        self._steps = 0

    def run(self, seconds: float, offered: Mapping[str, float]) -> None:
        """Let each project offer so much work a second for so long."""
        for _ in range(round(seconds / STEP)):
            self._steps += 1
            self.now += STEP
            for project, rate in offered.items():
                self._due[project] += rate * STEP  # pyright: ignore[reportArgumentType] - a Counter of work
                while self._due[project] >= self.request:
                    self._due[project] -= self.request  # pyright: ignore[reportArgumentType]
                    self._send(project)
            for partition in range(PARTITIONS):
                self._apply(partition)
            if self._steps % LOOK_STEPS == 0:
                self._look()

    def _send(self, project: str) -> None:
        edge = self._random.choice(self._edges)
        held = edge.pacer.bucket(project, self.now)
        if held is not None and held.left(self.now) <= 0:
            edge.pacer.refused(project)
            self.refused[project] += 1
            return
        edge.pacer.take(project, self.request, self.now)
        edge.exchange.demand.add(project, self.request)
        partition = self._random.randrange(PARTITIONS)
        edge.backlog.note(partition, int(self.now * 1e6), self.request)
        self._log[partition].append((self.now, project, self.request))
        self.taken[project] += 1

    def _apply(self, partition: int) -> None:
        second = self.now - 1000
        stalled = any(since <= second < until and partition in which for since, until, which in self.stalls)
        if stalled or self.now < self._busy_until[partition]:
            return
        log, rate, done = self._log[partition], self.capacity / PARTITIONS, 0.0
        while log and log[0][0] <= self.now - self.latency and done < rate * self.batch_seconds:
            at, project, work = log.popleft()
            done += work
            self._applied[partition] = (at, self.now)
            self.delays.setdefault(project, []).append(self.now - at)
        self._busy_until[partition] = self.now + done / rate

    def _look(self) -> None:
        self.behind.append(max((self.now - log[0][0] for log in self._log if log), default=0.0))
        applied = {
            partition: Applied(int(at * 1e6), self.now - when) for partition, (at, when) in self._applied.items()
        }
        for edge in self._edges:
            finding = edge.backlog.look(applied, self.now)
            edge.exchange.pace = finding.taken, finding.applied
            edge.pacer.adjust(finding, self.now)
        if self._steps % (8 * LOOK_STEPS) == 0:
            told = [
                Told(offered=dict(e.exchange.demand.rates), taken=e.exchange.pace[0], applied=e.exchange.pace[1])
                for e in self._edges
            ]
            for number, edge in enumerate(self._edges):
                edge.exchange.hear(told[:number] + told[number + 1 :])
