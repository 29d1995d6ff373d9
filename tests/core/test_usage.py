"""How senders' usage and cost are read. Numbers in comments are worked out by hand from contract and provider shapes."""

import json
import sys
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.core.units import MAX_UNITS, read_units
from tailrace.core.usage import (
    COST_DECIMALS,
    Usage,
    cost_sums,
    costs_from_attributes,
    normalise_usage,
    parse_cost_details,
    parse_usage_details,
    read_cost,
    usage_from_attributes,
    usage_sums,
)

SHAPED_KEYS = [
    "input",
    "output",
    "total",
    "unit",
    "inputCost",
    "promptTokens",
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "input_tokens",
    "output_tokens",
    "prompt_tokens_details",
    "input_tokens_details",
]
ATTRIBUTE_KEYS = [
    "langfuse.observation.usage_details",
    "langfuse.observation.cost_details",
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.output_tokens",
    "gen_ai.usage.cost",
    "gen_ai.usage.details.input_tokens",
    "gen_ai.usage.cache_read.input_tokens",
    "llm.token_count.prompt",
    "llm.cost.total",
]
junk = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.decimals()
    | st.text(max_size=30)
    | st.binary(max_size=3)
    | st.sampled_from(["12", "-1", "1e999999999", "NaN", "Infinity", '{"input": 1}', "[" * 5000, "9" * 5000]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(SHAPED_KEYS) | st.integers(), inner, max_size=6)
    ),
    max_leaves=12,
)


def test_the_old_usage_form_is_read_with_its_unit() -> None:
    read = normalise_usage({"input": 3, "output": 4, "unit": "CHARACTERS"}, None)
    assert read == Usage({"input": 3, "output": 4, "total": 7}, "CHARACTERS")


def test_the_openai_form_of_the_old_usage_counts_tokens_and_hides_input_and_output() -> None:
    usage = {"promptTokens": 3, "completionTokens": 4, "input": 100, "unit": "SECONDS"}
    assert normalise_usage(usage, None) == Usage({"input": 3, "output": 4, "total": 7}, "TOKENS")


def test_an_unknown_unit_is_left_out() -> None:
    assert normalise_usage({"input": 1, "unit": "PARSECS"}, None).unit is None


def test_a_given_total_beats_the_sum() -> None:
    assert normalise_usage({"input": 1, "output": 1, "total": 5}, None).details["total"] == 5


def test_usage_details_beat_the_same_key_of_usage_and_the_total_is_their_sum() -> None:
    read = normalise_usage({"input": 1, "output": 2}, {"input": 10, "cached": 5})
    assert read.details == {"input": 10, "output": 2, "cached": 5, "total": 17}


def test_nothing_given_is_no_usage_rather_than_a_total_of_nought() -> None:
    assert normalise_usage(None, None) == Usage({})
    assert normalise_usage({"input": None, "output": None, "total": None}, {}) == Usage({})


def test_the_openai_completion_shape_is_split_into_disjoint_keys() -> None:
    usage = {
        "prompt_tokens": 2000,
        "completion_tokens": 900,
        "total_tokens": 2900,
        "prompt_tokens_details": {"cached_tokens": 1500, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 640, "audio_tokens": None},
    }
    # input 2000 - 1500 - 0, output 900 - 640
    assert normalise_usage(None, usage).details == {
        "input": 500,
        "input_cached_tokens": 1500,
        "input_audio_tokens": 0,
        "output": 260,
        "output_reasoning_tokens": 640,
        "total": 2900,
    }


def test_the_openai_responses_shape_is_split_into_disjoint_keys() -> None:
    usage = {
        "input_tokens": 10,
        "output_tokens": 20,
        "total_tokens": 30,
        "input_tokens_details": {"cached_tokens": 4},
        "output_tokens_details": {"reasoning_tokens": 20},
    }
    assert parse_usage_details(json.dumps(usage)).details == {
        "input": 6,
        "input_cached_tokens": 4,
        "output": 0,
        "output_reasoning_tokens": 20,
        "total": 30,
    }


def test_details_larger_than_the_whole_leave_nought() -> None:
    usage = {
        "prompt_tokens": 5,
        "completion_tokens": 1,
        "total_tokens": 6,
        "prompt_tokens_details": {"cached_tokens": 9},
    }
    assert parse_usage_details(usage).details["input"] == 0


