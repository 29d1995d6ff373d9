"""What a batch, flex or priority costs: a tier of the shipped table that asks how an observation was served."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from tailrace.core.charging import Priced, charge_usage
from tailrace.core.price_file import PriceFileError
from tailrace.core.pricing import PriceTable, load_price_table
from tests.core.test_pricing import SHIPPED, above, make_price, make_table, make_tier

AT = datetime(2026, 3, 1, tzinfo=UTC)
USAGE = {"input": 1000, "output": 100, "total": 1100}


def served(priority: int, price: str, name: str = "batch", **overrides: object) -> dict[str, object]:
    return make_tier({"input": price}, name=name, isDefault=False, priority=priority, serviceTiers=[name], **overrides)


def charge(table: PriceTable, usage: Mapping[str, int], model: str = "m", at: datetime = AT, **told: str) -> Priced:
    """`told`: what its model parameters say."""
    return charge_by(table, usage, {("model_parameters", key): text for key, text in told.items()}, model, at)


def charge_by(
    table: PriceTable,
    usage: Mapping[str, int],
    told: Mapping[tuple[str, str], str],
    model: str = "m",
    at: datetime = AT,
) -> Priced:
    return charge_usage(table.match(model, at), usage, {}, "TOKENS", lambda source, key: told.get((source, key)))


def test_a_tier_holds_for_what_was_served_so() -> None:
    table = make_table(make_price({"input": "4"}, served(1, "2"), served(2, "6", "priority")))
    assert charge(table, {"input": 1}, service_tier="batch").total_cost == 2
    assert charge(table, {"input": 1}, service_tier="Priority").tier == "priority"
    assert charge(table, {"input": 1}, service_tier="flex").total_cost == 4
    assert charge(table, {"input": 1}).tier == "Standard"


def test_the_metadata_says_it_where_the_parameters_do_not() -> None:
    table = make_table(make_price({"input": "4"}, served(1, "2"), served(2, "6", "priority")))
    told = {("metadata", "service_tier"): "batch"}
    assert charge_by(table, {"input": 1}, told).total_cost == 2
    told["model_parameters", "service_tier"] = "priority"
    assert charge_by(table, {"input": 1}, told).total_cost == 6


def test_a_tier_may_ask_for_the_usage_too() -> None:
    long = [{"usageDetailPattern": "^input", "operator": "gt", "value": 10}]
    tiers = (served(1, "3", conditions=long), served(2, "2"), above(3, 10, {"input": "8"}))
    table = make_table(make_price({"input": "4"}, *tiers))
    assert [charge(table, {"input": units}, service_tier="batch").input_price for units in (10, 11)] == [2, 3]
    assert [charge(table, {"input": units}).input_price for units in (10, 11)] == [4, 8]


def test_the_default_tier_asks_for_nothing() -> None:
    with pytest.raises(PriceFileError, match="exactly one default tier"):
        load_price_table(_file_with_served_default())


def _file_with_served_default() -> dict[str, object]:
    entry = {
        "model": "m",
        "provider": "p",
        "exact": ["m"],
        "prices": [{"source": "s", "tiers": [make_tier({"input": "1"}, serviceTiers=["batch"])]}],
    }
    return {
        "version": "v",
        "providers": [{"id": "p", "name": "P"}],
        "usageTypes": [{"name": "input"}],
        "models": [entry],
    }


@pytest.mark.parametrize(
    ("model", "tier", "cost"),
    [
        ("gpt-4.1", "default", "0.0028"),  # 1000 x 2.00 + 100 x 8.00
        ("gpt-4.1", "batch", "0.0014"),  # half of it
        ("gpt-4.1", "priority", "0.0049"),  # 1000 x 3.50 + 100 x 14.00
        ("gpt-4.1", "flex", "0.0028"),  # not sold
        ("gpt-5-mini", "flex", "0.000225"),  # 1000 x 0.125 + 100 x 1.00
        ("gpt-5-mini", "priority", "0.00081"),  # 1000 x 0.45 + 100 x 3.60
        ("o4-mini", "priority", "0.0028"),  # 1000 x 2.00 + 100 x 8.00
        ("openai/gpt-5.1-2025-11-13", "priority", "0.0045"),  # 1000 x 2.50 + 100 x 20.00
        ("claude-opus-4-5", "batch", "0.00375"),  # 1000 x 2.50 + 100 x 12.50
        ("claude-opus-4-5", "standard", "0.0075"),  # 1000 x 5.00 + 100 x 25.00
        ("gemini-2.5-flash", "batch", "0.00055"),  # 1000 x 0.30 + 100 x 2.50: no tier is known for sure
    ],
)
def test_shipped_tiers_cost_what_the_vendors_print(model: str, tier: str, cost: str) -> None:
    assert charge(SHIPPED, USAGE, model, service_tier=tier).total_cost == Decimal(cost)


def test_a_price_of_before_a_model_became_cheaper_has_its_own_batch() -> None:
    # o3 cost 10.00 and 40.00 until 2025-06-10: half of 1000 x 10.00 + 100 x 40.00
    early = datetime(2025, 5, 1, tzinfo=UTC)
    assert charge(SHIPPED, USAGE, "o3", early, service_tier="batch").total_cost == Decimal("0.007")
    assert charge(SHIPPED, USAGE, "o3", early, service_tier="priority").tier == "Standard"


def test_every_tier_of_a_service_tier_has_a_source_and_is_tried_before_those_of_the_usage_alone() -> None:
    for model in SHIPPED.models:
        for price in model.prices:
            tiers = sorted(price.tiers, key=lambda tier: tier.priority)[1:]
            assert [bool(tier.service_tiers) for tier in tiers] == sorted(
                (bool(t.service_tiers) for t in tiers), reverse=True
            )
            for tier in tiers:
                assert not tier.service_tiers or f"; {tier.name.partition(',')[0]}: " in price.source, model.model
