"""Price terms: what is written down prices like what it was written down from, and holds only for what it is meant for."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.core.charging import charge_usage
from tailrace.core.own_models import OwnTerms, OwnTier
from tailrace.core.price_file import Condition, PriceTier
from tailrace.core.price_terms import (
    PriceTerms,
    PriceTermsError,
    ReadyTerms,
    check_terms,
    dump_terms,
    load_terms,
)
from tailrace.core.pricing import ShippedTerms, load_price_table
from tailrace.runtime.patterns import compile_stored
from tailrace.runtime.resources import schemas
from tests.repricing import shipped_terms

PRICES = load_price_table((schemas() / "prices.json").read_bytes())
AT = datetime(2026, 3, 1, tzinfo=UTC)
USAGE_KEYS = ["input", "output", "input_cached_tokens", "cached_tokens", "output_reasoning_tokens", "total", "odd"]


def own_terms(*tiers: OwnTier) -> PriceTerms:
    price = OwnTerms(model="ours", version="own:m@7", unit=None, tiers=tiers)
    return PriceTerms(model="gpt-4o", since=AT, until=None, price=price)


def own_tier(priority: int = 0, price: str = "2") -> OwnTier:
    return OwnTier(
        name=f"tier {priority}",
        is_default=priority == 0,
        priority=priority,
        conditions=(),
        prices={"input": Decimal(price)},
    )


def ready(terms: PriceTerms) -> ReadyTerms:
    return ReadyTerms(load_terms(dump_terms(terms)), PRICES.usage_types, compile_stored)


@given(
    model=st.sampled_from([model.model for model in PRICES.models]),
    days=st.integers(-900, 400),
    usage=st.dictionaries(st.sampled_from(USAGE_KEYS), st.integers(0, 400_000)),
)
def test_a_shipped_price_that_was_written_down_charges_as_it_did(model: str, days: int, usage: dict[str, int]) -> None:
    price = PRICES.match(model, AT + timedelta(days=days))
    terms = PriceTerms(model=model, since=None, until=None, price=None if price is None else price.terms)

    check_terms(terms)

    assert charge_usage(ready(terms).price, usage, {}, None) == charge_usage(price, usage, {}, None)


def test_the_price_of_an_own_model_keeps_its_tiers_and_what_they_ask_for() -> None:
    asking = {"kind": "attribute", "source": "metadata", "key": "tier", "values": ["fast"]}
    fast = msgspec.convert(
        {"name": "fast", "isDefault": False, "priority": 1, "conditions": [asking], "prices": {"input": "5"}}, OwnTier
    )
    terms = ready(own_terms(own_tier(), fast))

    def cost(tier: str) -> tuple[Decimal | None, str | None, str | None]:
        priced = charge_usage(terms.price, {"input": 10}, {}, None, lambda _, __: tier)
        return priced.total_cost, priced.tier, priced.price_version

    assert terms.attribute_keys == [("metadata", "tier")]
    assert [cost("fast"), cost("slow")] == [(50, "fast", "own:m@7"), (20, "tier 0", "own:m@7")]


def test_terms_hold_for_their_model_and_between_their_starts() -> None:
    terms = PriceTerms(model="m", since=AT, until=AT + timedelta(days=1), price=None)
    microsecond = timedelta(microseconds=1)

    assert terms.hold("m", AT)
    assert terms.hold("m", AT + timedelta(days=1) - microsecond)
    assert not terms.hold("m", AT - microsecond)
    assert not terms.hold("m", AT + timedelta(days=1))
    assert not terms.hold("M", AT)
    assert not terms.hold(None, AT)


def test_equal_terms_have_equal_texts() -> None:
    one, other = shipped_terms(input="1", output="2"), shipped_terms(output="2", input="1")

    assert dump_terms(one) == dump_terms(other)
    assert load_terms(dump_terms(one)) == one


@pytest.mark.parametrize(
    ("terms", "complaint"),
    [
        (own_terms(), "expected one default tier"),
        (own_terms(own_tier(), own_tier()), "expected one default tier"),
        (own_terms(own_tier(price="-1")), "expected a price of 0 to 1000000 USD"),
        (own_terms(own_tier(price="NaN")), "expected a price of 0 to 1000000 USD"),
        (own_terms(own_tier(price="1E-31")), "expected a price of 0 to 1000000 USD"),
        (shipped_terms(input="1E+7"), "expected a price of 0 to 1000000 USD"),
        (shipped_terms(input="Infinity"), "needs prices that are numbers"),
    ],
)
def test_what_nobody_can_be_charged_by_is_refused(terms: PriceTerms, complaint: str) -> None:
    with pytest.raises(PriceTermsError, match=complaint):
        check_terms(terms)


def test_a_pattern_that_cannot_be_used_is_refused() -> None:
    condition = Condition(usage_detail_pattern="(", operator="gt", value=1)
    tiers = (
        PriceTier(name="a", is_default=True, priority=0, conditions=(), prices={"input": Decimal(1)}),
        PriceTier(name="b", is_default=False, priority=1, conditions=(condition,), prices={"input": Decimal(1)}),
    )
    price = ShippedTerms(model="m", provider="p", unit="TOKENS", source="s", version="v", tiers=tiers)

    with pytest.raises(PriceTermsError, match="bad pattern"):
        check_terms(PriceTerms(model="m", since=None, until=None, price=price))
