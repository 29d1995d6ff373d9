"""What a usage costs. Invoices are worked out by hand in the comments, from the vendors' prices per million tokens."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal, Inexact
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.core.charging import Priced
from tailrace.core.money import MONEY, add_money, money_text
from tailrace.core.price_file import PriceFileError
from tailrace.core.pricing import PriceTable, load_price_table, price_usage
from tailrace.core.units import MAX_UNITS
from tailrace.core.usage import normalise_usage, parse_usage_details, usage_from_attributes

AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
SHIPPED = load_price_table((Path(__file__).parents[2] / "schemas" / "prices.json").read_bytes())
USAGE_TYPES = [
    {"name": "input", "aliases": ["prompt_tokens", "input_tokens"]},
    {"name": "output", "aliases": ["completion_tokens"]},
    {"name": "input_cached_tokens", "aliases": ["cached_tokens"], "fallback": "input"},
    {"name": "input_cache_creation", "fallback": "input"},
    {"name": "input_cache_creation_1h", "fallback": "input_cache_creation"},
    {"name": "input_audio_tokens", "fallback": "input"},
    {"name": "output_audio_tokens", "fallback": "output"},
    {"name": "output_reasoning_tokens", "aliases": ["reasoning_tokens"], "fallback": "output"},
]


def make_tier(prices: Mapping[str, str], **overrides: object) -> dict[str, Any]:
    default: dict[str, Any] = {"name": "Standard", "isDefault": True, "priority": 0, "conditions": []}
    return {**default, "prices": dict(prices), **overrides}


def make_file(*prices: Mapping[str, Any], **model: object) -> dict[str, Any]:
    rows = prices or (make_price({"input": "0.5", "output": "2"}),)
    entry = {"model": "m", "provider": "p", "exact": ["m"], "prices": list(rows), **model}
    return {
        "version": "v1",
        "providers": [{"id": "p", "name": "P", "routes": ["p"]}],
        "usageTypes": USAGE_TYPES,
        "models": [entry],
    }


def make_price(prices: Mapping[str, str], *tiers: Mapping[str, Any], **overrides: object) -> dict[str, Any]:
    return {"source": "a page", "tiers": [make_tier(prices), *tiers], **overrides}


def make_table(*prices: Mapping[str, Any]) -> PriceTable:
    return load_price_table(make_file(*prices))


def price(model: str | None, usage: Mapping[str, int], at: datetime = AT, **ingested: Decimal | None) -> Priced:
    return price_usage(SHIPPED, model, usage, at, ingested)


def above(priority: int, units: int, prices: Mapping[str, str], operator: str = "gt") -> dict[str, Any]:
    condition = {"usageDetailPattern": "^input", "operator": operator, "value": units}
    return make_tier(prices, name=f"above {units}", isDefault=False, priority=priority, conditions=[condition])


def test_openai_cached_input_is_charged_at_its_own_price() -> None:
    # gpt-4o: input 2.50, cached input 1.25, output 10.00. The response says 2000 prompt tokens, 1500 of them cached.
    # 500 x 2.50 + 1500 x 1.25 + 300 x 10.00 = 1250 + 1875 + 3000 = 6125 millionths
    usage = parse_usage_details(
        {
            "prompt_tokens": 2000,
            "completion_tokens": 300,
            "total_tokens": 2300,
            "prompt_tokens_details": {"cached_tokens": 1500},
        }
    ).details
    priced = price("gpt-4o-2024-08-06", usage)
    assert priced.cost_details == {
        "input": Decimal("0.00125"),
        "input_cached_tokens": Decimal("0.001875"),
        "output": Decimal("0.003"),
        "total": Decimal("0.006125"),
    }
    assert priced.total_cost == Decimal("0.006125")
    assert (priced.model_id, priced.price_version, priced.tier) == ("gpt-4o", SHIPPED.version, "Standard")
    assert (priced.input_price, priced.output_price, priced.total_price) == (
        Decimal("0.0000025"),
        Decimal("0.00001"),
        None,
    )


def test_anthropic_cache_writes_and_reads_are_charged_at_their_own_prices() -> None:
    # claude-haiku-4-5: input 1.00, read 0.10, write 1.25, one-hour write 2.00, output 5.00
    # 21 x 1 + 10000 x 0.10 + 2000 x 1.25 + 300 x 2 + 400 x 5 = 21 + 1000 + 2500 + 600 + 2000 = 6121 millionths
    priced = price(
        "claude-haiku-4-5-20251001",
        {
            "input_tokens": 21,
            "cache_read_input_tokens": 10_000,
            "cache_creation_input_tokens": 2000,
            "input_cache_creation_1h": 300,
            "output_tokens": 400,
        },
    )
    assert priced.total_cost == Decimal("0.006121")
    assert priced.cost_details["cache_creation_input_tokens"] == Decimal("0.0025")


def test_gemini_above_200k_input_tokens_is_charged_at_the_higher_tier_for_all_its_tokens() -> None:
    # gemini-2.5-pro: above 200k input 2.50, cached 0.25, output 15.00; up to it 1.25, 0.125, 10.00. Cached tokens are input too.
    # 150001 x 2.50 + 50000 x 0.25 + 100 x 15 = 375002.5 + 12500 + 1500 = 389002.5 millionths
    priced = price("gemini-2.5-pro", {"input": 150_001, "input_cached_tokens": 50_000, "output": 100, "total": 200_101})
    assert (priced.total_cost, priced.tier) == (Decimal("0.3890025"), "Above 200,000 input tokens")
    # 150000 x 1.25 + 50000 x 0.125 + 100 x 10 = 187500 + 6250 + 1000 = 194750 millionths
    priced = price("gemini-2.5-pro", {"input": 150_000, "input_cached_tokens": 50_000, "output": 100, "total": 200_100})
    assert (priced.total_cost, priced.tier) == (Decimal("0.19475"), "Standard")


def test_reasoning_tokens_are_charged_as_output() -> None:
    # o3-mini: input 1.10, output 4.40; 900 completion tokens of which 640 reasoning: 260 x 4.40 + 640 x 4.40 = 3960
    # 100 x 1.10 = 110; 110 + 3960 = 4070 millionths
    usage = usage_from_attributes(
        {
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.output_tokens": 900,
            "gen_ai.usage.reasoning.output_tokens": 640,
        }
    ).details
    priced = price("o3-mini-2025-01-31", usage)
    assert priced.total_cost == Decimal("0.00407")
    assert priced.cost_details["output_reasoning_tokens"] == Decimal("0.002816")


def test_an_embedding_is_charged_for_its_input_alone() -> None:
    # text-embedding-3-small: 0.02; 1234567 x 0.02 = 24691.34 millionths
    usage = normalise_usage({"promptTokens": 1_234_567, "totalTokens": 1_234_567}, None).details
    priced = price("text-embedding-3-small", usage)
    assert priced.total_cost == Decimal("0.02469134")
    assert priced.output_price is None


@pytest.mark.parametrize(
    ("model", "per_million"),
    [
        ("text-embedding-3-large", "0.13"),
        ("text-embedding-ada-002", "0.1"),
        ("voyage-3.5", "0.06"),
        ("voyage/voyage-3-large", "0.18"),
        ("embed-v4.0", "0.12"),
        ("cohere/embed-english-v3.0", "0.1"),
        ("gemini/gemini-embedding-001", "0.15"),
        ("mistral-embed", "0.1"),
        ("amazon.titan-embed-text-v2:0", "0.02"),
        ("bedrock/cohere.embed-multilingual-v3", "0.1"),
        ("azure/text-embedding-3-small", "0.02"),
    ],
)
def test_embedding_models_are_known(model: str, per_million: str) -> None:
    assert price(model, {"input": 1_000_000}).total_cost == Decimal(per_million)


@pytest.mark.parametrize(
    ("model", "total"),
    [
        # 1000 x 3 + 100 x 15 = 4500; a geography costs a tenth more than global since Claude 4.5: 3000 + 1500 = 4500, 4950
        ("anthropic.claude-3-5-sonnet-20241022-v2:0", "0.0045"),
        ("us.anthropic.claude-3-7-sonnet-20250219-v1:0", "0.0045"),
        ("global.anthropic.claude-sonnet-4-5-20250929-v1:0", "0.0045"),
        ("eu.anthropic.claude-sonnet-4-5-20250929-v1:0", "0.00495"),
        ("bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0", "0.00495"),
        # 1000 x 0.80 + 100 x 3.20 = 1120
        ("us.amazon.nova-pro-v1:0", "0.00112"),
        # 1000 x 0.72 + 100 x 0.72 = 792
        ("arn:aws:bedrock:us-west-2:123456789012:inference-profile/us.meta.llama3-3-70b-instruct-v1:0", "0.000792"),
        # 1000 x 0.45 + 100 x 0.70 = 520
        ("mistral.mixtral-8x7b-instruct-v0:1", "0.00052"),
    ],
)
def test_bedrock_ids_are_known(model: str, total: str) -> None:
    assert price(model, {"input": 1000, "output": 100}).total_cost == Decimal(total)


def test_a_price_holds_from_its_day_on() -> None:
    # o3 cost 10 and 40 before 2025-06-10, and 2 and 8 from then on
    last = datetime(2025, 6, 9, 23, 59, 59, 999_999, tzinfo=UTC)
    assert price("o3", {"input": 1_000_000}, at=last).total_cost == 10
    assert price("o3", {"input": 1_000_000}, at=last + timedelta(microseconds=1)).total_cost == 2
    tokyo = timezone(timedelta(hours=9))
    assert price("o3", {"input": 1_000_000}, at=datetime(2025, 6, 10, 8, tzinfo=tokyo)).total_cost == 10


def test_before_its_first_day_and_after_its_last_a_price_is_unknown() -> None:
    usage = {"input": 1_000_000}
    assert price("deepseek-chat", usage, at=datetime(2025, 9, 1, tzinfo=UTC)).total_cost is None
    assert price("deepseek-chat", usage, at=datetime(2025, 9, 10, tzinfo=UTC)).total_cost == Decimal("0.56")
    assert price("deepseek-chat", usage, at=datetime(2026, 4, 23, tzinfo=UTC)).total_cost == Decimal("0.28")
    assert price("deepseek-chat", usage, at=datetime(2026, 4, 24, tzinfo=UTC)).total_cost is None


@pytest.mark.parametrize("model", ["my-own-model", "", None, "gpt-4o-new", "x" * 10_000])
def test_an_unknown_model_costs_null_and_never_nought(model: str | None) -> None:
    assert price(model, {"input": 1000}) == Priced(cost_details={}, total_cost=None)


def test_a_known_model_without_any_priced_usage_costs_null() -> None:
    priced = price("gpt-4o", {"total": 100})
    assert (priced.total_cost, priced.cost_details, priced.model_id, priced.tier) == (None, {}, "gpt-4o", None)
    assert price("gpt-4o", {}).total_cost is None


def test_a_model_that_is_priced_by_the_second_is_not_charged_by_the_token() -> None:
    # whisper-1: 0.006 a minute
    assert price_usage(SHIPPED, "whisper-1", {"input": 90}, AT, {}).total_cost is None
    assert price_usage(SHIPPED, "whisper-1", {"input": 90}, AT, {}, "SECONDS").total_cost == Decimal("0.009")
    assert price_usage(SHIPPED, "gpt-4o", {"input": 90}, AT, {}, "SECONDS").total_cost is None


def test_units_without_a_price_are_named() -> None:
    priced = price("gpt-4o", {"input": 1, "search_units": 2, "b": 0, "a": 1, "total": 3})
    assert priced.unpriced == ("a", "search_units")
    assert price("text-embedding-3-small", {"input": 1, "output": 0}).unpriced == ()


def test_no_tokens_of_a_known_model_cost_nought() -> None:
    assert price("gpt-4o", {"input": 0, "output": 0}).total_cost == 0


def test_any_ingested_cost_stops_the_computation() -> None:
    priced = price("gpt-4o", {"input": 1000}, input=Decimal("0.1"), output=None)
    assert priced.cost_details == {"input": Decimal("0.1"), "total": Decimal("0.1")}
    assert (priced.model_id, priced.price_version, priced.tier) == ("gpt-4o", None, None)
    assert price("gpt-4o", {"input": 1000}, total=Decimal(0)).total_cost == 0


def test_the_ingested_total_is_the_given_one_else_input_and_output() -> None:
    assert price("x", {}, total=Decimal(5), input=Decimal(1)).total_cost == 5
    assert price("x", {}, input=Decimal(1), output=Decimal("0.5")).total_cost == Decimal("1.5")


def test_other_ingested_costs_without_a_total_have_none() -> None:
    priced = price("gpt-4o", {"input": 1000}, input=Decimal(1), cached=Decimal("0.5"))
    assert priced.total_cost is None
    assert priced.cost_details == {"input": Decimal(1), "cached": Decimal("0.5")}


def test_ingested_nulls_are_no_cost() -> None:
    assert price("gpt-4o", {"input": 1_000_000}, total=None).total_cost == Decimal("2.5")


def test_a_usage_type_without_a_price_is_charged_at_the_one_it_falls_back_to() -> None:
    usage = {
        "input_cached_tokens": 1,
        "input_cache_creation": 1,
        "input_cache_creation_1h": 1,
        "input_audio_tokens": 1,
        "output_reasoning_tokens": 1,
        "output_audio_tokens": 1,
    }
    priced = price_usage(make_table(), "m", usage, AT, {})
    assert priced.total_cost == 4 * Decimal("0.5") + 2 * 2
    assert priced.unpriced == ()


def test_the_nearest_price_of_the_chain_is_charged() -> None:
    table = make_table(make_price({"input": "1", "input_cache_creation": "3"}))
    priced = price_usage(table, "m", {"input_cache_creation_1h": 1, "input_audio_tokens": 1}, AT, {})
    assert priced.cost_details == {"input_cache_creation_1h": 3, "input_audio_tokens": 1, "total": 4}


def test_two_spellings_of_one_usage_type_are_charged_once_whatever_their_order() -> None:
    usage = {"prompt_tokens": 7, "input": 5, "input_tokens": 9, "completion_tokens": 1}
    for order in (usage, dict(reversed(usage.items()))):
        priced = price_usage(make_table(), "m", order, AT, {})
        assert priced.cost_details == {"input": Decimal("2.5"), "completion_tokens": 2, "total": Decimal("4.5")}
        assert priced.unpriced == ()


def test_two_spellings_count_once_for_a_tier() -> None:
    table = make_table(make_price({"input": "1"}, above(1, 10, {"input": "3"})))
    assert price_usage(table, "m", {"input": 10, "input_tokens": 10}, AT, {}).tier == "Standard"
    assert price_usage(table, "m", {"prompt_tokens": 11}, AT, {}).total_cost == 33


def test_the_first_tier_by_priority_whose_conditions_all_hold_is_taken() -> None:
    both = above(1, 20, {"input": "5"})
    both["conditions"].append({"usageDetailPattern": "OUTPUT", "operator": "gte", "value": 1})
    table = make_table(make_price({"input": "1", "output": "0"}, above(2, 10, {"input": "3", "output": "0"}), both))
    assert price_usage(table, "m", {"input": 21, "output": 1}, AT, {}).total_cost == 105
    assert price_usage(table, "m", {"input": 21, "output": 0}, AT, {}).total_cost == 63
    assert price_usage(table, "m", {"input": 10, "output": 1}, AT, {}).total_cost == 10


@pytest.mark.parametrize(
    ("operator", "holding"),
    [("gt", [11]), ("gte", [10, 11]), ("lt", [9]), ("lte", [9, 10]), ("eq", [10]), ("neq", [9, 11])],
)
def test_a_condition_compares_as_it_says(operator: str, holding: list[int]) -> None:
    table = make_table(make_price({"input": "1"}, above(1, 10, {"input": "2"}, operator)))
    found = [n for n in (9, 10, 11) if price_usage(table, "m", {"input": n}, AT, {}).tier == "above 10"]
    assert found == holding


def test_a_price_of_the_total_is_the_total() -> None:
    table = make_table(make_price({"total": "3", "input": "1"}))
    priced = price_usage(table, "m", {"input": 1, "output": 1, "total": 2}, AT, {})
    assert (priced.total_cost, priced.total_price) == (6, 3)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"exact": "m"}, "does not have its shape"),
        ({"provider": "q"}, "model m has the unknown provider q"),
        ({"prices": []}, "model m has no price"),
        ({"prices": [make_price({})]}, "tier Standard of model m needs prices"),
        ({"prices": [make_price({"input": "-1"})]}, "tier Standard of model m needs prices"),
        ({"prices": [make_price({"input": "NaN"})]}, "tier Standard of model m needs prices"),
        ({"prices": [make_price({"input": "1"}, make_tier({"input": "1"}))]}, "exactly one default tier"),
        ({"prices": [make_price({"input": "1"}, above(0, 1, {"input": "1"}))]}, "priorities of their own"),
        ({"prices": [make_price({"input": "1"})] * 2}, "not in the order of their first days"),
        (
            {"prices": [make_price({"input": "1"}, validFrom="2025-01-02", validTo="2025-01-02")]},
            "ends on 2025-01-02, before it begins",
        ),
    ],
)
def test_a_bad_table_is_refused_in_words(change: dict[str, Any], words: str) -> None:
    with pytest.raises(PriceFileError, match=words):
        load_price_table(make_file(**change))


def test_a_table_with_two_meanings_of_a_name_is_refused() -> None:
    file = make_file()
    file["models"].append({**file["models"][0], "model": "n"})
    with pytest.raises(PriceFileError, match="the model name m has two meanings"):
        load_price_table(msgspec.json.encode(file))


def test_a_table_whose_usage_types_clash_is_refused() -> None:
    with pytest.raises(PriceFileError, match="spelt twice"):
        load_price_table({**make_file(), "usageTypes": [{"name": "input", "aliases": ["input"]}]})
    with pytest.raises(PriceFileError, match="falls back to the unknown x"):
        load_price_table({**make_file(), "usageTypes": [{"name": "input", "fallback": "x"}]})


def test_a_pattern_that_is_none_is_refused() -> None:
    broken = above(1, 1, {"input": "1"})
    broken["conditions"][0]["usageDetailPattern"] = "("
    with pytest.raises(PriceFileError, match="tier above 1 of model m has a bad pattern"):
        load_price_table(make_file(make_price({"input": "1"}, broken)))


def test_many_different_names_do_not_grow_the_table() -> None:
    table = make_table()
    for number in range(10_500):
        assert table.match(f"n{number}", AT) is None
    assert table.match("m", AT) is not None
    assert len(table._cache) <= 10_000  # pyright: ignore[reportPrivateUsage]


usages = st.dictionaries(
    st.sampled_from(["input", "input_tokens", "cached_tokens", "output", "reasoning_tokens", "total", "x"]),
    st.integers(0, MAX_UNITS),
)


@given(usages)
def test_the_total_is_exactly_the_sum_of_its_parts(usage: dict[str, int]) -> None:
    priced = price("gpt-5", usage)
    parts = [cost for key, cost in priced.cost_details.items() if key != "total"]
    assert priced.total_cost == (add_money(parts) if parts else None)
    for key, cost in priced.cost_details.items():
        if key == "input":  # 1.25 per million, in whole numbers of hundred-millionths
            assert cost * 10**8 == 125 * usage[key]


@given(usages, usages)
def test_costs_add_up_as_units_do(first: dict[str, int], second: dict[str, int]) -> None:
    keys = ["input", "output", "cached_tokens"]
    one = price("gpt-5", {key: first.get(key, 0) // 2 for key in keys})
    two = price("gpt-5", {key: second.get(key, 0) // 2 for key in keys})
    both = price("gpt-5", {key: first.get(key, 0) // 2 + second.get(key, 0) // 2 for key in keys})
    assert one.total_cost is not None
    assert two.total_cost is not None
    assert both.total_cost == add_money([one.total_cost, two.total_cost])


@given(st.text(max_size=40), usages, st.datetimes(timezones=st.just(UTC)))
def test_no_name_usage_or_time_is_an_error(model: str, usage: dict[str, int], at: datetime) -> None:
    price(model, usage, at=at)


@given(st.permutations(["input", "input_tokens", "prompt_tokens", "cached_tokens", "output"]))
def test_the_order_of_keys_does_not_matter(keys: list[str]) -> None:
    usage = {key: len(key) for key in keys}
    assert price("gpt-4o", usage).cost_details == price("gpt-4o", dict(sorted(usage.items()))).cost_details


@given(st.decimals(min_value=0, max_value=10**18, places=30))
def test_money_is_written_in_plain_digits_that_read_back(amount: Decimal) -> None:
    assert Decimal(money_text(amount)) == amount
    assert money_text(amount) == money_text(MONEY.add(amount, Decimal("0E-40")))
    assert "E" not in money_text(amount)


def test_money_that_cannot_be_exact_is_an_error() -> None:
    with pytest.raises(Inexact):
        add_money([Decimal(10) ** 90, Decimal("1e-30")])


def test_equal_amounts_have_equal_texts() -> None:
    assert {money_text(Decimal(text)) for text in ("1", "1.0", "1.00", "1e0")} == {"1"}
    assert money_text(Decimal("0E-7")) == "0"
    assert money_text(Decimal(100)) == "100"
