"""A world: what clients send in one run, from a seed, and what must be stored in the end.

The truth is drawn first, then torn into requests; so the right answer is known without asking the product anything. A world's requests
must be all that a project ever gets: then every row of that project is accounted for. The same world may be sent to several projects.
"""

import random

from tests.chaos.batched import Teller
from tests.chaos.drawing import Drawing, instant, microseconds, with_other_prices
from tests.chaos.expected import Expected, Seen
from tests.chaos.rejected import Rejects
from tests.chaos.repeats import mark_repeats
from tests.chaos.requests import Request, Unit, make_requests
from tests.chaos.scored import Scores
from tests.chaos.shape import Shape
from tests.chaos.stories import Named, Stories, Story

__all__ = ["Expected", "Request", "Shape", "World"]


class World:
    """All requests and the right answer. `base_us`: now, in microseconds since 1970; what is told happened before it."""

    def __init__(self, seed: int, shape: Shape, *, base_us: int) -> None:
        self.seed, self.shape = seed, shape
        self.expected = Expected()
        rng = random.Random(seed)
        drawing = Drawing(rng, text_bytes=shape.text_bytes)
        teller = Teller(rng, drawing.texts, cross_clocks=shape.skewed_clocks)
        stories = Stories(rng, shape, drawing, teller, base_us=base_us)
        told = [stories.any() for _ in range(shape.traces)]
        units = [unit for story in told for unit in story.units]
        stream: list[Unit] = []
        if shape.big_trace_spans:
            told.append(stories.big(shape.big_trace_spans))
            stream = told[-1].units
        for story in told:
            self._expect(story)
        units += self._score(rng, Scores(rng, drawing.texts, teller), told)
        rejects = Rejects(rng, teller)
        units += [rejects.unit(base_us) for _ in range(shape.dead)]
        if shape.price_change:
            self._expect_other_prices()
        self._requests = make_requests(rng, units, twice=shape.twice, stream=stream)

    def requests(self) -> list[Request]:
        """All deliveries, in the order of sending."""
        return self._requests

    def _expect(self, story: Story) -> None:
        expected = self.expected
        expected.traces[story.trace.id] = story.trace
        mark_repeats(story.observations)
        for one in story.observations:
            expected.observations[one.trace_id, one.id] = one
        for named in story.named:
            _see(expected.users, named.user_id, named)
            _see(expected.sessions, named.session_id, named)

    def _score(self, rng: random.Random, scores: Scores, told: list[Story]) -> list[Unit]:
        for _ in range(self.shape.scores if told else 0):
            story = rng.choice(told)
            one = rng.choice(story.observations).id if rng.random() < 0.4 else None
            at_us = microseconds(story.trace.timestamp) + rng.randrange(60_000_000)
            score = scores.add(story.trace, one, at_us, late=story.late)
            self.expected.scores[score.id] = score
        return scores.units

    def _expect_other_prices(self) -> None:
        self.expected.other_prices = {
            key: with_other_prices(one) for key, one in self.expected.observations.items() if one.model_id
        }


def _see(sightings: dict[str, Seen], name: str | None, named: Named) -> None:
    if name is None:
        return
    first, last = instant(named.first_us), instant(named.last_us)
    known = sightings.setdefault(name, Seen(first, last, named.environment))
    known.first, known.environment = min((known.first, known.environment), (first, named.environment))
    known.last = max(known.last, last)
