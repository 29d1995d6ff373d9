"""The usage of a provider's response, passed on as it came: a mapping flows in, `Reported` and how its source counts flow out.

Which provider's it is, is told by its keys alone. What each source means by its numbers stands in `docs/usage.md`.
"""

from collections.abc import Iterable, Mapping
from typing import Final, cast

from tailrace.core.units import MAX_UNITS, mapping_of, read_counts, read_units
from tailrace.core.usage_parts import BESIDE, UNKNOWN, WITHIN, Counting, Reported

Given = Mapping[object, object]


Shaped = tuple[Reported, Counting]
"""A usage whose source is known."""

GEMINI: Final = Counting(input_holds=True, output_holds=False)
_MODALITIES: Final = ("audio", "image", "video")
_MODAL_WORDS: Final = {word: name for name in _MODALITIES for word in (f"{name}_tokens", name)}
_DETAILS_IN: Final = ("prompt_tokens_details", "input_tokens_details", "input_token_details", "prompt_token_details")
_DETAILS_OUT: Final = ("completion_tokens_details", "output_tokens_details", "output_token_details")
_CACHED: Final = (
    "cached_tokens",
    "cache_read",
    "cache_read_input_tokens",
    "prompt_cache_hit_tokens",
    "cacheReadInputTokens",
    "cacheReadInputTokenCount",
    "cachedInputTokens",
    "cachedContentTokens",
)
_WRITTEN: Final = (
    "cache_write_tokens",
    "cache_creation_tokens",
    "cache_creation",
    "cache_creation_input_tokens",
    "cacheWriteInputTokens",
    "cacheWriteInputTokenCount",
)
_REASONING: Final = ("reasoning_tokens", "thinking_tokens", "reasoning", "reasoningTokens", "thoughtsTokens")
_EPHEMERAL: Final = {"5m": "ephemeral_5m_input_tokens", "1h": "ephemeral_1h_input_tokens"}
_MEANINGS: Final = {
    **dict.fromkeys(_CACHED, "cached"),
    **dict.fromkeys(_WRITTEN, "written"),
    **dict.fromkeys(_REASONING, "reasoning"),
}
_SIDES: Final = (
    ("prompt_tokens", "completion_tokens", "total_tokens"),
    ("input_tokens", "output_tokens", "total_tokens"),
    ("inputTokens", "outputTokens", "totalTokens"),
    ("promptTokens", "completionTokens", "totalTokens"),
)
_ANTHROPIC: Final = frozenset(
    {"cache_read_input_tokens", "cache_creation_input_tokens", "cache_creation", "server_tool_use"}
)
_BEDROCK: Final = frozenset(
    {
        "cacheReadInputTokens",
        "cacheWriteInputTokens",
        "cacheReadInputTokenCount",
        "cacheWriteInputTokenCount",
        "cacheDetails",
    }
)
_PREDICTIONS: Final = ("accepted_prediction_tokens", "rejected_prediction_tokens")
_NO_COUNTS: Final = ("_time", "cost", "_ticks", "Characters", "Images", "Videos", "AudioFiles")
"""How numbers of a usage end that are no units of a price: durations, amounts of money, sizes of what was sent."""


def read_shape(given: Given, counts: Mapping[str, int]) -> Shaped | None:
    """The usage if its keys say whose it is; None for a plain map of usage keys. `counts`: what of it are counts."""
    if "input" in given or "output" in given or "total" in given:
        return None
    for names in _SIDES:
        if names[0] in given or names[1] in given:
            return _read_sides(given, counts, names), _counting(given, names)
    if not given.keys().isdisjoint(_GEMINI_KEYS):
        return read_gemini(given), GEMINI
    if "billed_units" in given:
        return _read_cohere(given), WITHIN
    return None


def read_anthropic(given: Given) -> Shaped:
    """Anthropic's own usage, from which another sender has taken its numbers."""
    return _read_sides(given, read_counts(given), _SIDES[1]), BESIDE


