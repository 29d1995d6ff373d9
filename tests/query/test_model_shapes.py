"""Shipped models as the API shows them: what a tier asks for is said in the words that an own one would use."""

import json
from datetime import UTC, datetime

from tailrace.core.pricing import load_price_table
from tailrace.query.model_shapes import shipped_model
from tailrace.runtime.resources import schemas
from tests.core.test_pricing import above, make_file, make_price, make_tier

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def test_a_tier_for_a_service_tier_is_a_condition_of_the_model_parameters() -> None:
    batch = make_tier({"input": "2"}, name="Batch", isDefault=False, priority=1, serviceTiers=["batch"])
    price = make_price({"input": "4"}, batch, above(2, 10, {"input": "8"}))
    (model,) = load_price_table(make_file(price)).models
    tiers = json.loads(json.dumps(shipped_model(model, NOW)["pricingTiers"], default=str))
    assert [(each["name"], each["priority"]) for each in tiers] == [("Standard", 0), ("Batch", 1), ("above 10", 2)]
    assert tiers[1]["conditions"] == [
        {"source": "model_parameters", "key": "service_tier", "operator": "in", "values": ["batch"]}
    ]
    assert "usageDetailPattern" in tiers[2]["conditions"][0]


def test_shipped_tiers_are_in_the_order_in_which_they_are_tried() -> None:
    for model in load_price_table((schemas() / "prices.json").read_bytes()).models:
        priorities = [tier["priority"] for tier in shipped_model(model, NOW)["pricingTiers"]]
        assert priorities == list(range(len(priorities))), model.model