def test_further_counts_of_a_providers_usage_stand_beside_its_tokens() -> None:
    usage = {"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6, "search_units": 2}
    assert parse_usage_details(usage) == Usage({"input": 5, "output": 1, "search_units": 2, "total": 6})


def test_anthropics_cache_stands_beside_its_input_and_its_writes_have_lifetimes() -> None:
    # 5 + 7 + 100 + 20
    usage = {
        "input_tokens": 5,
        "output_tokens": 7,
        "cache_read_input_tokens": 100,
        "cache_creation_input_tokens": 20,
        "cache_creation": {"ephemeral_5m_input_tokens": 20},
        "service_tier": "standard",
    }
    assert parse_usage_details(usage) == Usage(
        {"input": 5, "input_cached_tokens": 100, "input_cache_creation_5m": 20, "output": 7, "total": 132},
        service_tier="standard",
    )


@pytest.mark.parametrize(
    "value",
    [
        -1,
        1.5,
        -0.5,
        True,
        False,
        None,
        "",
        "x",
        "1.5",
        "-1",
        "1_0",
        "٣",
        float("nan"),
        float("inf"),
        10**12 + 1,
        2**63,
        "9" * 30,
        [],
        {},
        b"1",
        Decimal("NaN"),
        Decimal("1.5"),
        Decimal("1e30"),
        1e300,
    ],
)
def test_what_is_no_count_is_left_out(value: object) -> None:
    assert read_units(value) is None
    assert parse_usage_details({"input": value, "output": 2}).details == {"output": 2, "total": 2}


@pytest.mark.parametrize(("value", "units"), [(0, 0), ("12", 12), (" 7 ", 7), (12.0, 12), (MAX_UNITS, MAX_UNITS)])
def test_whole_numbers_are_kept_exactly(value: object, units: int) -> None:
    assert read_units(value) == units


def test_a_total_beyond_the_largest_count_is_left_out() -> None:
    assert parse_usage_details({"input": MAX_UNITS, "output": 1}).details == {"input": MAX_UNITS, "output": 1}


@pytest.mark.parametrize(
    "text", ["", "{", "[1]", "3", "null", '{"input": NaN}', "[" * 100_000, '{"a": ' + "9" * 5000 + "}"]
)
def test_bad_usage_text_is_no_usage(text: str) -> None:
    assert parse_usage_details(text).details == {}


def test_deep_details_are_no_counts() -> None:
    nested: Any = {}
    for _ in range(900):
        nested = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2, "prompt_tokens_details": nested}
    assert parse_usage_details(nested).details == {"input": 1, "output": 1, "total": 2}


def test_costs_are_decimals_of_their_texts() -> None:
    assert parse_cost_details('{"input": 0.1, "output": 3e-7, "total": "0.1000003"}') == {
        "input": Decimal("0.1"),
        "output": Decimal("0.0000003"),
        "total": Decimal("0.1000003"),
    }


def test_a_float_cost_means_the_shortest_decimal_that_reads_as_it() -> None:
    assert parse_cost_details({"total": 0.1 + 0.2}) == {"total": Decimal("0.30000000000000004")}


def test_cost_details_beat_the_costs_of_the_old_usage() -> None:
    usage = {"input": 1, "inputCost": 0.5, "outputCost": None, "totalCost": 2}
    assert parse_cost_details({"input": 0.25}, usage) == {"input": Decimal("0.25"), "total": Decimal(2)}


@pytest.mark.parametrize(
    "value",
    [
        -1,
        -0.5,
        True,
        None,
        "x",
        "",
        "-1",
        float("nan"),
        float("inf"),
        "NaN",
        "1e99999",
        Decimal(-1),
        [1],
        10**18,
        pytest.param(10**5000, id="huge"),
        pytest.param(-(10**5000), id="-huge"),
        Decimal("sNaN"),
    ],
)
def test_what_is_no_cost_is_left_out(value: object) -> None:
    assert read_cost(value) is None
    assert parse_cost_details({"input": value}) == {}


def test_costs_are_exact_to_thirty_places_and_rounded_beyond() -> None:
    assert read_cost("0." + "1" * COST_DECIMALS) == Decimal("0." + "1" * COST_DECIMALS)
    assert read_cost(5e-324) == 0
    assert read_cost("0." + "1" * 40) == Decimal("0." + "1" * COST_DECIMALS)


def test_genai_attributes_become_disjoint_keys() -> None:
    # 1200 - 1000 - 100 and 300 - 200
    assert usage_from_attributes(
        {
            "gen_ai.usage.input_tokens": 1200,
            "gen_ai.usage.output_tokens": "300",
            "gen_ai.usage.cache_read.input_tokens": 1000,
            "gen_ai.usage.cache_creation.input_tokens": 100,
            "gen_ai.usage.reasoning.output_tokens": 200,
            "gen_ai.usage.cost": 0.5,
            "gen_ai.request.model": "gpt-4o",
        }
    ).details == {
        "input": 100,
        "output": 100,
        "input_cached_tokens": 1000,
        "input_cache_creation": 100,
        "output_reasoning_tokens": 200,
        "total": 1500,
    }