def _read_sides(given: Given, counts: Mapping[str, int], names: tuple[str, str, str]) -> Reported:
    reported = Reported(counts.get(names[0]), counts.get(names[1]), counts.get(names[2]))
    if len(given) == 3 and len(counts) == 3 and names[2] in counts:
        return reported
    details = _first_mapping(given, _DETAILS_IN)
    of_input, of_output = read_counts(details), read_counts(_first_mapping(given, _DETAILS_OUT))
    told_in, told_out = _by_meaning(of_input, counts), _by_meaning(of_output, counts)
    put_cache_writes(reported, told_in.get("written"), lifetimes_of(given) or lifetimes_of(details))
    modal_cached = _modal(read_counts(details["cached_tokens_details"])) if "cached_tokens_details" in details else None
    put_input(reported, told_in.get("cached"), _modal(of_input), modal_cached or None)
    put_output(reported, told_out.get("reasoning"), _modal(of_output))
    for key in _PREDICTIONS:
        if key in of_output:
            reported.output_parts[f"output_{key}"] = of_output[key]
    for key, units in counts.items():
        if key not in COUNTS and not key.endswith(_NO_COUNTS):
            reported.others[key] = units
    if "server_tool_use" in given:
        requests = read_units(mapping_of(given["server_tool_use"]).get("web_search_requests"))
        if requests:
            reported.others["web_search_requests"] = requests
    return reported


def _by_meaning(details: Mapping[str, int], counts: Mapping[str, int]) -> dict[str, int]:
    """What was cached, written to a cache and thought: details stand before what is told beside the sums."""
    found: dict[str, int] = {}
    for source in (details, counts):
        for key, units in source.items():
            meaning = _MEANINGS.get(key)
            if meaning is not None:
                found.setdefault(meaning, units)
    return found


def _counting(given: Given, names: tuple[str, str, str]) -> Counting:
    """Anthropic's and Bedrock's input is without its cache. Genkit gives Gemini's numbers, Vercel's SDK any provider's."""
    if names[0] == "input_tokens" and not _ANTHROPIC.isdisjoint(given) and not any(key in given for key in _DETAILS_IN):
        return BESIDE
    if names[0] == "inputTokens" and not _BEDROCK.isdisjoint(given):
        return BESIDE
    if "thoughtsTokens" in given:
        return GEMINI
    return UNKNOWN if names[0] in ("inputTokens", "promptTokens") else WITHIN


def read_gemini(given: Given) -> Reported:
    """`usageMetadata`: thoughts and the prompts of tool use stand beside the candidates and the prompt, cached tokens within."""
    counts = {_GEMINI_KEYS[key]: units for key, units in read_counts(given).items() if key in _GEMINI_KEYS}
    lists = {meaning: _modalities(given[key]) for key, meaning in _GEMINI_LISTS.items() if key in given}
    prompt, answer = counts.get("prompt"), counts.get("candidates")
    reported = Reported(prompt, 0 if answer is None and "thoughts" in counts else answer, counts.get("total"))
    put_input(reported, counts.get("cached"), lists.get("prompt", {}), lists.get("cached"))
    put_output(reported, None, lists.get("candidates", {}))
    _take_from_output(reported)
    if "thoughts" in counts:
        reported.output_parts["output_reasoning_tokens"] = counts["thoughts"]
    if counts.get("tool_use"):
        reported.beside["input_tool_use_tokens"] = counts["tool_use"]
    return reported


def _take_from_output(reported: Reported) -> None:
    """Audio and images are within the candidates, though thoughts are not."""
    if reported.output is not None:
        reported.output = max(reported.output - sum(reported.output_parts.values()), 0)


def put_cache_writes(reported: Reported, written: int | None, lifetimes: Mapping[str, int]) -> None:
    """Tokens written to a cache, of which some may be told by how long they live."""
    for lifetime, units in lifetimes.items():
        reported.input_parts[f"input_cache_creation_{lifetime}"] = units
    rest = None if written is None else max(written - sum(lifetimes.values()), 0)
    if rest or (rest is not None and not lifetimes):
        reported.input_parts["input_cache_creation"] = rest


def put_input(
    reported: Reported,
    cached: int | None,
    modal: Mapping[str, int],
    modal_cached: Mapping[str, int] | None,
) -> None:
    """Cached tokens and tokens of audio, images and video: both divide the same input, so their overlap gets keys of its own.

    `modal_cached`: of what the cached tokens are. Where nobody says it, they are text as far as there is text.
    """
    parts = reported.input_parts
    overlap = {name: min((modal_cached or {}).get(name, 0), units) for name, units in modal.items()}
    if modal_cached is None and cached and reported.input is not None:
        left = cached - max(reported.input - sum(modal.values()), 0)
        for name, units in modal.items():
            overlap[name] = min(max(left, 0), units)
            left -= overlap[name]
    for name, units in modal.items():
        parts[f"input_{name}_tokens"] = units - overlap[name]
        if overlap[name] and name != "video":
            parts[f"input_cached_{name}_tokens"] = overlap[name]
    if cached is not None:
        apart = sum(units for name, units in overlap.items() if name != "video")
        parts["input_cached_tokens"] = max(cached - apart, 0)


