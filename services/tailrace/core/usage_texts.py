"""The usage of a provider's answer, where a framework passes it on in the text of one attribute: attributes flow in, `Told` flows out."""

import json
import re
from collections.abc import Mapping
from typing import Final, NamedTuple, cast

from tailrace.core.units import mapping_of, read_counts
from tailrace.core.usage_parts import WITHIN, Reported
from tailrace.core.usage_shapes import (
    GEMINI,
    Shaped,
    put_cache_writes,
    put_input,
    read_anthropic,
    read_gemini,
    read_shape,
)
from tailrace.core.usage_words import (
    ADK_RESPONSE,
    GENKIT_OUTPUT,
    LITELLM_USAGE,
    MLFLOW_OUTPUTS,
    MLFLOW_TYPE,
    MLFLOW_USAGE,
    RAW_USAGE,
    tier_in,
)

Attributes = Mapping[str, object]
Given = Mapping[object, object]

_LITELLM: Final = "litellm"
_MLFLOW_CALLS: Final = frozenset({"CHAT_MODEL", "LLM", "EMBEDDING"})
_PYTHON: Final = re.compile(r"(?:[{}\[\]:,\s\d.eE+-]|'[^'\\\"]*'|None|True|False)+", re.ASCII)
_PYTHON_WORD: Final = re.compile(r"'([^']*)'|None|True|False")
_PYTHON_CONSTANTS: Final = {"None": "null", "True": "true", "False": "false"}
_MAX_PYTHON_CHARACTERS: Final = 10_000


class Told(NamedTuple):
    """A provider's own usage, and the service tier that it names."""

    shaped: Shaped
    tier: str | None


def told_by_provider(given: Attributes, texts: frozenset[str], metadata: Given, scope: str) -> Told | None:
    """The usage that one of the texts holds. `metadata`: of providers, as the Vercel AI SDK passes it on."""
    if ADK_RESPONSE in texts:
        usage = mapping_of(json_object(given[ADK_RESPONSE]).get("usage_metadata"))
        if usage:
            return Told((read_gemini(usage), GEMINI), tier_in(usage))
    if GENKIT_OUTPUT in texts:
        answer = json_object(given[GENKIT_OUTPUT])
        told = told_in(mapping_of(answer.get("raw")).get("usage")) or told_in(answer.get("usage"))
        if told is not None:
            return told
    if RAW_USAGE in texts:
        told = told_in(json_object(given[RAW_USAGE]))
        if told is not None:
            return told
    if MLFLOW_OUTPUTS in texts or MLFLOW_USAGE in texts:
        return _told_by_mlflow(given)
    if LITELLM_USAGE in texts and scope == _LITELLM:
        return told_in(python_object(given[LITELLM_USAGE]))
    return _told_by_vercel(metadata)


def told_in(value: object) -> Told | None:
    """A usage whose keys say whose it is."""
    usage = mapping_of(value)
    shaped = read_shape(usage, read_counts(usage)) if usage else None
    return None if shaped is None else Told(shaped, tier_in(usage))


def json_object(value: object) -> Given:
    """The object that a text is the JSON of, or an empty one."""
    if not isinstance(value, str) or "{" not in value:
        return {}
    try:
        return mapping_of(cast("object", json.loads(value)))
    except (ValueError, RecursionError):
        return {}


def python_object(value: object) -> Given:
    """The dict that a text is the Python literal of, as `str` writes one of plain keys and numbers; or an empty one."""
    if not isinstance(value, str) or len(value) > _MAX_PYTHON_CHARACTERS or not _PYTHON.fullmatch(value):
        return {}
    return json_object(_PYTHON_WORD.sub(_as_json, value))


def _as_json(found: re.Match[str]) -> str:
    return _PYTHON_CONSTANTS.get(found[0]) or f'"{found[1]}"'


def _told_by_vercel(metadata: Given) -> Told | None:
    raw = mapping_of(mapping_of(metadata.get("anthropic")).get("usage"))
    if "input_tokens" in raw and "output_tokens" in raw:
        return Told(read_anthropic(raw), tier_in(raw))
    for provider in ("google", "vertex"):
        usage = mapping_of(mapping_of(metadata.get(provider)).get("usageMetadata"))
        if usage:
            return Told((read_gemini(usage), GEMINI), tier_in(usage))
    return None


def _told_by_mlflow(given: Attributes) -> Told | None:
    """The usage in the answer of a model, else what MLflow has made of it: there the input holds the cache, whoever the provider is."""
    if _plain_word(given.get(MLFLOW_TYPE)) in _MLFLOW_CALLS:
        answer = json_object(given.get(MLFLOW_OUTPUTS))
        told = told_in(answer.get("usage"))
        if told is not None:
            return told._replace(tier=told.tier or tier_in(answer))
    counts = read_counts(json_object(given.get(MLFLOW_USAGE)))
    if not counts:
        return None
    reported = Reported(counts.get("input_tokens"), counts.get("output_tokens"), counts.get("total_tokens"))
    for_an_hour = counts.get("cache_creation_input_tokens_above_1hr")
    lifetimes = {} if not for_an_hour else {"1h": for_an_hour}
    put_cache_writes(reported, counts.get("cache_creation_input_tokens"), lifetimes)
    put_input(reported, counts.get("cache_read_input_tokens"), {}, None)
    return Told((reported, WITHIN), None)


def _plain_word(value: object) -> str:
    return value.strip('"') if isinstance(value, str) else ""
