"""Where the shipped prices come from: the PyPI package genai-prices and our supplement flow in, price table entries flow out.

genai-prices describes a model's names by clauses. Each becomes an exact or a versioned name (`core.model_names`); a clause that
neither can say is an error, so that a new release of the package is looked at by a person. Left out, since they cannot be charged by what a
usage says: prices that change with the hour, fees per request or per search, pages, prices per time that are endless decimals, and models without a price.
"""

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Final

import msgspec
from genai_prices import __version__ as genai_version
from genai_prices.data import providers as genai_providers
from genai_prices.types import (
    ClauseAnd,
    ClauseContains,
    ClauseEndsWith,
    ClauseEquals,
    ClauseOr,
    ClauseRegex,
    ClauseStartsWith,
    MatchLogic,
    ModelInfo,
    ModelPrice,
    StartDateConstraint,
    TieredPrices,
)

from tailrace.admin.price_supplement import (
    MILLION,
    ExtraNames,
    PriceSourceError,
    ProviderSource,
    Supplement,
    entry_of,
    per_unit,
    tier,
    with_service_tier,
)
from tailrace.core.price_file import DatedPrice, PricedModel, PriceTier, Unit

_TOKEN_KEYS: Final = {
    "input_mtok": "input",
    "cache_read_mtok": "input_cached_tokens",
    "cache_write_mtok": "input_cache_creation",
    "cache_write_5m_mtok": "input_cache_creation_5m",
    "cache_write_1h_mtok": "input_cache_creation_1h",
    "input_audio_mtok": "input_audio_tokens",
    "cache_audio_read_mtok": "input_cached_audio_tokens",
    "input_image_mtok": "input_image_tokens",
    "cache_image_read_mtok": "input_cached_image_tokens",
    "input_video_mtok": "input_video_tokens",
    "output_mtok": "output",
    "output_reasoning_mtok": "output_reasoning_tokens",
    "output_audio_mtok": "output_audio_tokens",
    "output_image_mtok": "output_image_tokens",
    "output_video_mtok": "output_video_tokens",
}
_UNITS: Final[tuple[tuple[Unit, dict[str, str], int], ...]] = (
    ("TOKENS", _TOKEN_KEYS, MILLION),
    ("CHARACTERS", {"input_mchars": "input"}, MILLION),
    ("SECONDS", {"input_audio_hours": "input"}, 3600),
)
_AWS_VENDOR: Final = re.compile(
    r"(?:^|\.)(?:ai21|amazon|anthropic|cohere|deepseek|google|meta|minimax|mistral|moonshotai|nvidia|openai|qwen|writer|zai)\.",
)


def priced_models(supplement: Supplement) -> list[PricedModel]:
    """All entries of the table, by provider in the supplement's order and then by name. Raises PriceSourceError."""
    entries: dict[tuple[str, str], PricedModel] = {}
    for provider in supplement.providers:
        for model in _of_package(provider):
            entries[provider.id, model.model] = model
    for extra in supplement.names:
        entries[extra.provider, extra.model] = _with_names(entries, extra)
    for model in supplement.models:
        entries[model.provider, model.model] = entry_of(model)
    for served in supplement.service_tiers:
        for name in served.models:
            if (served.provider, name) not in entries:
                raise PriceSourceError(f"the supplement names {name} of {served.provider}, which there is no price of")
            entries[served.provider, name] = with_service_tier(entries[served.provider, name], served)
    order = {provider.id: place for place, provider in enumerate(supplement.providers)}
    return sorted(entries.values(), key=lambda entry: (order[entry.provider], entry.model))


def _of_package(provider: ProviderSource) -> Iterator[PricedModel]:
    found = next((candidate for candidate in genai_providers if candidate.id == provider.id), None)
    if found is None:
        return
    source = f"genai-prices {genai_version}: {provider.name}, {provider.page}"
    for model in found.models:
        if provider.drop is not None and re.search(provider.drop, model.id):
            continue
        rows = list(_dated_prices(model, source))
        if rows:
            unit = rows[0][0]
            yield _entry(provider, model, unit, tuple(row for _, row in rows))


def _entry(provider: ProviderSource, model: ModelInfo, unit: Unit, prices: tuple[DatedPrice, ...]) -> PricedModel:
    exact, versioned = _names(model)
    if provider.id == "aws":
        exact, versioned = _bedrock_names(exact), _bedrock_names(versioned)
    name = _own_name(model.id.lower(), exact | versioned)
    exact.add(name)
    bare = provider.bare or any(re.search(provider.bare_names or "$.", own) for own in exact)
    return PricedModel(
        model=name if provider.bare else f"{provider.id}/{name}",
        provider=provider.id,
        unit=unit,
        exact=tuple(sorted(exact - versioned)),
        versioned=tuple(sorted(versioned)),
        routed_only=not bare,
        prices=prices,
    )


def _own_name(model_id: str, names: set[str]) -> str:
    """genai-prices calls what is sold in single geographies `regional.`; some of it is not sold without one."""
    name = model_id.removeprefix("regional.")
    if name == model_id or any(name.startswith(own) for own in names):
        return name
    return f"us.{name}"


