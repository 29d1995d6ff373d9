"""The shipped `schemas/prices.json`: whole, sourced, unambiguous, and what its sources make."""

import json
import re
from datetime import UTC, date, datetime, time
from pathlib import Path

import pytest

from tailrace.admin.prices import generate, main
from tailrace.core.price_file import PricedModel, read_price_file
from tailrace.core.pricing import load_price_table

SCHEMAS = Path(__file__).parents[1] / "schemas"
FILE = read_price_file((SCHEMAS / "prices.json").read_bytes())
TABLE = load_price_table((SCHEMAS / "prices.json").read_bytes())


def days(model: PricedModel) -> list[datetime]:
    """A time within each price of the model."""
    return [datetime.combine(price.valid_from or date(2020, 1, 1), time.min, UTC) for price in model.prices]


def test_the_file_is_what_its_sources_make(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check", "--directory", str(SCHEMAS)]) == 0, capsys.readouterr().err


def test_drift_is_named_and_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("prices.supplement.toml", "prices.schema.json"):
        (tmp_path / name).write_text((SCHEMAS / name).read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "prices.json").write_text("{}", encoding="utf-8")
    assert main(["--check", "--directory", str(tmp_path)]) == 1
    assert "prices.json is not what its sources make; run `make prices`" in capsys.readouterr().err


def test_a_broken_supplement_is_named_in_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "prices.supplement.toml").write_text("providers = 3", encoding="utf-8")
    assert main(["--directory", str(tmp_path)]) == 2
    assert "Expected `array`, got `int` - at `$.providers`" in capsys.readouterr().err


def test_the_version_follows_the_contents() -> None:
    text = (SCHEMAS / "prices.supplement.toml").read_text(encoding="utf-8")
    changed = generate(text.replace('name = "Anthropic"', 'name = "Anthropic PBC"'))["prices.json"]
    assert generate(text)["prices.json"] == (SCHEMAS / "prices.json").read_text(encoding="utf-8")
    assert read_price_file(changed.encode()).version != FILE.version


def test_every_price_has_a_source() -> None:
    assert all(price.source.strip() for model in FILE.models for price in model.prices)


def test_every_model_is_known_by_its_own_name_in_each_of_its_prices() -> None:
    for model in FILE.models:
        for price, at in zip(model.prices, days(model), strict=True):
            found = TABLE.match(model.model, at)
            assert found is not None, model.model
            assert (found.model, found.source) == (model.model, price.source)


def test_every_name_is_known_with_its_route_and_most_without() -> None:
    routes = {provider.id: provider.routes[0] for provider in FILE.providers}
    for model in FILE.models:
        for name in (*model.exact, *model.versioned):
            routed = TABLE.match(f"{routes[model.provider]}/{name}", days(model)[-1])
            assert routed is not None, name
            assert routed.model == model.model
            bare = TABLE.match(name, days(model)[-1])
            assert model.routed_only or (bare is not None and bare.model == model.model), name


def test_no_two_models_of_equal_rank_have_the_same_name() -> None:
    for routed_too in (False, True):
        seen: dict[tuple[str, str, str], str] = {}
        for model in FILE.models:
            if model.routed_only and not routed_too:
                continue
            scope = model.provider if routed_too else ""
            for rank, names in (("exact", model.exact), ("versioned", model.versioned)):
                for name in names:
                    assert seen.setdefault((scope, rank, name), model.model) == model.model, name


def test_normalised_names_are_unique_and_fit_a_metric_label() -> None:
    names = [model.model for model in FILE.models]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[a-z0-9~@._:/+-]{1,120}", name) for name in names)


def test_all_names_are_lower_case() -> None:
    names = [name for model in FILE.models for name in (model.model, *model.exact, *model.versioned)]
    assert [name for name in names if name != name.lower()] == []


def test_every_charged_key_is_a_usage_type() -> None:
    usage_types = {usage_type.name for usage_type in FILE.usage_types}
    for model in FILE.models:
        for price in model.prices:
            keys = {key for tier in price.tiers for key in tier.prices}
            assert keys <= usage_types, model.model
            assert all(tier.prices.keys() == price.tiers[0].prices.keys() for tier in price.tiers), model.model


def test_prices_are_plain_decimal_strings_per_unit() -> None:
    raw = json.loads((SCHEMAS / "prices.json").read_text(encoding="utf-8"))
    prices = [
        text
        for model in raw["models"]
        for price in model["prices"]
        for tier in price["tiers"]
        for text in tier["prices"].values()
    ]
    assert all(isinstance(text, str) and re.fullmatch(r"\d+(\.\d+)?", text) for text in prices)
    assert max(float(text) for text in prices) < 0.01, "a price per million units slipped in"


def test_the_well_known_models_are_there() -> None:
    at = datetime(2026, 11, 1, tzinfo=UTC)
    for name in (
        "gpt-4o",
        "gpt-4.1-mini",
        "gpt-5",
        "o3",
        "claude-3-5-haiku-latest",
        "claude-sonnet-4-20250514",
        "claude-opus-4-5",
        "gemini-2.5-flash",
        "mistral-small-latest",
        "command-r-plus",
        "grok-4",
        "groq/llama-3.3-70b-versatile",
        "llama-3.3-70b-versatile",
        "together_ai/meta-llama/Llama-3.3-70B-Instruct-Turbo",
        "accounts/fireworks/models/gpt-oss-120b",
        "openrouter/qwen/qwen3-32b",
        "anthropic/claude-sonnet-4.5",
        "azure/gpt-4o-mini",
        "vertex_ai/claude-sonnet-4-5@20250929",
        "google-gla:gemini-2.5-pro",
    ):
        assert TABLE.match(name, at) is not None, name
