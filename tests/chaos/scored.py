"""Scores: what must be stored in, the scores that are posted or sent in batches out, each in one to three versions."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tests.chaos.batched import Teller
from tests.chaos.drawing import hex_id, instant
from tests.chaos.expected import Score, Trace
from tests.chaos.requests import Unit, event_bytes
from tests.chaos.tearing import Field, Telling, tear
from tests.chaos.texts import Texts

_TYPES: Final = ("NUMERIC", "NUMERIC", "BOOLEAN", "CATEGORICAL", "TEXT", "CORRECTION")
_NAMES: Final = ("tone", "correct?", "役に立つ", "nps")


@dataclass
class Scores:
    """Draws scores of a world's traces and sessions and tells them."""

    rng: random.Random
    texts: Texts
    teller: Teller
    units: list[Unit] = field(default_factory=list[Unit])

    def add(self, trace: Trace, observation_id: str | None, at_us: int, *, late: bool) -> Score:
        """A score of a trace, of an observation or of the trace's session."""
        rng = self.rng
        score = self._draw(trace, observation_id, at_us)
        in_batch = rng.random() < 0.5
        tellings = [self._telling(at_us + number * 700_000) for number in range(rng.choice((1, 1, 2, 3)))]
        explicit = not in_batch or rng.random() < 0.5
        score.timestamp = instant(tellings[0].at_us)
        if in_batch and len(tellings) == 1 and rng.random() < 0.2:
            score.id = tellings[0].id
        tear(rng, tellings, self._fields(score))
        for place, telling in enumerate(tellings):
            self._complete(telling, score, is_last=place == len(tellings) - 1)
            if explicit:
                telling.body["timestamp"] = self.teller.time(instant(telling.at_us))
            if score.id != telling.id:
                telling.body["id"] = score.id
            if in_batch:
                self.units.append(self.teller.unit(telling, late=late))
            else:
                self.units.append(Unit("scores", [event_bytes(telling.body)], 1, late=late))
        return score

    def _telling(self, at_us: int) -> Telling:
        return self.teller.telling("score-create", at_us, {})

    def _draw(self, trace: Trace, observation_id: str | None, at_us: int) -> Score:
        rng = self.rng
        score = Score(f"score-{hex_id(rng, 10)}", instant(at_us), rng.choice(_NAMES), rng.choice(_TYPES))
        score.environment = trace.environment
        if trace.session_id and score.data_type != "CORRECTION" and rng.random() < 0.2:
            score.session_id = trace.session_id
        else:
            score.trace_id, score.observation_id = trace.id, observation_id
        score.comment = self.texts.short() if rng.random() < 0.5 else None
        score.metadata = self.texts.metadata("s") if rng.random() < 0.3 else None
        self._draw_value(score)
        return score

    def _draw_value(self, score: Score) -> None:
        rng = self.rng
        if score.data_type == "NUMERIC":
            score.value = rng.choice((0.1, -3.0, 1e-9, rng.random(), float(rng.randrange(-9, 9))))
        elif score.data_type == "BOOLEAN":
            score.value = float(rng.randrange(2))
            score.string_value = "True" if score.value else "False"
        elif score.data_type == "CORRECTION":
            score.name, score.long_string_value = "output", self.texts.body()
        else:
            score.string_value = self.texts.short()

    def _fields(self, score: Score) -> Sequence[Field]:
        fields: list[Field] = []
        if score.comment is not None:
            fields.append(Field(("comment",), score.comment, "latest", lambda: "stale comment"))
        elif self.rng.random() < 0.3:
            fields.append(Field(("comment",), None, "latest", lambda: "stale comment"))
        if score.metadata is not None:
            fields.append(Field(("metadata",), score.metadata, "deep", dict))
        return fields

    def _complete(self, telling: Telling, score: Score, *, is_last: bool) -> None:
        """What every version of a score must say: name, value and target; only the last says the right ones."""
        body = telling.body
        if score.environment != "default":
            body["environment"] = score.environment
        targets = {"traceId": score.trace_id, "observationId": score.observation_id, "sessionId": score.session_id}
        body.update({name: target for name, target in targets.items() if target is not None})
        if not is_last and self.rng.random() < 0.7:
            body.update({"name": "stale", "value": 17, "dataType": "NUMERIC"})
            return
        body["name"], body["value"] = score.name, _value_of(self.rng, score)
        if score.data_type not in ("NUMERIC", "CATEGORICAL") or not is_last or self.rng.random() < 0.5:
            body["dataType"] = score.data_type


def _value_of(rng: random.Random, score: Score) -> Any:
    if score.data_type == "BOOLEAN":
        return rng.choice((int(score.value), score.value))
    text = score.long_string_value or score.string_value
    return score.value if text is None else text