def _names(model: ModelInfo) -> tuple[set[str], set[str]]:
    exact: set[str] = set()
    versioned: set[str] = set()
    for clause in _clauses(model.match):
        match clause:
            case ClauseEquals():
                exact.add(clause.equals.lower())
            case ClauseEndsWith():
                exact.add(clause.ends_with.lower().removeprefix("/"))
            case ClauseStartsWith():
                versioned.add(_versioned(clause.starts_with))
            case ClauseContains():
                versioned.add(_versioned(clause.contains))
            case ClauseRegex():
                versioned.add(_versioned(_regex_stem(clause.regex, model.id)))
            case _:
                raise PriceSourceError(f"no words for the match of {model.id}: {clause!r}")
    return exact, versioned


def _clauses(match: MatchLogic) -> Iterator[MatchLogic]:
    if isinstance(match, ClauseOr):
        for clause in match.or_:
            yield from _clauses(clause)
    elif isinstance(match, ClauseAnd):
        # "this beginning, but no text-to-speech": a version suffix never says `-tts`
        yield from (c for c in match.and_ if not (isinstance(c, ClauseRegex) and c.regex.startswith("^(?!")))
    else:
        yield match


def _versioned(beginning: str) -> str:
    """A beginning without the first characters of a version suffix."""
    return re.sub(r"[-@](?:0|20\d\d)?$", "", beginning.lower())


def _regex_stem(pattern: str, model_id: str) -> str:
    """The literal name in a pattern of a name and a date."""
    stem = re.sub(r"(?:\[-@\]|-)(?:\\d(?:\{\d\})?-?)+\$?$", "", pattern.removeprefix("^"))
    literal = re.sub(r"\\([.\-])", r"\1", stem)
    if re.escape(literal).replace(r"\-", "-") != stem.replace(r"\-", "-"):
        raise PriceSourceError(f"no words for the pattern of {model_id}: {pattern}")
    return literal


def _bedrock_names(names: set[str]) -> set[str]:
    """Bedrock ids only, each with its vendor. What `us.` shares with its regions is left to the look-up; `us-gov.` costs more."""
    ids: set[str] = set()
    for name in names:
        if name.startswith("claude-3"):
            ids |= {f"{geography}anthropic.{name}" for geography in ("", "eu.", "apac.")}
        else:
            ids.add(f"amazon.{name}" if name.startswith("titan-") else name)
    ids = {name for name in ids if _AWS_VENDOR.search(name) and not name.startswith("us-gov.")}
    return {name for name in ids if not name.startswith("us.") or name.removeprefix("us.") not in ids}


def _dated_prices(model: ModelInfo, source: str) -> Iterator[tuple[Unit, DatedPrice]]:
    rows = (
        [(None, model.prices)]
        if isinstance(model.prices, ModelPrice)
        else [(r.constraint, r.prices) for r in model.prices]
    )
    if any(constraint is not None and not isinstance(constraint, StartDateConstraint) for constraint, _ in rows):
        return
    for constraint, prices in rows:
        priced = _tiers(prices)
        if priced is None:
            return
        first_day = constraint.start_date if isinstance(constraint, StartDateConstraint) else None
        yield priced[0], DatedPrice(source=source, tiers=priced[1], valid_from=first_day)


def _tiers(prices: ModelPrice) -> tuple[Unit, tuple[PriceTier, ...]] | None:
    given: dict[str, Decimal | TieredPrices] = {k: v for k, v in vars(prices).items() if v is not None}
    if "requests_kcount" in given:
        return None
    found = _in_one_unit(given)
    if found is None:
        return None
    unit, values, per = found
    starts = sorted(
        {tier.start for v in values.values() if isinstance(v, TieredPrices) for tier in v.tiers}, reverse=True
    )
    tiers: list[PriceTier] = []
    for priority, start in enumerate([0, *starts]):
        by_unit = {key: per_unit(_at(value, start), per) for key, value in values.items()}
        exact = {key: price for key, price in by_unit.items() if price is not None}
        if len(exact) < len(by_unit):
            return None
        tiers.append(tier(priority, start, exact))
    return unit, tuple(tiers)


def _in_one_unit(
    given: Mapping[str, Decimal | TieredPrices],
) -> tuple[Unit, dict[str, Decimal | TieredPrices], int] | None:
    """The prices by our usage types, in the first unit that there are prices in, and of how many units they are."""
    for unit, keys, per in _UNITS:
        values = {usage_type: given[key] for key, usage_type in keys.items() if key in given}
        if values:
            return unit, values, per
    return None


def _at(value: Decimal | TieredPrices, start: int) -> Decimal:
    """The price above so many input tokens."""
    if isinstance(value, Decimal):
        return value
    return next((tier.price for tier in reversed(value.tiers) if start and tier.start <= start), value.base)


def _with_names(entries: Mapping[tuple[str, str], PricedModel], extra: ExtraNames) -> PricedModel:
    entry = entries.get((extra.provider, extra.model))
    if entry is None:
        raise PriceSourceError(
            f"the supplement names {extra.model} of {extra.provider}, which genai-prices does not have"
        )
    return msgspec.structs.replace(
        entry,
        exact=tuple(sorted({*entry.exact, *extra.exact} - set(extra.without))),
        versioned=tuple(sorted({*entry.versioned, *extra.versioned})),
    )
