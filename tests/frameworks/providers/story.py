"""What the fake providers answer, whatever API they are asked by: the decision, the texts and the tokens.

In: the parts of a request that matter (`Ask`). Out: an `Answer`. Deterministic: the same question has the same answer and the same bill.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple

QUESTIONS: Final = (
    "What does the analytical engine weave?",
    "What does Note G compute?",
    "How warm is it in Turin?",
    "Say what the analytical engine weaves.",
    "21 degrees in Turin",
    "divide by zero",
)
"""What the runs ask, the tool's result included; a framework may say more around it."""

FAILING: Final = "divide by zero"
"""A question with these words is refused, as a provider refuses a bad request."""
REFUSAL: Final = "The engine cannot divide by zero."
PLAIN: Final = "The engine weaves algebraic patterns."
STREAMED: Final = "Note G computes Bernoulli numbers."
AFTER_TOOL: Final = "It is 21 degrees in Turin."
TOOL: Final = "get_weather"
TOOL_ARGUMENTS: Final[Mapping[str, str]] = {"city": "Turin"}
TOOL_RESULT: Final = "21 degrees in Turin"
"""Some frameworks give it back as a message of the user."""
TOOL_CALL_ID: Final = "call_lovelace1"
_FINAL_TOOL: Final = "final_answer"
_DSPY_FIELD: Final = "[[ ## "

AnswerKind = Literal["plain", "streamed", "tool", "after_tool", "audio", "refused"]


class Tokens(NamedTuple):
    """What a call costs, in tokens; every category stands beside the others, none is part of another."""

    input: int = 0
    input_cached: int = 0
    input_cache_creation: int = 0
    input_audio: int = 0
    output: int = 0
    output_reasoning: int = 0
    output_audio: int = 0

    @property
    def input_side(self) -> int:
        return self.input + self.input_cached + self.input_cache_creation + self.input_audio

    @property
    def output_side(self) -> int:
        return self.output + self.output_reasoning + self.output_audio

    @property
    def total(self) -> int:
        return self.input_side + self.output_side

    def without(self, **part_of: str) -> "Tokens":
        """The same for an API that cannot tell some categories: each is counted as the other one that is named."""
        counts = self._asdict()
        for category, whole in part_of.items():
            counts[whole] += counts[category]
            counts[category] = 0
        return Tokens(**counts)

    def told(self) -> dict[str, int]:
        """The categories that were used."""
        return {category: count for category, count in self._asdict().items() if count}


TOKENS: Final[Mapping[AnswerKind, Tokens]] = {
    "plain": Tokens(input=476, input_cached=1024, input_cache_creation=333, output=128, output_reasoning=192),
    "streamed": Tokens(input=171, input_cached=1280, input_cache_creation=222, output=146, output_reasoning=64),
    "tool": Tokens(input=641, output=75),
    "after_tool": Tokens(input=209, input_cached=512, output=41),
    "audio": Tokens(input=61, input_audio=251, output=47, output_audio=313),
}


class Ask(NamedTuple):
    """A request, without the dress of its API. `last` is the text of the last message, `text` that of all of them."""

    model: str
    stream: bool
    text: str
    last: str
    tools: tuple[str, ...]
    has_tool_result: bool

    @property
    def excerpt(self) -> str:
        """What an input that holds this request must hold."""
        return next((question for question in QUESTIONS if question in self.last), self.last)


class ToolCall(NamedTuple):
    name: str
    arguments: Mapping[str, Any]


class Answer(NamedTuple):
    """`text` or `call`, never both; neither of a refusal."""

    kind: AnswerKind
    text: str = ""
    call: ToolCall | None = None

    @property
    def tokens(self) -> Tokens:
        return TOKENS[self.kind]

    @property
    def excerpt(self) -> str:
        """What an output that holds this answer must hold: the told sentence, or the tool's name."""
        if self.call:
            return self.call.name
        return next(sentence for sentence in (PLAIN, STREAMED, AFTER_TOOL) if sentence in self.text)

    @property
    def pieces(self) -> list[str]:
        """The text as a stream gives it."""
        words = self.text.split(" ")
        return [word if number == 0 else f" {word}" for number, word in enumerate(words)]


def answer(ask: Ask) -> Answer:
    """A refusal, a tool call where a tool is offered and was not used yet, or a text."""
    if FAILING in ask.last:
        return Answer("refused")
    has_result = ask.has_tool_result or TOOL_RESULT in ask.text
    if has_result and _FINAL_TOOL in ask.tools:
        return Answer("after_tool", call=ToolCall(_FINAL_TOOL, {"answer": AFTER_TOOL}))
    tool = next((name for name in ask.tools if name.endswith(TOOL)), None)
    if tool and not has_result:
        return Answer("tool", call=ToolCall(tool, TOOL_ARGUMENTS))
    if has_result:
        return Answer("after_tool", _dressed(AFTER_TOOL, ask))
    if "audio" in ask.model:
        return Answer("audio", PLAIN)
    return Answer("streamed", _dressed(STREAMED, ask)) if ask.stream else Answer("plain", _dressed(PLAIN, ask))


def _dressed(text: str, ask: Ask) -> str:
    """The text in the form that DSPy's and CrewAI's prompts insist on."""
    if _DSPY_FIELD in ask.text:
        return f"[[ ## answer ## ]]\n{text}\n\n[[ ## completed ## ]]"
    if "Final Answer:" in ask.text:
        return f"Thought: I now can give a great answer\nFinal Answer: {text}"
    return text
