"""What the load tells: traces of spans and generations, drawn by a seed, with what they must cost. No wire format is known here."""

import math
import random
from collections.abc import Callable
from decimal import Decimal
from typing import Final, NamedTuple

MODEL: Final = "gpt-4o-mini"
USD_PER_INPUT_TOKEN: Final = Decimal("0.00000015")
USD_PER_OUTPUT_TOKEN: Final = Decimal("0.0000006")
"""OpenAI's price page: 0.15 and 0.60 USD for a million tokens."""

MEDIAN_BYTES: Final = 4_000
_SIGMA: Final = math.log(50) / 2.326
"""A log-normal size whose 99th percentile, 2.326 deviations above the median, is 50 times that: 200 KB."""

_MOST_BYTES: Final = 1_000_000
_words = ["the", "refund", "of", "an", "order", "was", "asked", "for", "by", "a", "customer", "whose"]
_words += ["parcel", "came", "late", "and", "whose", "invoice", "showed", "it", "twice"]


class Generation(NamedTuple):
    """What a model was asked and answered."""

    tokens_in: int
    tokens_out: int
    question: str
    answer: str

    @property
    def cost(self) -> Decimal:
        return self.tokens_in * USD_PER_INPUT_TOKEN + self.tokens_out * USD_PER_OUTPUT_TOKEN


class Step(NamedTuple):
    """One span; `parent`: the number of another."""

    name: str
    parent: int | None
    generation: Generation | None


class Story(NamedTuple):
    """A trace: its steps by number."""

    user: str
    steps: list[Step]

    @property
    def cost(self) -> Decimal:
        return sum((step.generation.cost for step in self.steps if step.generation), Decimal(0))


def draw_story(rng: random.Random, *, steps: int, users: int, text_bytes: Callable[[], int]) -> Story:
    """A trace of so many steps: a root, other spans up to 4 of 10, and generations. A single step is a generation."""
    plain = 0 if steps == 1 else math.ceil(0.4 * steps)
    told = [
        Step(
            "llm-call" if number >= plain else "step" if number else "request",
            _parent(number, plain),
            _draw_generation(rng, text_bytes()) if number >= plain else None,
        )
        for number in range(steps)
    ]
    return Story(f"user-{rng.randrange(users)}", told)


def draw_size(rng: random.Random) -> int:
    """Bytes of question and answer as they are in practice: a median of 4 KB, a 99th percentile of 200 KB, at most 1 MB."""
    return min(_MOST_BYTES, int(rng.lognormvariate(math.log(MEDIAN_BYTES), _SIGMA)))


def _parent(number: int, plain: int) -> int | None:
    if number == 0:
        return None
    return 0 if number < plain or plain < 2 else 1 + number % (plain - 1)


def _draw_generation(rng: random.Random, text_bytes: int) -> Generation:
    tokens_in, tokens_out = rng.randrange(200, 900), rng.randrange(50, 400)
    return Generation(tokens_in, tokens_out, _text(rng, text_bytes * 5 // 8), _text(rng, text_bytes * 3 // 8))


def _text(rng: random.Random, size: int) -> str:
    words: list[str] = []
    length = 0
    while length < size:
        words.append(rng.choice(_words))
        length += len(words[-1]) + 1
    return " ".join(words)