def put_output(reported: Reported, reasoning: int | None, modal: Mapping[str, int]) -> None:
    """Reasoning, audio and images of an answer."""
    for name, units in modal.items():
        reported.output_parts[f"output_{name}_tokens"] = units
    if reasoning is not None:
        reported.output_parts["output_reasoning_tokens"] = reasoning


def _read_cohere(given: Given) -> Reported:
    """Cohere counts its own additions to a prompt under `tokens`, and what it charges for under `billed_units`."""
    counts = read_counts(given.get("billed_units"))
    reported = Reported(counts.pop("input_tokens", None), counts.pop("output_tokens", None), None)
    reported.others |= counts
    return reported


def lifetimes_of(given: Given) -> dict[str, int]:
    """Cache writes by their lifetime: Anthropic nests them, LangChain has them beside its other details, Bedrock lists them."""
    found: dict[str, int] = {}
    nested = mapping_of(given.get("cache_creation")) or mapping_of(given.get("cache_creation_token_details")) or given
    for lifetime, name in _EPHEMERAL.items():
        units = read_units(nested[name]) if name in nested else None
        if units is not None:
            found[lifetime] = units
    listed = given.get("cacheDetails")
    for item in cast("Iterable[object]", listed) if isinstance(listed, list) else ():
        entry = mapping_of(item)
        lifetime, units = entry.get("ttl"), read_units(entry.get("inputTokens"))
        if isinstance(lifetime, str) and lifetime in _EPHEMERAL and units is not None:
            found[lifetime] = min(found.get(lifetime, 0) + units, MAX_UNITS)
    return found


def _modal(counts: Mapping[str, int]) -> dict[str, int]:
    return {_MODAL_WORDS[key]: units for key, units in counts.items() if key in _MODAL_WORDS}


def _modalities(value: object) -> dict[str, int]:
    """Gemini's lists of `{modality, tokenCount}`, without text and documents, which cost as text."""
    found: dict[str, int] = {}
    for item in cast("Iterable[object]", value) if isinstance(value, list) else ():
        entry = mapping_of(item)
        name, units = entry.get("modality"), read_units(entry.get("tokenCount", entry.get("token_count")))
        if isinstance(name, str) and name.lower() in _MODALITIES and units is not None:
            found[name.lower()] = min(found.get(name.lower(), 0) + units, MAX_UNITS)
    return found


def _first_mapping(given: Given, names: Iterable[str]) -> Given:
    for name in names:
        found = mapping_of(given.get(name))
        if found:
            return found
    return {}


_GEMINI_KEYS: Final = {
    spelling: meaning
    for meaning, spellings in {
        "prompt": ("promptTokenCount", "prompt_token_count"),
        "candidates": (
            "candidatesTokenCount",
            "candidates_token_count",
            "responseTokenCount",
            "response_token_count",
        ),
        "total": ("totalTokenCount", "total_token_count"),
        "cached": ("cachedContentTokenCount", "cached_content_token_count"),
        "thoughts": ("thoughtsTokenCount", "thoughts_token_count"),
        "tool_use": ("toolUsePromptTokenCount", "tool_use_prompt_token_count"),
    }.items()
    for spelling in spellings
}
_GEMINI_LISTS: Final = {
    "promptTokensDetails": "prompt",
    "prompt_tokens_details": "prompt",
    "candidatesTokensDetails": "candidates",
    "candidates_tokens_details": "candidates",
    "responseTokensDetails": "candidates",
    "response_tokens_details": "candidates",
    "cacheTokensDetails": "cached",
    "cache_tokens_details": "cached",
}
COUNTS: Final = frozenset(
    {
        *_CACHED,
        *_WRITTEN,
        *_REASONING,
        *_GEMINI_KEYS,
        "prompt_cache_miss_tokens",
        "text_tokens",
        *_EPHEMERAL.values(),
        *(name for names in _SIDES for name in names),
    }
)
"""All keys that hold a count of a known meaning."""
