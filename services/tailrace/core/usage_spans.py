"""The usage that a span's attributes tell in the words of OpenTelemetry and of frameworks: attributes flow in, `Settled` flows out.

Langfuse's own attribute is not read here, it stands above all of these (`usage`). What each source means is in `docs/usage.md`.
"""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from tailrace.core.units import is_spoilt, mapping_of, read_counts, read_units, spoilt_warning
from tailrace.core.usage_parts import BESIDE, UNKNOWN, Counting, Reported, Settled, settle
from tailrace.core.usage_shapes import lifetimes_of, put_cache_writes, put_input, put_output
from tailrace.core.usage_texts import Attributes, Given, json_object, told_by_provider
from tailrace.core.usage_words import (
    METADATA_WORDS,
    OPENINFERENCE_OUTPUT,
    PROVIDER_METADATA,
    UsagePlan,
    tier_in,
    tier_of,
)

_PROVIDERS: Final = ("gen_ai.provider.name", "gen_ai.system", "ai.model.provider", "llm.provider", "llm.system")
_MODELS: Final = ("gen_ai.request.model", "gen_ai.response.model", "llm.model_name", "ai.model.id")
_BESIDE_SCOPES: Final = frozenset({"opentelemetry.instrumentation.bedrock"})
_BESIDE_PROVIDERS: Final = ("anthropic", "aws.bedrock", "aws_bedrock", "amazon-bedrock", "bedrock", "vertex.anthropic")
_VERCEL: Final = "ai"
_SEMCONV_CACHE: Final = "gen_ai.usage.cache_read.input_tokens"
_OLD_ADK_REASONING: Final = "gen_ai.usage.experimental.reasoning_tokens"


class SpanUsage(NamedTuple):
    """What a span used, and the service tier that it was served by."""

    settled: Settled
    tier: str | None


def read_span(attributes: Attributes, plan: UsagePlan, scope: str) -> SpanUsage:
    """The usage of a span of an instrumentation scope; `plan`: that of the names of its attributes."""
    metadata: Given = {}
    tier = tier_of(attributes[plan.tiers[0]]) if plan.tiers else None
    if plan.texts:
        metadata = json_object(attributes.get(PROVIDER_METADATA))
        tier = tier or _tier(metadata)
        told = told_by_provider(attributes, plan.texts, metadata, scope)
        if told is not None:
            return SpanUsage(settle(*told.shaped), told.tier or tier)
    found: dict[str, int] = {}
    warnings = _read_words(attributes, plan.words, found)
    others: dict[str, int] = {}
    if plan.others:
        warnings += _read_words(attributes, plan.others, others)
    lifetimes = _read_metadata(found, metadata) if metadata else {}
    if found.get("written") and not lifetimes:
        lifetimes = _lifetimes_in_answer(attributes, found["written"])
    if not found and not others:
        return SpanUsage(Settled({}, tuple(warnings)), tier)
    is_plain = found.keys() <= _SUMS
    reported = Reported(found.get("input"), found.get("output"), found.get("total"))
    if not is_plain or lifetimes:
        _put_parts(reported, found, lifetimes)
    reported.others = others
    settled = settle(reported, UNKNOWN if is_plain else _counting(attributes, scope, found))
    return SpanUsage(Settled(settled.details, (*warnings, *settled.warnings)) if warnings else settled, tier)


def _read_words(attributes: Attributes, words: Iterable[tuple[str, str]], found: dict[str, int]) -> list[str]:
    """Put the counts by their meaning; returns what is said of those that had to be left out."""
    warnings: list[str] = []
    for name, meaning in words:
        if meaning in found:
            continue
        value = attributes[name]
        units = read_units(value)
        if units is not None:
            found[meaning] = units
        elif is_spoilt(value):
            warnings.append(spoilt_warning(name))
    return warnings


def _tier(metadata: Given) -> str | None:
    for of_provider in metadata.values():
        tier = tier_in(mapping_of(of_provider))
        if tier:
            return tier
    return None


def _put_parts(reported: Reported, found: Mapping[str, int], lifetimes: Mapping[str, int]) -> None:
    told = {lifetime: found[f"written {lifetime}"] for lifetime in ("5m", "1h") if f"written {lifetime}" in found}
    put_cache_writes(reported, found.get("written"), told or lifetimes)
    modal = {name: found[f"input {name}"] for name in ("audio", "image", "video") if f"input {name}" in found}
    modal_cached = {name: found[f"cached {name}"] for name in ("audio", "image") if f"cached {name}" in found}
    put_input(reported, found.get("cached"), modal, modal_cached or None)
    put_output(
        reported,
        found.get("reasoning"),
        {name: found[f"output {name}"] for name in ("audio", "image") if f"output {name}" in found},
    )
    for word in ("accepted", "rejected"):
        if word in found:
            reported.output_parts[f"output_{word}_prediction_tokens"] = found[word]
    if "uncached" in found:
        reported.input = found["uncached"] + sum(reported.input_parts.values())


_SUMS: Final = frozenset({"input", "output", "total"})


def _read_metadata(found: dict[str, int], metadata: Given) -> dict[str, int]:
    """What Vercel's provider metadata adds to the counts; returns cache writes by lifetime."""
    lifetimes: dict[str, int] = {}
    for value in metadata.values():
        of_provider = mapping_of(value)
        usage = mapping_of(of_provider.get("usage"))
        for source in (of_provider, usage):
            for key, units in read_counts(source).items():
                if key in METADATA_WORDS:
                    found.setdefault(METADATA_WORDS[key], units)
            lifetimes |= lifetimes_of(source)
    return lifetimes


def _lifetimes_in_answer(attributes: Attributes, written: int) -> dict[str, int]:
    """Cache writes by lifetime, which OpenInference has no names for, in the answer that it writes whole."""
    usage = mapping_of(json_object(attributes.get(OPENINFERENCE_OUTPUT)).get("usage"))
    lifetimes = lifetimes_of(usage)
    return lifetimes if sum(lifetimes.values()) == written else {}


def _counting(attributes: Attributes, scope: str, found: Mapping[str, int]) -> Counting:
    """How the sender counts, by what can be told of him."""
    if scope in _BESIDE_SCOPES:
        return BESIDE
    is_beside = _is_beside(attributes)
    if scope == _VERCEL and is_beside and "uncached" not in found and _SEMCONV_CACHE not in attributes:
        return BESIDE
    return Counting(output_holds=False if _OLD_ADK_REASONING in attributes else None, cache_beside=is_beside)


def _is_beside(attributes: Attributes) -> bool:
    """Whether the provider counts what it reads from a cache and writes to one beside its input."""
    for name in _PROVIDERS:
        provider = attributes.get(name)
        if isinstance(provider, str) and provider.lower().startswith(_BESIDE_PROVIDERS):
            return True
    return any("claude" in model for name in _MODELS if isinstance(model := attributes.get(name), str))
