"""A usage in the text of an attribute: as JSON, as Python writes it, or as junk, which is no usage and no error."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.core.usage import costs_from_attributes, parse_usage_details, usage_from_attributes
from tailrace.core.usage_texts import json_object, python_object

OPENAI = {
    "prompt_tokens": 10,
    "completion_tokens": 5,
    "total_tokens": 15,
    "prompt_tokens_details": {"cached_tokens": 4},
}
IN_ONE_FORM = {"input": 6, "input_cached_tokens": 4, "output": 5, "total": 15}


def test_a_dict_of_python_is_read_as_it_was_meant() -> None:
    given_ = {"a": 1, "b": None, "c": True, "d": {"e": 0.5, "f": [1, 2]}, "g": False, "h i": "x y"}
    assert python_object(str(given_)) == given_


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "None",
        "[1]",
        "{'a': __import__('os')}",
        "{'a': 'it''s'}",
        """{"a": 1}""",
        "{'a': '\\'}",
        "{'a': nan}",
        "{" * 9_000,
        "{'a': " * 5_000,
        "{'a': 1}" + " " * 10_000,
        3,
        None,
    ],
)
def test_whatever_else_is_no_dict_of_python(text: object) -> None:
    assert not isinstance(text, str) or python_object(text) == {}
    assert python_object(text) == {}


@given(st.text() | st.integers() | st.none())
def test_no_text_is_an_error(text: object) -> None:
    python_object(text)
    json_object(text)
    for name in (
        "gen_ai.usage.raw",
        "mlflow.spanOutputs",
        "mlflow.chat.tokenUsage",
        "metadata.usage_object",
        "genkit:output",
    ):
        usage_from_attributes({name: text, "mlflow.spanType": text}, "litellm")


@pytest.mark.parametrize(
    ("attributes", "scope"),
    [
        ({"gen_ai.usage.raw": json.dumps(OPENAI), "gen_ai.usage.input_tokens": 10}, "logfire"),
        ({"genkit:output": json.dumps({"usage": {"inputTokens": 10}, "raw": {"usage": OPENAI}})}, "genkit-tracer"),
        ({"mlflow.spanType": '"LLM"', "mlflow.spanOutputs": json.dumps({"usage": OPENAI})}, "mlflow"),
        ({"metadata.usage_object": str(OPENAI), "gen_ai.usage.input_tokens": 10}, "litellm"),
    ],
)
def test_the_usage_of_the_provider_stands_before_what_is_made_of_it(attributes: dict[str, object], scope: str) -> None:
    assert usage_from_attributes(attributes, scope).details == IN_ONE_FORM


def test_what_is_no_usage_of_a_provider_leaves_it_to_the_counts() -> None:
    counts = {"gen_ai.usage.input_tokens": 3, "gen_ai.usage.output_tokens": 2}
    told = {"input": 3, "output": 2, "total": 5}
    assert usage_from_attributes({**counts, "gen_ai.usage.raw": "{}"}).details == told
    assert usage_from_attributes({**counts, "metadata.usage_object": str(OPENAI)}, "app").details == told
    chain = {"mlflow.spanType": '"CHAIN"', "mlflow.spanOutputs": json.dumps({"usage": OPENAI})}
    assert usage_from_attributes(chain).details == {}


def test_litellm_tells_langfuse_less_than_it_puts_into_the_metadata() -> None:
    details = "langfuse.observation.usage_details"
    metadata = "langfuse.observation.metadata.usage_object"
    attributes = {
        details: json.dumps({"input": 6, "output": 5, "total": 15, "cache_read_input_tokens": 4}),
        metadata: json.dumps(OPENAI),
    }
    assert usage_from_attributes(attributes).details == IN_ONE_FORM
    other = {details: json.dumps({"input": 7, "output": 5}), metadata: json.dumps(OPENAI)}
    assert usage_from_attributes(other).details == {"input": 7, "output": 5, "total": 12}
    assert usage_from_attributes({details: '{"input": 7}', metadata: "junk"}).details == {"input": 7, "total": 7}


def test_lifetimes_of_cache_writes_may_stand_in_the_whole_answer_of_openinference() -> None:
    counts = {"llm.token_count.prompt": 100, "llm.token_count.prompt_details.cache_write": 30}
    answer = {"usage": {"cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 10}}}
    told = usage_from_attributes({**counts, "output.value": json.dumps(answer)}).details
    assert told == {"input": 70, "input_cache_creation_5m": 20, "input_cache_creation_1h": 10, "total": 100}
    answer["usage"]["cache_creation"]["ephemeral_1h_input_tokens"] = 9
    told = usage_from_attributes({**counts, "output.value": json.dumps(answer)}).details
    assert told == {"input": 70, "input_cache_creation": 30, "total": 100}


@given(st.integers(0, 1000), st.integers(0, 1000), st.integers(0, 1000), st.integers(0, 1000))
def test_details_that_are_told_twice_are_taken_out_of_the_sums(
    text: int, cached: int, answer: int, thought: int
) -> None:
    told = {
        "input": text + cached,
        "output": answer + thought,
        "input_cached_tokens": cached,
        "output_reasoning_tokens": thought,
    }
    usage = parse_usage_details({**told, "total": text + cached + answer + thought})
    assert usage.details == {
        "input": text,
        "output": answer,
        "input_cached_tokens": cached,
        "output_reasoning_tokens": thought,
        "total": text + cached + answer + thought,
    }
    assert usage.warnings == ()


@given(st.integers(0, 1000), st.integers(0, 1000), st.integers(1, 1000))
def test_disjoint_keys_with_a_true_total_stay(text: int, cached: int, answer: int) -> None:
    given_ = {"input": text, "input_cached_tokens": cached, "output": answer, "total": text + cached + answer}
    assert parse_usage_details(given_).details == given_


def test_parts_that_are_more_than_their_sum_are_not_within_it() -> None:
    given_ = {"input": 3, "input_cached_tokens": 100, "output": 5, "total": 8}
    usage = parse_usage_details(given_)
    assert usage.details == given_
    assert usage.warnings == ("usage total 8 is not the sum of its parts, 108",)


@pytest.mark.parametrize("name", ["gen_ai.usage.cost", "llm.cost.total", "gen_ai.cost.total_cost", "operation.cost"])
def test_a_cost_of_0_is_none_unless_langfuse_says_it(name: str) -> None:
    assert costs_from_attributes({name: 0}) == costs_from_attributes({name: 0.0}) == {}
    assert costs_from_attributes({name: 0.5}) == {"total": pytest.approx(0.5)}
    own = {"langfuse.observation.cost_details": '{"total": 0}', name: 0.5}
    assert costs_from_attributes(own) == {"total": 0}
