"""The names under which spans tell a usage: names of attributes flow in, a plan of how to read them flows out. No value is read here."""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

PREFIXES: Final = ("gen_ai.usage.", "ai.usage.", "llm.usage.", "llm.token_count.", "anthropic.usage.")
"""Where counts stand: OpenTelemetry, Vercel's AI SDK, Traceloop, OpenInference, Anthropic's SDK. Of one name the first that is there counts."""

PROVIDER_METADATA: Final = "ai.response.providerMetadata"
GENKIT_OUTPUT: Final = "genkit:output"
ADK_RESPONSE: Final = "gcp.vertex.agent.llm_response"
RAW_USAGE: Final = "gen_ai.usage.raw"
OPENINFERENCE_OUTPUT: Final = "output.value"
MLFLOW_TYPE: Final = "mlflow.spanType"
MLFLOW_OUTPUTS: Final = "mlflow.spanOutputs"
MLFLOW_USAGE: Final = "mlflow.chat.tokenUsage"
LITELLM_USAGE: Final = "metadata.usage_object"
LITELLM_LANGFUSE_USAGE: Final = "langfuse.observation.metadata.usage_object"
_TEXTS: Final = frozenset(
    {
        PROVIDER_METADATA,
        GENKIT_OUTPUT,
        ADK_RESPONSE,
        RAW_USAGE,
        MLFLOW_OUTPUTS,
        MLFLOW_USAGE,
        LITELLM_USAGE,
        LITELLM_LANGFUSE_USAGE,
    }
)
"""Attributes that hold more of a usage in a text."""

SERVICE_TIERS: Final = (
    "gen_ai.openai.response.service_tier",
    "openai.response.service_tier",
    "anthropic.response.service_tier",
    "gen_ai.response.service_tier",
    "gen_ai.openai.request.service_tier",
    "openai.request.service_tier",
)
"""What was served stands before what was asked for. `gen_ai.request.service_tier` is a model parameter anyway."""

_SOURCES: Final = (*PREFIXES, *_TEXTS, *SERVICE_TIERS)
_TIERS: Final = ("service_tier", "serviceTier", "traffic_type", "trafficType")
_MAX_TIER_CHARACTERS: Final = 40

_WORDS: Final[dict[str, tuple[str, ...]]] = {
    "input": ("prompt_tokens", "input_tokens", "prompt", "inputTokens", "promptTokens", "tokens"),
    "output": ("completion_tokens", "output_tokens", "completion", "outputTokens", "completionTokens"),
    "total": ("total_tokens", "total", "totalTokens"),
    "uncached": ("inputTokenDetails.noCacheTokens",),
    "cached": (
        "cache_read.input_tokens",
        "cache_read_input_tokens",
        "cache_read_tokens",
        "inputTokenDetails.cacheReadTokens",
        "cachedInputTokens",
        "prompt_details.cache_read",
        "prompt_details.cache_input",
        "input_cached_tokens",
        "cached_tokens",
        "cached_input_tokens",
        "cached_content_tokens",
    ),
    "written": (
        "cache_creation.input_tokens",
        "cache_creation_input_tokens",
        "cache_write_tokens",
        "cache_write_input_tokens",
        "cache_write.input_tokens",
        "inputTokenDetails.cacheWriteTokens",
        "prompt_details.cache_write",
        "input_cache_creation",
    ),
    "written 5m": ("cache_creation.ephemeral_5m_input_tokens", "ephemeral_5m_input_tokens"),
    "written 1h": ("cache_creation.ephemeral_1h_input_tokens", "ephemeral_1h_input_tokens"),
    "reasoning": (
        "reasoning.output_tokens",
        "completion_details.reasoning",
        "reasoning_tokens",
        "outputTokenDetails.reasoningTokens",
        "reasoningTokens",
        "thoughts_tokens",
        "experimental.reasoning_tokens",
    ),
    "input audio": ("prompt_details.audio", "input_audio_tokens", "audio_prompt_tokens", "audio.input_tokens"),
    "input image": ("prompt_details.image", "input_image_tokens", "image_prompt_tokens", "image.input_tokens"),
    "input video": ("prompt_details.video", "input_video_tokens", "video_prompt_tokens"),
    "cached audio": ("cache_audio_read_tokens", "audio_cache_tokens", "audio.cache_read.input_tokens"),
    "cached image": ("image.cache_read.input_tokens",),
    "output audio": (
        "completion_details.audio",
        "output_audio_tokens",
        "audio_candidates_tokens",
        "audio.output_tokens",
    ),
    "output image": (
        "completion_details.image",
        "output_image_tokens",
        "image_candidates_tokens",
        "image.output_tokens",
    ),
    "accepted": ("accepted_prediction_tokens",),
    "rejected": ("rejected_prediction_tokens",),
    "known": (
        "outputTokenDetails.textTokens",
        "text_prompt_tokens",
        "text_candidates_tokens",
        "text_cache_tokens",
        "text.input_tokens",
        "text.output_tokens",
        "text.cache_read.input_tokens",
        "experimental.system_instruction_tokens",
        "experimental.reasoning_tokens_limit",
        "prompt_cache_miss_tokens",
        "raw",
    ),
}
"""What the names mean after their prefix and without `details.`; the first that is there counts. `known`: is within another one."""

