"""A project's own models: which version holds for an event, which model is meant, which tier applies, and what that costs."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.core.charging import Priced, charge_usage, no_attributes
from tailrace.core.own_models import (
    MAX_NAME_CHARACTERS,
    MAX_USAGE_KEYS,
    AttributeCondition,
    Condition,
    Finds,
    ModelVersion,
    OwnPrices,
    OwnSet,
    OwnTier,
    UsageCondition,
    own_model_id,
)
from tailrace.core.price_file import UsageType

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOW_US = 1_000_000
USAGE_TYPES = (
    UsageType(name="input", aliases=("prompt_tokens",)),
    UsageType(name="output"),
    UsageType(name="output_reasoning_tokens", fallback="output"),
)


def contains(pattern: str) -> Finds:
    """Stands for a pattern: found where the text is, whatever the case after `(?i)`."""
    if pattern.startswith("(?i)"):
        return lambda text: pattern[4:].lower() in text.lower()
    return lambda text: pattern in text


def tier(name: str = "Standard", priority: int = 0, *conditions: Condition, **prices: str) -> OwnTier:
    amounts = {key: Decimal(price) for key, price in (prices or {"input": "1"}).items()}
    return OwnTier(name=name, is_default=not priority, priority=priority, conditions=conditions, prices=amounts)


def version(number: int = 1, **values: Any) -> ModelVersion:
    """The first version of a model `m1` that is found by its name, `ours`."""
    defaults: dict[str, Any] = {
        "project_id": "p",
        "id": "m1",
        "version": number,
        "effective_us": NOW_US * number,
        "created_us": NOW_US,
        "deleted": False,
        "model_name": "ours",
        "match_pattern": "ours",
        "start": None,
        "unit": None,
        "tiers": (tier(),),
    }
    return ModelVersion(**(defaults | values))


def models(versions: Sequence[ModelVersion], received_us: int = NOW_US * 100) -> OwnSet:
    return OwnPrices(versions, USAGE_TYPES, contains).as_of(received_us)


def price_of(own: OwnSet, model: str = "ours", at: datetime = AT) -> Decimal | None:
    """What a unit of input costs."""
    found = own.match(model, at)
    return None if found is None else found.default.prices["input"]


def charge(
    tiers: Sequence[OwnTier],
    usage: dict[str, int],
    unit: str | None = None,
    *,
    model_unit: Any = None,
    **attributes: str,
) -> Priced:
    found = models([version(tiers=tuple(tiers), unit=model_unit)]).match("ours", AT)
    return charge_usage(found, usage, {}, unit, lambda source, key: attributes.get(f"{source}_{key}"))


def test_a_version_holds_from_its_moment_on_for_what_is_received_then() -> None:
    prices = OwnPrices([version(1), version(2, tiers=(tier(input="2"),))], USAGE_TYPES, contains)

    held = [price_of(prices.as_of(received)) for received in (NOW_US - 1, NOW_US, 2 * NOW_US - 1, 2 * NOW_US)]

    assert held == [None, 1, 1, 2]


def test_a_deleted_model_prices_what_was_received_before_and_nothing_after() -> None:
    prices = OwnPrices([version(1), version(2, deleted=True)], USAGE_TYPES, contains)

    assert [price_of(prices.as_of(received)) for received in (NOW_US, 2 * NOW_US)] == [1, None]


@given(st.lists(st.tuples(st.integers(0, 20), st.sampled_from("abc"), st.booleans()), max_size=12), st.integers(-1, 21))
def test_what_holds_depends_on_the_versions_up_to_then_and_not_on_later_ones_or_their_order(
    written: list[tuple[int, str, bool]], received: int
) -> None:
    """So a fold that knows more versions, or learnt of them in another order, finds the same price."""
    versions = [
        version(number, id=id_, effective_us=effective, deleted=deleted, tiers=(tier(input=str(number)),))
        for number, (effective, id_, deleted) in enumerate(sorted(written), start=1)
    ]
    known = [one for one in versions if one.effective_us <= received]

    whole = OwnPrices(versions[::-1], USAGE_TYPES, contains).as_of(received)

    assert price_of(whole) == price_of(OwnPrices(known, USAGE_TYPES, contains).as_of(received))


def test_a_price_applies_to_observations_that_start_on_or_after_its_date() -> None:
    own = models(
        [version(1, id="old"), version(2, id="new", start=AT, tiers=(tier(input="2"),))],
    )

    assert price_of(own, at=AT - timedelta(microseconds=1)) == 1
    assert price_of(own, at=AT) == 2


def test_before_its_first_date_a_model_is_not_known() -> None:
    assert price_of(models([version(start=AT)]), at=AT - timedelta(microseconds=1)) is None


@given(
    st.lists(st.integers(-5, 5) | st.none(), min_size=1, max_size=8),
    st.integers(-6, 6),
)
def test_the_newest_start_that_is_not_after_the_observations_wins(days: list[int | None], at: int) -> None:
    versions = [
        version(
            number,
            id=str(number),
            created_us=number,
            start=None if day is None else AT + timedelta(days=day),
            tiers=(tier(input=str(number)),),
        )
        for number, day in enumerate(days)
    ]
    begun = [(day is not None, day or 0, number) for number, day in enumerate(days) if day is None or day <= at]

    found = price_of(models(versions), at=AT + timedelta(days=at))

    assert found == (max(begun)[2] if begun else None)


def test_a_name_that_is_too_long_is_found_by_no_pattern() -> None:
    own = models([version()])

    assert price_of(own, "ours".ljust(MAX_NAME_CHARACTERS, "x")) == 1
    assert price_of(own, "ours".ljust(MAX_NAME_CHARACTERS + 1, "x")) is None


def test_each_usage_type_is_charged_and_what_has_no_price_as_what_it_is_a_part_of() -> None:
    priced = charge(
        [tier(input="0.1", output="0.2", request="3", image="5")],
        {"prompt_tokens": 10, "output": 1, "output_reasoning_tokens": 2, "request": 1, "image": 2, "sounds": 4},
    )

    assert priced.total_cost == Decimal("0.1") * 10 + Decimal("0.2") * 3 + 3 + 5 * 2
    assert (priced.model_id, priced.price_version, priced.tier) == ("ours", "own:m1@1", "Standard")
    assert priced.unpriced == ("sounds",)


def test_without_priced_usage_the_cost_is_null() -> None:
    assert charge([tier()], {}).total_cost is None
    assert charge([tier()], {"sounds": 4}) == Priced(
        cost_details={}, total_cost=None, model_id="ours", input_price=Decimal(1), unpriced=("sounds",)
    )


@pytest.mark.parametrize(
    ("sent", "priced", "cost"),
    [(None, "IMAGES", 3), ("IMAGES", "IMAGES", 3), ("TOKENS", "IMAGES", None), ("SECONDS", None, 3), (None, None, 3)],
)
def test_a_usage_that_was_sent_in_another_unit_is_not_charged(
    sent: str | None, priced: str | None, cost: int | None
) -> None:
    assert charge([tier()], {"input": 3}, sent, model_unit=priced).total_cost == cost


def usage_condition(operator: Any = "gt", value: int = 100, pattern: str = "input", **values: Any) -> UsageCondition:
    return UsageCondition(usage_detail_pattern=pattern, operator=operator, value=Decimal(value), **values)


@pytest.mark.parametrize(
    ("operator", "holds"),
    [
        ("gt", [False, False, True]),
        ("gte", [False, True, True]),
        ("lt", [True, False, False]),
        ("lte", [True, True, False]),
        ("eq", [False, True, False]),
        ("neq", [True, False, True]),
    ],
)
def test_a_usage_condition_compares_the_sum_of_the_keys_that_it_finds(operator: str, holds: list[bool]) -> None:
    tiers = [tier(), tier("Large", 1, usage_condition(operator), input="2")]

    found = [charge(tiers, {"input": units, "INPUT_cached": 50, "output": 900}).tier for units in (49, 50, 51)]

    assert found == ["Large" if each else "Standard" for each in holds]


def test_a_usage_pattern_minds_the_case_only_if_it_says_so() -> None:
    usage = {"Input": 101}

    assert charge([tier(Input="1"), tier("Large", 1, usage_condition(), Input="2")], usage).tier == "Large"
    strict = usage_condition(case_sensitive=True)
    assert charge([tier(Input="1"), tier("Large", 1, strict, Input="2")], usage).tier == "Standard"


def test_an_attribute_condition_wants_one_of_its_texts_exactly() -> None:
    fast = AttributeCondition(source="model_parameters", key="service_tier", values=("priority", "fast"))
    tiers = [tier(), tier("Priority", 1, fast, input="3")]

    found = [
        charge(tiers, {"input": 1}, model_parameters_service_tier="priority").tier,
        charge(tiers, {"input": 1}, model_parameters_service_tier="Priority").tier,
        charge(tiers, {"input": 1}, metadata_service_tier="priority").tier,
        charge(tiers, {"input": 1}).tier,
    ]

    assert found == ["Priority", "Standard", "Standard", "Standard"]


def test_all_conditions_must_hold_and_the_lowest_priority_number_wins() -> None:
    slow = AttributeCondition(source="metadata", key="speed", values=("slow",))
    tiers = [
        tier("Last", 9, usage_condition(value=1), input="9"),
        tier("First", 2, usage_condition(value=100), slow, input="2"),
        tier(),
    ]

    found = [
        charge(tiers, {"input": 200}, metadata_speed="slow").tier,
        charge(tiers, {"input": 200}).tier,
        charge(tiers, {"input": 50}, metadata_speed="slow").tier,
        charge(tiers, {"input": 1}, metadata_speed="slow").tier,
    ]

    assert found == ["First", "Last", "Last", "Standard"]


@given(st.dictionaries(st.sampled_from(["input", "input_cached", "output"]), st.integers(0, 300)))
def test_the_chosen_tier_is_the_first_whose_conditions_hold(usage: dict[str, int]) -> None:
    tiers = [tier(), *(tier(str(least), 10 - least // 100, usage_condition("gte", least)) for least in (100, 200, 300))]
    found = models([version(tiers=tuple(tiers))]).match("ours", AT)
    assert found is not None

    whole = usage.get("input", 0) + usage.get("input_cached", 0)

    expected = next((str(least) for least in (300, 200, 100) if usage and whole >= least), "Standard")
    assert found.choose_tier(usage, no_attributes).name == expected


def test_a_usage_of_absurdly_many_keys_falls_into_the_default_tier() -> None:
    tiers = [tier(), tier("Large", 1, usage_condition(), input="2")]
    usage = {"input": 1000} | {f"x{number}": 1 for number in range(MAX_USAGE_KEYS)}

    assert charge(tiers, usage).tier == "Standard"
    assert charge(tiers, {"input": 1000}).tier == "Large"


def test_a_row_tells_by_which_model_it_was_priced() -> None:
    assert own_model_id("own:a/b@c@12") == "a/b@c"
    assert own_model_id("genai-prices-0.2.3+14d1") is None
    assert own_model_id(None) is None
