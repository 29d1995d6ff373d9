"""The JavaScript packages whose telemetry is recorded: which story tells it, through which exporter, and what it cannot tell."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

STORIES: Final = Path(__file__).parent / "stories"


ANSWERS: Final = frozenset({"plain", "streamed", "tool", "answered", "object"})
"""The kinds of calls that a chat model answers, as the provider's bill calls them."""


@dataclass(frozen=True, kw_only=True)
class Hidden:
    """What a package does not tell of the calls of these kinds to the APIs that begin so.

    `facts`: categories of tokens (they are then within all input or all output), `usage` for all of them, `answered_model` (it tells
    the requested one), `question` or `answer`. `instead`: the tokens that it makes up where it does not tell those of the bill.
    """

    facts: tuple[str, ...]
    reason: str
    api: str = "openai"
    kinds: frozenset[str] = ANSWERS
    instead: dict[str, int] = field(default_factory=dict[str, int])

    def of(self, call: dict[str, Any]) -> dict[str, str]:
        """The reason by fact, for a call of the bill."""
        if not call["api"].startswith(self.api) or call["kind"] not in self.kinds:
            return {}
        known = {*call["usage"], "usage", "answered_model", "question", "answer"}
        return {name: self.reason for name in self.facts if name in known}


@dataclass(frozen=True, kw_only=True)
class Framework:
    """One recorded combination. Its record is `js-<name>`.

    `package`: what is looked at, as npm names it. `arguments`: what its story is told, the exporter first. `absent`: which of
    the fields that a sender may tell stand nowhere in the record, and why; `untold`: which of the story's steps. `hidden`: the same for categories of tokens.
    """

    name: str
    story: str
    package: str
    arguments: tuple[str, ...] = ()
    absent: dict[str, str] = field(default_factory=dict[str, str])
    untold: dict[str, str] = field(default_factory=dict[str, str])
    hidden: tuple[Hidden, ...] = ()
    optional_packages: bool = True
    """Whether npm installs the optional dependencies too."""

    @property
    def folder(self) -> Path:
        return STORIES / self.story


_EXPORTERS: Final = (("langfuse", ("langfuse",)), ("otlp", ("otlp-protobuf",)))
_CACHED_AND_REASONING: Final = ("input_cached", "output_reasoning")
_VERCEL_HIDDEN: Final = {
    4: (),
    5: (
        Hidden(
            facts=_CACHED_AND_REASONING,
            kinds=frozenset({"plain", "tool", "answered", "object"}),
            reason="generateText and generateObject of 5 tell all input and all output only",
        ),
    ),
    6: (
        Hidden(
            facts=_CACHED_AND_REASONING,
            kinds=frozenset({"object"}),
            reason="generateObject of 6 tells all input and all output only",
        ),
    ),
    7: (Hidden(facts=("output_reasoning",), reason="told only if the integration is made with usage: true"),),
}
_NO_CONTEXT: Final = "the runtime context is told only if the integration is made with runtimeContext: true"
_NOBODY: Final = ("user", "session", "tags")

_VERCEL: Final = (
    *(
        Framework(
            name=f"vercel-{major}-{name}",
            story=f"vercel-{major}",
            package="ai",
            arguments=arguments,
            absent=dict.fromkeys(_NOBODY, _NO_CONTEXT) if (major, name) == (7, "otlp") else {},
            hidden=_VERCEL_HIDDEN[major],
        )
        for major in (4, 5, 6, 7)
        for name, arguments in _EXPORTERS
    ),
    Framework(name="vercel-7-legacy-otlp", story="vercel-7", package="ai", arguments=("otlp-json", "legacy")),
    Framework(name="vercel-7-everything-otlp", story="vercel-7", package="ai", arguments=("otlp-json", "everything")),
)
_STREAMED: Final = frozenset({"streamed"})
_EMBEDDING: Final = frozenset({"embedding"})
_NO_FIRST_TOKEN: Final = {"first_token": "it does not tell when the first token came"}
_NO_LIMIT: Final = {
    "params": "it tells max_tokens, and not max_completion_tokens, which is what the newer models are asked by"
}
_NO_TOOL: Final = {"tool": "the program runs the tool itself, so no package sees it"}
_LANGFUSE_OPENAI: Final = (
    Hidden(
        facts=("answered_model",),
        api="openai.chat",
        kinds=_STREAMED,
        reason="the wrapper tells the requested model of a streamed chat completion",
    ),
    Hidden(facts=("usage",), kinds=_EMBEDDING, reason="the wrapper does not read the usage of an embedding"),
)

