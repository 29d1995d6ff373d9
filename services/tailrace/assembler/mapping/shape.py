"""What the names of a span's attributes tell, worked out once for all spans with the same names: most have few, and always the same."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Final, NamedTuple

from tailrace.assembler.mapping import genai, langfuse, openinference, vercel
from tailrace.core.usage_words import UsagePlan, plan_usage

INDEXED_BODIES: Final = (("gen_ai.prompt", "gen_ai.completion"), openinference.MESSAGES)
REQUEST_PREFIXES: Final = (genai.REQUEST, openinference.INVOCATION_PARAMETERS + ".")

USER_IDS: Final = (*langfuse.USER_IDS, vercel.USER_ID)
SESSION_IDS: Final = (
    *langfuse.SESSION_IDS,
    genai.CONVERSATION_ID,
    *langfuse.METADATA_SESSION_IDS,
    vercel.SESSION_ID,
)
TAGS: Final = (*langfuse.TAGS, vercel.TAGS, "tag.tags")
UPDATES: Final = langfuse.TRACE_UPDATES | vercel.TRACE_UPDATES | frozenset(TAGS) | frozenset(SESSION_IDS)

_INDEXED_STARTS: Final = tuple(f"{prefix}." for pair in INDEXED_BODIES for prefix in pair)
_METADATA_STARTS: Final = (*langfuse.METADATA, vercel.METADATA)
_PROMPT_STARTS: Final = ("langfuse.observation.prompt.", "langfuse.prompt.")
_MODEL_STARTS: Final = (
    "langfuse.observation.model.",
    "langfuse.observation.usage_details",
    "langfuse.observation.cost_details",
    "langfuse.observation.completion_start_time",
    *_PROMPT_STARTS,
    "gen_ai.",
    "llm.",
    "ai.",
    "model",
    "genkit:",
    "gcp.vertex.agent.",
    "openai.",
)
"""How every attribute starts that says anything of a model."""

_MOST_NAMES: Final = 100
_MOST_CHARACTERS: Final = 4_000
"""Shapes with more are worked out anew each time: those that are kept must not take much memory."""


class Shape(NamedTuple):
    """Which conventions a span's attributes speak, and where those that have several names for one thing say it."""

    speaks_of_model: bool
    names_prompt: bool
    has_request_parameters: bool
    has_indexed_bodies: bool
    has_metadata: bool
    updates_trace: bool
    user_ids: tuple[str, ...]
    session_ids: tuple[str, ...]
    tags: tuple[str, ...]
    usage: UsagePlan | None


def shape_of(attributes: Iterable[str]) -> Shape:
    """The shape of a span with these names of attributes."""
    names = tuple(attributes)
    if len(names) > _MOST_NAMES or sum(map(len, names)) > _MOST_CHARACTERS:
        return _work_out(names)
    return _known(names)


def _work_out(names: tuple[str, ...]) -> Shape:
    given = frozenset(names)
    return Shape(
        _any_starts(names, _MODEL_STARTS),
        _any_starts(names, _PROMPT_STARTS),
        _any_starts(names, REQUEST_PREFIXES),
        _any_starts(names, _INDEXED_STARTS),
        _any_starts(names, _METADATA_STARTS),
        not UPDATES.isdisjoint(given),
        tuple(name for name in USER_IDS if name in given),
        tuple(name for name in SESSION_IDS if name in given),
        tuple(name for name in TAGS if name in given),
        plan_usage(names),
    )


_known: Final = lru_cache(maxsize=1024)(_work_out)


def _any_starts(names: Iterable[str], starts: tuple[str, ...]) -> bool:
    return any(name.startswith(starts) for name in names)
