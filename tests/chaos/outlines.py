"""The outlines of traces: when and by whose clocks, in which environment, for which user and session."""

import random
from typing import Final

from tests.chaos.drawing import DAY_US, HOUR_US, MINUTE_US, Family, hex_id, instant
from tests.chaos.expected import Trace
from tests.chaos.shape import Shape
from tests.chaos.texts import Texts

SKEW_US: Final = 10 * MINUTE_US
USERS: Final = 12
SESSIONS: Final = 15
ENVIRONMENTS: Final = ("default", "production", "staging", "eu_1-b")

_SECOND_US: Final = 1_000_000
_OLD_LENGTH_US: Final = 50 * _SECOND_US


class Outlines:
    """Draws families and traces. `base_us`: now; what is told happened in the hours before it."""

    def __init__(self, rng: random.Random, shape: Shape, texts: Texts, *, base_us: int) -> None:
        self._rng = rng
        self._shape = shape
        self._texts = texts
        self._base_us = base_us

    def is_late(self, family: Family) -> bool:
        """Whether the trace began an hour ago, and all of it is delivered at the end."""
        began_an_hour_ago = family.length_us == _OLD_LENGTH_US and family.start_us <= self._base_us - HOUR_US
        return self._shape.an_hour_late and began_an_hour_ago

    def family(self, *, span_ids: bool) -> Family:
        """A trace of the last hours: of seconds, minutes or an hour, some over midnight."""
        rng, now_us = self._rng, self._base_us
        length_us = rng.choice((2 * _SECOND_US, 20 * _SECOND_US, 5 * MINUTE_US, 90 * MINUTE_US))
        start_us = now_us - rng.randrange(30 * MINUTE_US) - length_us
        chance = rng.random()
        if chance < 0.1:
            start_us, length_us = now_us - HOUR_US - rng.randrange(MINUTE_US), _OLD_LENGTH_US
        elif chance < 0.2:
            start_us, length_us = now_us - now_us % DAY_US - 2 * _SECOND_US, 4 * _SECOND_US
        skewed = self._shape.skewed_clocks and rng.random() < 0.4
        clocks = rng.choices((-SKEW_US, 0, SKEW_US, rng.randrange(-SKEW_US, SKEW_US)), k=2) if skewed else (0,)
        trace_id = hex_id(rng, 16) if span_ids else f"trace-{hex_id(rng, 10)}"
        return Family(
            trace_id,
            start_us,
            length_us,
            rng.choice(ENVIRONMENTS),
            rng.choice((None, "1.4.2")),
            tuple(clocks),
            span_ids,
            floats=not span_ids,
        )

    def trace(self, family: Family) -> Trace:
        """A trace's own fields."""
        rng, texts = self._rng, self._texts
        return Trace(
            family.trace_id,
            instant(family.start_us),
            name=rng.choice((None, "request", "🛒 checkout")),
            user_id=None if rng.random() < 0.2 else f"user-{rng.randrange(USERS)}",
            session_id=None if rng.random() < 0.4 else f"session-{rng.randrange(SESSIONS)}",
            release=rng.choice((None, "r1")),
            version=family.version,
            environment=family.environment,
            public=rng.random() < 0.2,
            tags=sorted(rng.sample(("a", "b", "beta", "日本"), rng.randrange(3))),
            input=texts.body() if rng.random() < 0.3 else None,
            metadata=texts.metadata("t") if rng.random() < 0.3 else None,
        )
