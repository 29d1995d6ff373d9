"""A usage as a mapping: a provider's own, or usage keys of the sender's choice. `Usage` flows out."""

import re
from collections.abc import Container, Mapping
from decimal import ROUND_HALF_UP, Decimal
from math import isfinite
from typing import Final, Literal, NamedTuple

from tailrace.core.units import MAX_UNITS, is_spoilt, read_counts, read_units, spoilt_warning
from tailrace.core.usage_parts import Settled, settle, with_total
from tailrace.core.usage_shapes import COUNTS, read_shape
from tailrace.core.usage_words import tier_in

UsageUnit = Literal["CHARACTERS", "TOKENS", "SECONDS", "MILLISECONDS", "IMAGES", "REQUESTS"]

TOTALS: Final = ("total", "total_tokens", "totalTokens", "total_token_count", "totalTokenCount")
"""What a total is called; the first that is there counts."""

_TOKENS: Final = re.compile("input|output|token|cache|prompt|completion|reasoning", re.IGNORECASE)
"""Found in the keys that a total is the sum of for certain; other keys may count something else."""

_SIMPLE: Final = frozenset({"input", "output", "total"})
_WITHIN_CREATION: Final = ("cache_creation_ephemeral_5m_input_tokens", "cache_creation_ephemeral_1h_input_tokens")
_MODAL: Final = re.compile(r"(input|output|cached)_modality_(?:MediaModality\.)?(\w+)", re.IGNORECASE)
_MODAL_KEYS: Final = {
    ("input", "audio"): "input_audio_tokens",
    ("input", "image"): "input_image_tokens",
    ("input", "video"): "input_video_tokens",
    ("output", "audio"): "output_audio_tokens",
    ("output", "image"): "output_image_tokens",
    ("cached", "audio"): "input_cached_audio_tokens",
    ("cached", "image"): "input_cached_image_tokens",
}
_NO_KEY: Final = re.compile(r"(?!)")
_DETAIL: Final = {"input": re.compile(r"input_.+"), "output": re.compile(r"output_.+")}
_WRITTEN: Final = {"input": re.compile("cache_creation_input_tokens"), "output": _NO_KEY}
"""Which keys may be told twice: OpenAI's details all together, or Anthropic's cache writes alone."""

_PLAIN_KEYS: Final = {"input": "input", "output": "output", "cached": "input_cached_tokens"}


class Usage(NamedTuple):
    """What a sender used: units by usage key with `total`, and what the units are if it said so.

    `warnings`: what of it cannot be true or had to be left out. `service_tier`: how it was served (batch, flex, priority …), lower case.
    """

    details: dict[str, int]
    unit: UsageUnit | None = None
    warnings: tuple[str, ...] = ()
    service_tier: str | None = None


NO_USAGE: Final = Usage({})


def read_map(given: Mapping[object, object]) -> Usage:
    """A provider's own usage by what that provider means; any other map as it is, its names are free."""
    if not given:
        return NO_USAGE
    counts = read_counts(given)
    if len(counts) == len(given) and counts.keys() <= _SIMPLE:
        settled = with_total(counts, counts.pop("total", None))
        return Usage(settled.details, None, settled.warnings)
    if given.get("type") == "duration":
        return _duration(given.get("seconds"))
    shaped = read_shape(given, counts)
    warnings = () if len(counts) == len(given) else spoilt_warnings(given, given if shaped is None else COUNTS)
    settled = _plain(counts) if shaped is None else settle(*shaped)
    return Usage(settled.details, None, warnings + settled.warnings, tier_in(given))


def _plain(counts: dict[str, int]) -> Settled:
    """Usage keys of the sender's own choice, disjoint by contract."""
    if not counts.keys().isdisjoint(_WITHIN_CREATION):
        _part_cache_writes(counts)
    if any("_modality_" in key for key in counts):
        _name_modalities(counts)
    total = next((counts[key] for key in TOTALS if key in counts), None)
    if total is not None:
        _take_out_repeated(counts, total)
    parts = {key: units for key, units in counts.items() if key not in TOTALS}
    others = 0 if total is None else sum(units for key, units in parts.items() if not _TOKENS.search(key))
    settled = with_total(parts, total, others=others)
    if counts.keys() - parts.keys() <= {"total"}:
        return settled
    return Settled(counts | settled.details, settled.warnings)


def _take_out_repeated(counts: dict[str, int], total: int) -> None:
    """Parts that stand within the input or the output and beside them too, if the total tells it to the unit.

    `langfuse` 3 for JavaScript writes OpenAI's details so; LiteLLM leaves what was written to Anthropic's cache in the input.
    """
    if not {"input", "output"} <= counts.keys():
        return
    excess = sum(units for key, units in counts.items() if key not in TOTALS) - total
    if excess <= 0:
        return
    for names in (_DETAIL, _WRITTEN):
        inside = {side: [key for key in counts if names[side].fullmatch(key)] for side in ("input", "output")}
        sums = {side: sum(counts[key] for key in keys) for side, keys in inside.items()}
        if sum(sums.values()) == excess and all(sums[side] <= counts[side] for side in sums):
            for side, units in sums.items():
                counts[side] -= units
            return


def _part_cache_writes(counts: dict[str, int]) -> None:
    """Langfuse's LangChain handler tells Anthropic's cache writes by lifetime and their sum."""
    written = counts.get("cache_creation_input_tokens")
    within = [counts[key] for key in _WITHIN_CREATION if key in counts] if written is not None else []
    if within and written is not None:
        counts["cache_creation_input_tokens"] = max(written - sum(within), 0)
    for lifetime, key in zip(("5m", "1h"), _WITHIN_CREATION, strict=True):
        if key in counts:
            counts[f"input_cache_creation_{lifetime}"] = counts.pop(key)


def _name_modalities(counts: dict[str, int]) -> None:
    """That handler tells Gemini's modalities as `input_modality_1`, already taken out of the input."""
    modal = [(key, found) for key in counts if "_modality_" in key and (found := _MODAL.fullmatch(key))]
    for key, found in modal:
        side = found[1].lower()
        name = _MODAL_KEYS.get((side, found[2].lower()), _PLAIN_KEYS[side])
        counts[name] = min(counts.get(name, 0) + counts.pop(key), MAX_UNITS)
    if modal:
        counts.pop("cached_content_token_count", None)


def _duration(seconds: object) -> Usage:
    """A transcription that is charged by time, which OpenAI rounds to the nearest second."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float | Decimal):
        return NO_USAGE
    if not isfinite(seconds) or not 0 <= seconds <= MAX_UNITS:
        return NO_USAGE
    whole = int(Decimal(str(seconds)).quantize(Decimal(1), rounding=ROUND_HALF_UP))
    return Usage({"input": whole, "total": whole}, "SECONDS")


def spoilt_warnings(given: Mapping[object, object], names: Container[object]) -> tuple[str, ...]:
    """A warning for each count of these names that had to be left out."""
    return tuple(
        sorted(
            spoilt_warning(key)
            for key, value in given.items()
            if isinstance(key, str) and key in names and read_units(value) is None and is_spoilt(value)
        )
    )


def has_total(given: Mapping[object, object]) -> bool:
    return any(read_units(given.get(key)) is not None for key in TOTALS)
