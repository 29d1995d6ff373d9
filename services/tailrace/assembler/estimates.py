"""Usage that nobody told: what is known of a generation in, an estimate of its tokens out, counted from the texts of its input and output.

Rules (each has its test):

- It is made of a generation or an embedding that has ended or has an output, did not fail, names a model whose vocabulary is known, and of which
  neither usage nor cost is known. Once either comes, in whatever order, the estimate is gone.
- It depends on the folded fields alone: the same events have the same estimate, whoever folds them and in which order.
- Images, sound and files, or more than MOST_CHARACTERS: it stays unknown. A part of a text is no estimate of the whole.
- Tokens that stand in no text, as those of hidden reasoning, are not in it: it is a lower bound.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

from tailrace.assembler.counted_text import Counted, count_embedded, count_input, count_output, is_more_than_text
from tailrace.core.vocabularies import Vocabulary, vocabulary_of
from tailrace.runtime.tokens import TokenCounter, TokensUnavailableError

MOST_CHARACTERS: Final = 1_000_000
"""Of input and output together; some 250,000 tokens of English."""

SHORT_CHARACTERS: Final = 32 * 1024
"""Counting more takes longer than others may be kept waiting: half a millisecond mostly, 15 of the worst texts."""

Outcome = Literal["estimated", "too_large", "not_text", "unavailable"]
"""What became of the wish for an estimate; the closed list of metrics."""


class Question(NamedTuple):
    """What is to be counted. While it stays the same, so does the answer."""

    vocabulary: Vocabulary
    input: str | None
    output: str | None
    is_embedding: bool = False

    @property
    def characters(self) -> int:
        return len(self.input or "") + len(self.output or "")


class Estimate(NamedTuple):
    """The answer to a question. `usage`: empty if there is none."""

    question: Question
    usage: dict[str, int]

    @property
    def warning(self) -> str:
        """What the observation says of it."""
        return f"usage was not sent: it is estimated from the texts of input and output, counted with {self.question.vocabulary}"


def question_of(values: Mapping[str, Any]) -> Question | None:
    """What is to be counted of an observation with these folded fields; None if nothing is."""
    kind = values.get("type")
    if kind not in ("GENERATION", "EMBEDDING") or not lacks_usage(values):
        return None
    given, answer = values.get("input"), values.get("output")
    if not (given or answer) or (values.get("end_time") is None and not answer):
        return None
    if values.get("level") == "ERROR" or values.get("uncounted"):
        return None
    vocabulary = vocabulary_of(values["model"])
    if vocabulary is None:
        return None
    if kind == "EMBEDDING":
        return Question(vocabulary, given, None, is_embedding=True) if given else None
    return Question(vocabulary, given, answer)


def lacks_usage(values: Mapping[str, Any]) -> bool:
    """Whether it names a model, and neither usage nor cost."""
    return bool(values.get("model")) and not values.get("usage_details") and not values.get("provided_cost_details")


def answer(counter: TokenCounter, questions: Sequence[Question]) -> list[tuple[Estimate, Outcome]]:
    """The estimate for each question."""
    sides: dict[Vocabulary, list[Counted]] = {}
    outcomes: list[Outcome] = []
    for question in questions:
        outcome = _refusal(question)
        outcomes.append(outcome or "estimated")
        if outcome is None:
            sides.setdefault(question.vocabulary, []).extend(_sides_of(question))
    counts: dict[Vocabulary, Iterator[int]] = {}
    try:
        for vocabulary, counted in sides.items():
            counts[vocabulary] = iter(_count(counter, vocabulary, counted))
    except TokensUnavailableError:
        return [(Estimate(question, {}), "unavailable") for question in questions]
    return [
        (Estimate(question, _usage(question, counts) if outcome == "estimated" else {}), outcome)
        for question, outcome in zip(questions, outcomes, strict=True)
    ]


def _refusal(question: Question) -> Outcome | None:
    if question.characters > MOST_CHARACTERS:
        return "too_large"
    texts = (question.input, question.output)
    return "not_text" if any(text and is_more_than_text(text) for text in texts) else None


def _sides_of(question: Question) -> list[Counted]:
    sides: list[Counted] = []
    if question.input:
        sides.append(count_embedded(question.input) if question.is_embedding else count_input(question.input))
    if question.output:
        sides.append(count_output(question.output))
    return sides


def _count(counter: TokenCounter, vocabulary: Vocabulary, sides: list[Counted]) -> list[int]:
    """The tokens of each side; one call for all texts."""
    tokens = iter(counter.count(vocabulary, [text for side in sides for text in side.texts]))
    return [side.extra_tokens + sum(next(tokens) for _ in side.texts) for side in sides]


def _usage(question: Question, counts: Mapping[Vocabulary, Iterator[int]]) -> dict[str, int]:
    """The usage of a question whose sides are the next ones."""
    sides = counts[question.vocabulary]
    usage = {name: next(sides) for name in ("input", "output") if getattr(question, name)}
    return {**usage, "total": sum(usage.values())}