def test_openinference_attributes_become_disjoint_keys() -> None:
    assert usage_from_attributes(
        {
            "llm.token_count.prompt": 50,
            "llm.token_count.completion": 20,
            "llm.token_count.total": 70,
            "llm.token_count.prompt_details.cache_read": 60,
            "llm.token_count.completion_details.reasoning": 5,
            "llm.token_count.completion_details.audio": 6,
        }
    ).details == {
        "input": 0,
        "input_cached_tokens": 60,
        "output": 9,
        "output_reasoning_tokens": 5,
        "output_audio_tokens": 6,
        "total": 70,
    }


def test_other_counts_lose_the_word_details_and_no_count_is_told_twice() -> None:
    # pydantic-ai repeats the provider's own numbers under `details.`
    assert usage_from_attributes(
        {
            "gen_ai.usage.input_tokens": 10,
            "gen_ai.usage.prompt_tokens": 10,
            "gen_ai.usage.details.input_tokens": 10,
            "gen_ai.usage.output_tokens": 5,
            "gen_ai.usage.details.reasoning_tokens": 3,
            "gen_ai.usage.details.search_units": 2,
            "gen_ai.usage.input_cost": 1,
        }
    ).details == {"input": 10, "output": 2, "output_reasoning_tokens": 3, "search_units": 2, "total": 15}


def test_langfuse_usage_wins_over_other_attributes_unless_it_is_no_usage() -> None:
    others = {"gen_ai.usage.input_tokens": 10}
    assert usage_from_attributes({"langfuse.observation.usage_details": '{"input": 1}', **others}).details["input"] == 1
    assert usage_from_attributes({"langfuse.observation.usage_details": "{", **others}).details["input"] == 10


def test_the_order_of_attributes_does_not_matter() -> None:
    attributes: dict[str, object] = {
        "gen_ai.usage.input_tokens": 10,
        "llm.token_count.prompt": 11,
        "gen_ai.usage.prompt_tokens": 12,
        "gen_ai.usage.details.foo": 1,
        "gen_ai.usage.foo": 2,
    }
    forward = usage_from_attributes(attributes).details
    assert usage_from_attributes(dict(reversed(attributes.items()))).details == forward
    assert forward["input"] == 12


def test_costs_are_read_from_attributes_in_their_order() -> None:
    own = {"langfuse.observation.cost_details": '{"input": 1, "total": 2}'}
    assert costs_from_attributes({**own, "gen_ai.usage.cost": 9}) == {"input": Decimal(1), "total": Decimal(2)}
    assert costs_from_attributes({"gen_ai.usage.cost": 0.25, "llm.cost.total": 9}) == {"total": Decimal("0.25")}
    assert costs_from_attributes({"gen_ai.usage.cost": "n/a", "llm.cost.total": 9}) == {"total": Decimal(9)}
    assert costs_from_attributes({}) == {}


def test_the_three_shown_sums_go_by_the_words_in_the_keys() -> None:
    usage = {"input": 1, "cache_read_input_tokens": 2, "output": 4, "output_reasoning_tokens": 8, "x": 16, "total": 31}
    assert usage_sums(usage) == (3, 12, 31)
    assert usage_sums({}) == (0, 0, 0)
    costs = {"input": Decimal("0.1"), "input_cached_tokens": Decimal("0.02"), "total": Decimal(5)}
    assert cost_sums(costs) == (Decimal("0.12"), None, Decimal(5))


@given(junk, junk)
def test_no_body_is_an_error(usage: object, usage_details: object) -> None:
    read = normalise_usage(usage, usage_details)
    assert all(type(units) is int and 0 <= units <= MAX_UNITS for units in read.details.values())
    costs = parse_cost_details(usage_details, usage)
    assert all(cost.is_finite() and 0 <= cost < 10**18 for cost in costs.values())


@given(st.dictionaries(st.sampled_from(ATTRIBUTE_KEYS), junk))
def test_no_attribute_is_an_error(attributes: dict[str, object]) -> None:
    read = usage_from_attributes(attributes).details
    assert all(type(units) is int and 0 <= units <= MAX_UNITS for units in read.values())
    assert all(cost.is_finite() for cost in costs_from_attributes(attributes).values())


@given(st.integers(0, MAX_UNITS), st.integers(0, MAX_UNITS))
def test_every_count_survives_as_it_is(units: int, more: int) -> None:
    text = json.dumps({"input": units, "output": str(more)})
    assert {key: parse_usage_details(text).details[key] for key in ("input", "output")} == {
        "input": units,
        "output": more,
    }


@given(st.floats(min_value=1e-12, max_value=1e12, allow_nan=False))
def test_a_float_cost_reads_back_as_the_same_float(cost: float) -> None:
    read = read_cost(cost)
    assert read is not None
    assert float(read) == cost


def test_the_deepest_json_does_not_reach_the_stack() -> None:
    depth = sys.getrecursionlimit() * 20
    assert parse_usage_details('{"a":' * depth).details == {}
