"""What the names of a span's attributes tell, worked out once for all spans with the same names: most have few, and always the same.

A convention is only asked about a span that has one of its names, or comes from its scope.
"""

from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from functools import lru_cache
from typing import Final, NamedTuple, TypeVar

from tailrace.assembler.mapping import experiments, precedence
from tailrace.assembler.mapping.bodies import Bodies
from tailrace.assembler.mapping.langfuse import PUBLIC
from tailrace.assembler.mapping.precedence import ENVIRONMENTS, METADATA, SESSION_IDS, TAGS, TRACE_UPDATES, USER_IDS
from tailrace.assembler.mapping.rules import Parameters, Rule
from tailrace.assembler.mapping.tools import Tools
from tailrace.core.usage_words import UsagePlan, plan_usage
from tailrace.wire.otlp import SpanData

T = TypeVar("T")
Readers = tuple[Callable[[SpanData], T | None], ...]

_MODEL_STARTS: Final = (
    "langfuse.observation.model.",
    "langfuse.observation.usage_details",
    "langfuse.observation.cost_details",
    "langfuse.observation.completion_start_time",
    "langfuse.observation.prompt.",
    "langfuse.prompt.",
    "gen_ai.",
    "llm.",
    "ai.",
    "genkit:",
    "gcp.vertex.agent.",
    "mlflow.",
    "embedding.",
    "model",
    "openai.",
    "anthropic.",
    "mastra.completion_start_time",
    "metadata.usage_object",
    "operation.cost",
)
"""How every attribute starts that says anything of a model."""

_MOST_NAMES: Final = 100
_MOST_CHARACTERS: Final = 4_000
"""Shapes with more are worked out anew each time: those that are kept must not take much memory."""


class Shape(NamedTuple):
    """Who can say anything of a span, for each field in the order in which they count."""

    types: Readers[str]
    names: Readers[str]
    speaks_of_model: bool
    models: Readers[str]
    parameters: Readers[Parameters]
    repeats: Readers[bool]
    prompts: Readers[tuple[str, int]]
    completion_starts: Readers[int]
    levels: Readers[str]
    status_messages: Readers[str]
    bodies: Readers[Bodies]
    bodies_with_events: Readers[Bodies]
    tools: Readers[Tools]
    has_metadata: bool
    names_environment: bool
    is_of_experiment: bool
    updates_trace: bool
    user_ids: tuple[str, ...]
    session_ids: tuple[str, ...]
    tags: tuple[str, ...]
    public: tuple[str, ...]
    usage: UsagePlan | None


def shape_of(attributes: Iterable[str], scope: str) -> Shape:
    """The shape of a span with these names of attributes. `scope`: one of `precedence.SCOPES`, "" for any other."""
    names = tuple(attributes)
    if len(names) > _MOST_NAMES or sum(map(len, names)) > _MOST_CHARACTERS:
        return _work_out(names, scope)
    return _known(names, scope)


def _work_out(names: tuple[str, ...], scope: str) -> Shape:
    given = frozenset(names)
    return Shape(
        _readers(precedence.TYPES, given, scope),
        _readers(precedence.NAMES, given, scope),
        any(name.startswith(_MODEL_STARTS) for name in names),
        _readers(precedence.MODELS, given, scope),
        _readers(precedence.PARAMETERS, given, scope),
        _readers(precedence.REPEATS, given, scope),
        _readers(precedence.PROMPTS, given, scope),
        _readers(precedence.COMPLETION_STARTS, given, scope),
        _readers(precedence.LEVELS, given, scope),
        _readers(precedence.STATUS_MESSAGES, given, scope),
        _readers((rule for rule in precedence.BODIES if not rule.of_events), given, scope),
        _readers(precedence.BODIES, given, scope),
        _readers(precedence.TOOLS, given, scope),
        any(name.startswith(METADATA) for name in names),
        not given.isdisjoint(ENVIRONMENTS),
        experiments.ID in given,
        not TRACE_UPDATES.isdisjoint(given),
        tuple(name for name in USER_IDS if name in given),
        tuple(name for name in SESSION_IDS if name in given),
        tuple(name for name in TAGS if name in given),
        tuple(name for name in PUBLIC if name in given),
        plan_usage(names),
    )


_known: Final = lru_cache(maxsize=1024)(_work_out)


def _readers(rules: Iterable[Rule[T]], given: AbstractSet[str], scope: str) -> Readers[T]:
    return tuple(rule.read for rule in rules if rule.can_apply(given, scope))