_MEANINGS: Final = {word: (meaning, rank) for meaning, words in _WORDS.items() for rank, word in enumerate(words)}
METADATA_WORDS: Final = {
    "cacheReadInputTokens": "cached",
    "cachedPromptTokens": "cached",
    "promptCacheHitTokens": "cached",
    "cacheCreationInputTokens": "written",
    "cacheWriteInputTokens": "written",
    "reasoningTokens": "reasoning",
    "acceptedPredictionTokens": "accepted",
    "rejectedPredictionTokens": "rejected",
}
"""What the counts in Vercel's provider metadata mean."""


class UsagePlan(NamedTuple):
    """What the names of a span's attributes may tell of its usage, the same for all spans with these names.

    `words`: attributes and what they count, the one that counts first; `others`: those of an unknown meaning and their usage key;
    `texts`: those that hold more in a text; `tiers`: those that name a service tier.
    """

    words: tuple[tuple[str, str], ...]
    others: tuple[tuple[str, str], ...]
    texts: frozenset[str]
    tiers: tuple[str, ...]


def plan_usage(names: Iterable[str]) -> UsagePlan | None:
    """How to read the usage of spans with these names of attributes; None if they tell none."""
    given = frozenset(name for name in names if name.startswith(_SOURCES))
    if not given:
        return None
    words: list[tuple[tuple[bool, int, int], str, str]] = []
    others: list[tuple[tuple[bool, int], str, str]] = []
    for name in sorted(given):
        for order, prefix in enumerate(PREFIXES):
            if not name.startswith(prefix) or "cost" in name:
                continue
            word = name[len(prefix) :]
            plain = word.removeprefix("details.")
            meaning, rank = _MEANINGS.get(plain, ("", 0))
            if not meaning:
                others.append(((plain != word, order), name, plain))
            elif meaning != "known":
                words.append(((plain != word, rank, order), name, meaning))
    return UsagePlan(
        tuple((name, meaning) for _, name, meaning in sorted(words)),
        tuple((name, plain) for _, name, plain in sorted(others)),
        given & _TEXTS,
        tuple(name for name in SERVICE_TIERS if name in given),
    )


def tier_in(given: Mapping[object, object]) -> str | None:
    """The service tier that a usage names."""
    for name in _TIERS:
        if name in given:
            return tier_of(given[name])
    return None


def tier_of(value: object) -> str | None:
    """A service tier in lower case, None if the value is none."""
    return value.lower() if isinstance(value, str) and 0 < len(value) <= _MAX_TIER_CHARACTERS else None
