"""How the numbers of one source are told from those of another, and what is said of those that cannot be true.

Whole responses and spans with their invoices are in `tests/golden`; here is one rule a test.
"""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.core.units import MAX_UNITS
from tailrace.core.usage import parse_usage_details, usage_from_attributes
from tailrace.core.usage_parts import BESIDE, UNKNOWN, WITHIN, Counting, Reported, settle
from tests.assembler.mapping.senders import map_events, observation_of

counts = st.integers(0, 10**9)
scalars = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=5)
junk = scalars | st.lists(scalars, max_size=2)
SHAPE_KEYS = [
    "prompt_tokens",
    "completion_tokens",
    "input_tokens",
    "output_tokens",
    "inputTokens",
    "outputTokens",
    "total_tokens",
    "prompt_tokens_details",
    "output_tokens_details",
    "input_token_details",
    "cached_tokens_details",
    "cached_tokens",
    "cache_creation",
    "cacheDetails",
    "ephemeral_5m_input_tokens",
    "audio_tokens",
    "promptTokenCount",
    "candidatesTokenCount",
    "promptTokensDetails",
    "cacheTokensDetails",
    "billed_units",
    "server_tool_use",
    "input_modality_audio",
    "cache_creation_ephemeral_1h_input_tokens",
    "cache_creation_input_tokens",
    "service_tier",
    "type",
    "seconds",
]
SPAN_KEYS = [
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.output_tokens",
    "gen_ai.usage.total_tokens",
    "gen_ai.usage.cache_read.input_tokens",
    "gen_ai.usage.details.audio_prompt_tokens",
    "ai.usage.inputTokenDetails.noCacheTokens",
    "ai.response.providerMetadata",
    "genkit:output",
    "gcp.vertex.agent.llm_response",
    "gen_ai.system",
    "gen_ai.request.model",
    "openai.response.service_tier",
    "llm.token_count.prompt_details.audio",
]
details = st.dictionaries(st.sampled_from(SHAPE_KEYS), junk | counts, max_size=4)
shapes = st.dictionaries(
    st.sampled_from(SHAPE_KEYS), junk | counts | details | st.lists(details, max_size=2), max_size=8
)


def reported(given: int, output: int, total: int | None, cached: int = 0, reasoning: int = 0) -> Reported:
    told = Reported(given, output, total)
    if cached:
        told.input_parts["input_cached_tokens"] = cached
    if reasoning:
        told.output_parts["output_reasoning_tokens"] = reasoning
    return told


@pytest.mark.parametrize(
    ("total", "counting", "expected"),
    [
        (130, UNKNOWN, (60, 10)),  # 100 + 30: both hold their parts
        (170, UNKNOWN, (100, 10)),  # 100 + 40 + 30: the cache is beside
        (150, UNKNOWN, (60, 30)),  # 100 + 30 + 20: the reasoning is beside
        (190, UNKNOWN, (100, 30)),  # 100 + 40 + 30 + 20
        (None, UNKNOWN, (60, 10)),
        (None, WITHIN, (60, 10)),
        (None, BESIDE, (100, 10)),
        (130, BESIDE, (100, 10)),  # a source that is known beats what its total may mean
        (150, WITHIN, (60, 30)),
        (150, Counting(input_holds=True, output_holds=False), (60, 30)),
    ],
)
def test_the_total_tells_whether_sums_hold_their_parts(
    total: int | None, counting: Counting, expected: tuple[int, int]
) -> None:
    settled = settle(reported(100, 30, total, cached=40, reasoning=20), counting)
    assert (settled.details["input"], settled.details["output"]) == expected
    assert settled.warnings == ()
    assert settled.details["total"] == sum(units for key, units in settled.details.items() if key != "total")


def test_a_total_that_is_neither_stays_and_is_told() -> None:
    settled = settle(reported(100, 30, 1000, cached=40))
    assert settled.details["total"] == 1000
    assert settled.warnings == ("usage total 1000 is not the sum of its parts, 130",)


def test_a_side_that_is_missing_may_be_the_rest_of_the_total() -> None:
    assert parse_usage_details({"output": 10, "total": 100}).warnings == ()
    assert parse_usage_details({"output": 100, "total": 10}).warnings != ()


def test_more_cached_than_input_is_a_contradiction_unless_the_provider_counts_so() -> None:
    told = {"gen_ai.usage.input_tokens": 5, "gen_ai.usage.output_tokens": 1, "gen_ai.usage.cache_read.input_tokens": 50}
    contradicted = usage_from_attributes({**told, "gen_ai.provider.name": "openai"})
    assert (contradicted.details["input"], len(contradicted.warnings)) == (0, 1)
    for provider in (
        {"gen_ai.provider.name": "anthropic"},
        {"gen_ai.system": "aws.bedrock"},
        {"gen_ai.request.model": "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"},
    ):
        usage = usage_from_attributes({**told, **provider})
        assert usage.details == {"input": 5, "output": 1, "input_cached_tokens": 50, "total": 56}
        assert usage.warnings == ()


def test_vercels_version_7_holds_the_cache_within_the_input_and_older_ones_do_not() -> None:
    told = {"ai.usage.inputTokens": 100, "ai.usage.outputTokens": 1, "ai.usage.cachedInputTokens": 50}
    claude = {**told, "gen_ai.system": "anthropic.messages"}
    assert usage_from_attributes(claude, "ai").details["input"] == 100
    assert usage_from_attributes({**claude, "gen_ai.usage.cache_read.input_tokens": 50}, "ai").details["input"] == 50
    assert usage_from_attributes({**told, "gen_ai.system": "openai.chat"}, "ai").details["input"] == 50