_OPENAI: Final = (
    Framework(
        name="openai-langfuse-5",
        story="openai-langfuse-5",
        package="@langfuse/openai",
        absent={**_NO_LIMIT},
        untold=_NO_TOOL,
        hidden=_LANGFUSE_OPENAI,
    ),
    Framework(
        name="openai-langfuse-3",
        story="openai-langfuse-3",
        package="langfuse",
        absent={**_NO_LIMIT},
        untold=_NO_TOOL,
        hidden=_LANGFUSE_OPENAI,
    ),
    Framework(
        name="openai-agents-langfuse",
        story="openai-agents-langfuse",
        package="@openai/agents",
        untold={"tool": "the agents' own spans go to OpenAI only; the wrapped client sees calls of models, no tools"},
        hidden=_LANGFUSE_OPENAI,
    ),
    Framework(
        name="openai-openinference",
        story="openai-openinference",
        package="@arizeai/openinference-instrumentation-openai",
        arguments=("otlp-json",),
        absent={"errors": "no span is sent for a refused call", **_NO_FIRST_TOKEN},
        untold=_NO_TOOL,
        hidden=(
            Hidden(
                facts=("answered_model", "usage"),
                api="openai.chat",
                kinds=_STREAMED,
                reason="of a streamed chat completion only the text and the requested model are told",
            ),
            Hidden(facts=("usage",), kinds=_EMBEDDING, reason="the usage of an embedding is not told"),
        ),
    ),
    Framework(
        name="openai-traceloop",
        story="openai-traceloop",
        package="@traceloop/node-server-sdk",
        absent={
            "tags": "association properties are single values",
            "errors": "no span is sent for a refused call",
            **_NO_FIRST_TOKEN,
        },
        untold={"embeddings": "embeddings are not instrumented"},
        hidden=(
            Hidden(facts=_CACHED_AND_REASONING, reason="all input and all output are told only"),
            Hidden(
                facts=("usage",),
                api="openai.chat",
                kinds=_STREAMED,
                reason="of a streamed chat completion the tokens are counted by the package itself, from the texts",
                instead={"input": 11, "output": 5},
            ),
            Hidden(
                facts=("answered_model", "usage"),
                api="openai.responses",
                kinds=_STREAMED,
                reason="a streamed response is told without its answer",
            ),
        ),
    ),
)
_LANGCHAIN: Final = (
    Framework(
        name="langchain-langfuse",
        story="langchain-langfuse",
        package="@langfuse/langchain",
        absent={**_NO_LIMIT},
    ),
    Framework(
        name="langgraph-langfuse",
        story="langgraph-langfuse",
        package="@langchain/langgraph",
        absent={**_NO_LIMIT},
        hidden=(
            Hidden(
                facts=("answered_model",),
                kinds=_STREAMED,
                reason="streamed by messages, the model that was asked is told",
            ),
        ),
    ),
)
_GENKIT: Final = tuple(
    Framework(
        name=f"genkit-{name}",
        story="genkit",
        package="genkit",
        arguments=arguments,
        absent={**_NO_FIRST_TOKEN, **(dict.fromkeys(_NOBODY, "Genkit has no place for it") if name == "otlp" else {})},
        hidden=(
            Hidden(
                facts=("answered_model",),
                reason="the model is called as it was asked for",
            ),
            Hidden(facts=("usage",), kinds=_EMBEDDING, reason="the usage of an embedding is not told"),
        ),
        optional_packages=False,
    )
    for name, arguments in _EXPORTERS
)
_MASTRA: Final = tuple(
    Framework(
        name=f"mastra-{name}",
        story="mastra",
        package="@mastra/core",
        arguments=arguments,
        untold={"refused_generation": "a refusal is told by the agent's span, not by that of the call"},
        hidden=(
            Hidden(facts=("question",), reason="the messages stand at the step above the call"),
            Hidden(
                facts=("answer",),
                kinds=frozenset({"tool"}),
                reason="of a call that asks for a tool an empty text is told",
            ),
        ),
    )
    for name, arguments in _EXPORTERS
)
_ALL: Final = (*_VERCEL, *_OPENAI, *_LANGCHAIN, *_GENKIT, *_MASTRA)
FRAMEWORKS: Final = {framework.name: framework for framework in _ALL}
