"""Events that nobody can use: refused one by one, beside good ones in the same request, and never a row."""

import random
from typing import Any, Final

from tests.chaos.batched import Teller
from tests.chaos.drawing import hex_id, instant
from tests.chaos.requests import Unit, event_bytes
from tests.chaos.spans import Span

_LONG_ID: Final = "👻" * 300
"""300 characters, which are few enough, and 1,200 bytes, which no index holds."""


class Rejects:
    """Tells events that nobody can use."""

    def __init__(self, rng: random.Random, teller: Teller) -> None:
        self._rng = rng
        self._teller = teller

    def unit(self, at_us: int) -> Unit:
        """One more of any kind."""
        kinds = (self._long_id, self._long_id, self._long_trace_id, self._refused_event, self._refused_scores)
        return self._rng.choice(kinds)(at_us)

    def _long_id(self, at_us: int) -> Unit:
        kind = self._rng.choice(("trace-create", "generation-create", "score-create"))
        body: dict[str, Any] = {"id": _LONG_ID, "name": "too long"}
        if kind == "score-create":
            body |= {"value": 1, "traceId": "some-trace"}
        event = {
            "id": hex_id(self._rng, 12),
            "type": kind,
            "timestamp": self._teller.time(instant(at_us)),
            "body": body,
        }
        return Unit("batch", [event_bytes(event)], 0)

    def _long_trace_id(self, at_us: int) -> Unit:
        span = Span(0, _LONG_ID, hex_id(self._rng, 8), None, "too long", at_us, at_us, only_json=True)
        return Unit("spans", [span], 0)

    def _refused_event(self, at_us: int) -> Unit:
        time = self._teller.time(instant(at_us))
        name = f"refused-{hex_id(self._rng, 6)}"
        event: dict[str, Any] = {"id": name, "type": "trace-create", "timestamp": time, "body": {"id": name}}
        wrong: dict[str, Any] = self._rng.choice(
            (
                {"timestamp": "yesterday"},
                {"timestamp": time.removesuffix("Z")[:26]},
                {"type": "trace-destroy"},
                {"type": "generation-create", "body": {"traceId": name}},
                {"type": "span-create", "body": {"id": name, "startTime": "soon"}},
                {"type": "sdk-log", "body": {"log": "hello"}},
                {"body": {"id": name, "tags": "no list"}},
            )
        )
        return Unit("batch", [event_bytes(event | wrong)], 0)

    def _refused_scores(self, at_us: int) -> Unit:
        """Two, so that they are a list: a single one is refused whole."""
        name = f"refused-{hex_id(self._rng, 6)}"
        score = {"id": name, "name": "tone", "traceId": "t", "timestamp": self._teller.time(instant(at_us))}
        wrong: tuple[dict[str, Any], ...] = (
            {"value": 2, "dataType": "BOOLEAN"},
            {"value": None},
            {"value": "x" * 501, "dataType": "TEXT"},
        )
        return Unit("scores", [event_bytes(score | one) for one in self._rng.sample(wrong, 2)], 0)