def test_unknown_details_stay_within_their_sum() -> None:
    usage = {
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "total_tokens": 15,
        "prompt_tokens_details": {"tool_tokens": 4},
    }
    assert parse_usage_details(usage).details == {"input": 10, "output": 5, "total": 15}


def test_video_that_is_cached_is_cached_input() -> None:
    usage = {
        "promptTokenCount": 100,
        "cachedContentTokenCount": 60,
        "candidatesTokenCount": 1,
        "totalTokenCount": 101,
        "promptTokensDetails": [{"modality": "VIDEO", "tokenCount": 80}, {"modality": "TEXT", "tokenCount": 20}],
        "cacheTokensDetails": [{"modality": "VIDEO", "tokenCount": 60}],
    }
    assert parse_usage_details(usage).details == {
        "input": 20,
        "input_video_tokens": 20,
        "input_cached_tokens": 60,
        "output": 1,
        "total": 101,
    }


def test_counts_that_are_none_are_told_by_name() -> None:
    usage = usage_from_attributes({"gen_ai.usage.input_tokens": -5, "gen_ai.usage.output_tokens": 2})
    assert usage.details == {"output": 2, "total": 2}
    assert usage.warnings == ("usage gen_ai.usage.input_tokens was no whole number from 0 to 10^12 and was left out",)


def test_texts_and_nulls_among_the_counts_are_not_worth_a_warning() -> None:
    assert parse_usage_details({"input": 1, "service": "fast", "output": None, "flag": True}).warnings == ()


def test_seconds_are_a_unit_and_are_rounded_to_the_nearest() -> None:
    for seconds, whole in ((0, 0), (0.5, 1), (1.49, 1), (10**12, 10**12)):
        usage = parse_usage_details(json.dumps({"type": "duration", "seconds": seconds}))
        assert (usage.details, usage.unit) == ({"input": whole, "total": whole}, "SECONDS")
    for seconds in (-1, "NaN", None, True, 10**13, float("nan")):
        assert parse_usage_details({"type": "duration", "seconds": seconds}).details == {}


def test_the_tier_that_served_is_a_model_parameter_of_a_span() -> None:
    attributes = {
        "gen_ai.request.model": "gpt-5",
        "gen_ai.request.temperature": 1,
        "gen_ai.openai.request.service_tier": "auto",
        "gen_ai.openai.response.service_tier": "Flex",
    }
    fields = observation_of(attributes, group={"scope": "app", "version": "1"})
    assert json.loads(fields["model_parameters"]) == {"temperature": 1, "service_tier": "flex"}


@pytest.mark.parametrize(
    ("parameters", "place"), [({"modelParameters": {"top_p": 1}}, "model_parameters"), ({}, "metadata")]
)
def test_the_tier_of_a_body_never_takes_the_parameters_of_another_event_away(
    parameters: dict[str, Any], place: str
) -> None:
    body = {"id": "o", "traceId": "t", "usageDetails": {"input_tokens": 1, "output_tokens": 2, "service_tier": "batch"}}
    event = {
        "id": "e",
        "type": "generation-update",
        "timestamp": "2026-01-01T00:00:00Z",
        "body": {**body, **parameters},
    }
    (change,) = [change for change in map_events(event).changes if change.kind == "observation"]
    told = change.fields[place]
    assert (json.loads(told) if isinstance(told, str) else told)["service_tier"] == "batch"
    assert ("model_parameters" in change.fields) == bool(parameters)


def test_warnings_are_on_the_observation() -> None:
    fields = observation_of({"langfuse.observation.usage_details": '{"input": 1, "output": 2, "total": 9}'})
    assert fields["warnings"] == ["usage total 9 is not the sum of its parts, 3"]


@given(counts, counts, counts, counts)
def test_openai_usage_that_is_true_is_divided_without_a_remainder(a: int, b: int, c: int, d: int) -> None:
    usage = {
        "prompt_tokens": a + b,
        "completion_tokens": c + d,
        "total_tokens": a + b + c + d,
        "prompt_tokens_details": {"cached_tokens": b},
        "completion_tokens_details": {"reasoning_tokens": d},
    }
    read = parse_usage_details(usage)
    assert read.warnings == ()
    assert read.details == {
        "input": a,
        "input_cached_tokens": b,
        "output": c,
        "output_reasoning_tokens": d,
        "total": a + b + c + d,
    }


@given(counts, counts, counts, counts, st.booleans(), st.booleans())
def test_whatever_a_sum_holds_a_true_total_leaves_no_warning(
    a: int, b: int, c: int, d: int, cache_within: bool, reasoning_within: bool
) -> None:
    told = reported(a + b * cache_within, c + d * reasoning_within, a + b + c + d, cached=b, reasoning=d)
    settled = settle(told)
    assert settled.warnings == ()
    assert sum(units for key, units in settled.details.items() if key != "total") == settled.details["total"]


@given(shapes)
def test_no_usage_of_a_provider_is_an_error(usage: dict[str, Any]) -> None:
    read = parse_usage_details(usage)
    assert all(type(units) is int and units >= 0 for units in read.details.values())
    assert all(units <= MAX_UNITS for key, units in read.details.items() if key in ("input", "output", "total"))
    assert all(len(warning) < 400 for warning in read.warnings)


@given(
    st.dictionaries(
        st.sampled_from(SPAN_KEYS),
        junk
        | counts
        | shapes.map(
            lambda usage: json.dumps({"usage_metadata": usage, "usage": usage, "anthropic": {"usage": usage}})
        ),
    ),
    st.sampled_from(["", "ai", "opentelemetry.instrumentation.bedrock"]),
)
def test_no_span_is_an_error(attributes: dict[str, Any], scope: str) -> None:
    read = usage_from_attributes(attributes, scope)
    assert all(type(units) is int and units >= 0 for units in read.details.values())
