"""Which convention's attribute wins, for every field, and where each convention keeps its bodies."""

import json
from decimal import Decimal
from typing import Any

import pytest

from tests.assembler.mapping.senders import changes_of, map_spans, observation_of, span, span_event, trace_of

FOREIGN = {"scope": "app", "version": "1.0"}


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({}, "SPAN"),
        ({"langfuse.observation.type": "agent", "openinference.span.kind": "LLM"}, "AGENT"),
        ({"langfuse.observation.type": "Agent", "openinference.span.kind": "LLM"}, "GENERATION"),
        ({"openinference.span.kind": "RETRIEVER", "gen_ai.operation.name": "chat"}, "RETRIEVER"),
        ({"openinference.span.kind": "UNKNOWN", "gen_ai.operation.name": "chat"}, "GENERATION"),
        ({"gen_ai.operation.name": "text_completion"}, "GENERATION"),
        ({"gen_ai.operation.name": "embeddings", "gen_ai.request.model": "m"}, "EMBEDDING"),
        ({"gen_ai.operation.name": "invoke_agent", "gen_ai.request.model": "m"}, "AGENT"),
        ({"gen_ai.operation.name": "execute_tool"}, "TOOL"),
        ({"operation.name": "ai.generateText.doGenerate fn", "ai.model.id": "m"}, "GENERATION"),
        ({"ai.operationId": "ai.embed.doEmbed", "ai.model.id": "m"}, "EMBEDDING"),
        ({"ai.operationId": "ai.streamText.doStream"}, "SPAN"),
        ({"ai.operationId": "ai.generateText", "ai.model.id": "m"}, "SPAN"),
        ({"ai.operationId": "ai.toolCall"}, "TOOL"),
        ({"gen_ai.tool.name": "search", "gen_ai.request.model": "m"}, "TOOL"),
        ({"gen_ai.tool.call.id": "c1"}, "TOOL"),
        ({"llm.model_name": "m"}, "GENERATION"),
        ({"model": "m"}, "GENERATION"),
        ({"gen_ai.request.model": ""}, "SPAN"),
    ],
)
def test_the_type_is_what_the_first_rule_says(attributes: dict[str, Any], expected: str) -> None:
    assert observation_of(attributes, group=FOREIGN)["type"] == expected


@pytest.mark.parametrize(
    ("version", "language", "expected"),
    [
        ("3.3.9", "python", "GENERATION"),
        ("3.4.0", "python", "SPAN"),
        ("3.1", "nodejs", "SPAN"),
        ("dev", "python", "SPAN"),
    ],
)
def test_old_python_sdks_call_a_generation_a_span(version: str, language: str, expected: str) -> None:
    group = {"version": version, "resource": {"telemetry.sdk.language": language}}
    attributes = {"langfuse.observation.type": "span", "langfuse.observation.model.name": "m"}
    assert observation_of(attributes, group=group)["type"] == expected
    assert observation_of({"langfuse.observation.type": "span"}, group=group)["type"] == "SPAN"


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({}, "step"),
        ({"gen_ai.tool.name": "search", "ai.operationId": "ai.toolCall"}, "search"),
        ({"ai.toolCall.name": "search", "ai.operationId": "ai.toolCall"}, "search"),
        ({"ai.operationId": "ai.generateText", "ai.telemetry.functionId": "summarise"}, "summarise:ai.generateText"),
        ({"ai.operationId": "ai.generateText"}, "ai.generateText"),
    ],
)
def test_the_name_is_the_first_that_is_given(attributes: dict[str, Any], expected: str) -> None:
    assert observation_of(attributes, group=FOREIGN)["name"] == expected


def test_the_model_is_the_first_that_is_given() -> None:
    keys = [
        "langfuse.observation.model.name",
        "gen_ai.response.model",
        "ai.model.id",
        "gen_ai.request.model",
        "llm.response.model",
        "llm.model_name",
        "model",
    ]
    for position in range(len(keys)):
        attributes = {key: key for key in keys[position:]} | dict.fromkeys(keys[:position], "")
        assert observation_of(attributes, group=FOREIGN)["model"] == keys[position]


def test_an_agents_span_keeps_its_model_and_usage_but_does_not_count_them() -> None:
    attributes = {"gen_ai.operation.name": "invoke_agent", "gen_ai.request.model": "m", "gen_ai.usage.input_tokens": 3}
    fields = observation_of(attributes, group=FOREIGN)
    assert (fields["uncounted"], fields["model"], fields["usage_details"]) == (True, "m", {"input": 3, "total": 3})
    assert "uncounted" not in observation_of({"gen_ai.operation.name": "chat"}, group=FOREIGN)


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        (
            {"langfuse.observation.model.parameters": '{"t":0.2,"n":5,"s":["a"],"b":true,"x":null}'},
            '{"t":0.2,"n":5,"s":"[\\"a\\"]","b":"true"}',
        ),
        ({"llm.invocation_parameters": '{"t": 1}', "gen_ai.request.top_p": 0.5}, '{"t":1}'),
        ({"model_config": '{"t": 2}'}, '{"t":2}'),
        (
            {"gen_ai.request.model": "m", "gen_ai.request.top_p": 0.5, "gen_ai.request.stop": ["x"]},
            '{"top_p":0.5,"stop":"[\\"x\\"]"}',
        ),
        ({"llm.invocation_parameters.seed": 7}, '{"seed":7}'),
        ({"gen_ai.request.model": "m"}, None),
    ],
)
def test_model_parameters_are_texts_and_numbers_and_the_rest_is_stringified(
    attributes: dict[str, Any], expected: str | None
) -> None:
    assert observation_of(attributes, group=FOREIGN).get("model_parameters") == expected


def test_usage_and_cost_of_other_conventions_are_taken_where_langfuse_gives_none() -> None:
    attributes = {
        "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.output_tokens": 5,
        "gen_ai.usage.cache_read.input_tokens": 4,
        "gen_ai.usage.cost": 0.25,
    }
    fields = observation_of(attributes, group=FOREIGN)
    assert fields["usage_details"] == {"input": 6, "output": 5, "input_cached_tokens": 4, "total": 15}
    assert fields["provided_cost_details"] == {"total": Decimal("0.25")}
    own = {"langfuse.observation.usage_details": '{"input": 1}', "langfuse.observation.cost_details": '{"total": 0.1}'}
    fields = observation_of(attributes | own, group=FOREIGN)
    assert (fields["usage_details"], fields["provided_cost_details"]) == (
        {"input": 1, "total": 1},
        {"total": Decimal("0.1")},
    )


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("2026-01-01T00:00:00Z", 1_767_225_600_000_000),
        ('"2026-01-01T01:00:00.000001+01:00"', 1_767_225_600_000_001),
        ("2026-01-01T00:00:00", None),
        ("soon", None),
    ],
)
def test_the_completion_start_is_a_time_or_a_quoted_time(given: str, expected: int | None) -> None:
    fields = observation_of({"langfuse.observation.completion_start_time": given})
    assert fields.get("completion_start_time") == expected


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"langfuse.observation.prompt.name": "p", "langfuse.observation.prompt.version": 3}, ("p", 3)),
        ({"langfuse.observation.prompt.name": "p", "langfuse.observation.prompt.version": "3"}, ("p", 3)),
        ({"langfuse.prompt.name": "p", "langfuse.prompt.version": 3}, ("p", 3)),
        ({"langfuse.observation.prompt.name": "p"}, None),
        ({"langfuse.observation.prompt.name": "p", "langfuse.observation.prompt.version": 2**31}, None),
        ({"langfuse.observation.prompt.name": "p", "langfuse.observation.prompt.version": "latest"}, None),
    ],
)
def test_a_generation_links_to_a_prompt_by_name_and_version(
    attributes: dict[str, Any], expected: tuple[str, int] | None
) -> None:
    fields = observation_of({"langfuse.observation.type": "generation", **attributes})
    assert (fields.get("prompt_name"), fields.get("prompt_version")) == (expected or (None, None))
    assert "prompt_name" not in observation_of({"langfuse.observation.type": "span", **attributes})


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"langfuse.user.id": "a", "user.id": "b"}, "a"),
        ({"user.id": "b", "langfuse.trace.metadata.langfuse_user_id": "d"}, "b"),
        ({"langfuse.observation.metadata.langfuse_user_id": "c", "langfuse.trace.metadata.langfuse_user_id": "d"}, "c"),
        ({"langfuse.trace.metadata.langfuse_user_id": "d", "ai.telemetry.metadata.userId": "e"}, "d"),
        ({"ai.telemetry.metadata.userId": "e"}, "e"),
        ({"user.id": 42}, "42"),
    ],
)
def test_the_user_is_the_first_that_is_given(attributes: dict[str, Any], expected: str) -> None:
    assert trace_of(span(attributes, parentSpanId="00f067aa0ba902b7"), **FOREIGN)["user_id"] == expected


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"langfuse.session.id": "a", "session.id": "b"}, "a"),
        ({"session.id": "b", "gen_ai.conversation.id": "c"}, "b"),
        ({"gen_ai.conversation.id": "c", "langfuse.trace.metadata.langfuse_session_id": "d"}, "c"),
        ({"langfuse.observation.metadata.langfuse_session_id": "d"}, "d"),
        ({"ai.telemetry.metadata.sessionId": "e"}, "e"),
    ],
)
def test_the_session_is_the_first_that_is_given(attributes: dict[str, Any], expected: str) -> None:
    assert trace_of(span(attributes, parentSpanId="00f067aa0ba902b7"), **FOREIGN)["session_id"] == expected


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"langfuse.trace.tags": ["b", "a"]}, ["a", "b"]),
        ({"langfuse.tags": '["b", "a"]'}, ["a", "b"]),
        ({"langfuse.trace.metadata.langfuse_tags": "b, a"}, ["a", "b"]),
        ({"ai.telemetry.metadata.tags": ["a"]}, ["a"]),
        ({"tag.tags": "a"}, ["a"]),
        ({"langfuse.trace.tags": [], "tag.tags": "a"}, ["a"]),
        ({"langfuse.trace.tags": [1, True, ""]}, ["1", "true"]),
    ],
)
def test_tags_are_a_list_or_its_json_or_a_comma_list_or_one_text(
    attributes: dict[str, Any], expected: list[str]
) -> None:
    assert trace_of(span(attributes), **FOREIGN)["tags"] == expected


def test_telemetry_metadata_of_vercel_is_metadata_without_what_has_a_field() -> None:
    attributes = {
        "ai.telemetry.metadata.tier": '"gold"',
        "ai.telemetry.metadata.userId": "u",
        "ai.telemetry.metadata.n": 3,
    }
    metadata = observation_of(attributes, group=FOREIGN)["metadata"]
    assert {key: metadata[key] for key in ("tier", "n")} == {"tier": "gold", "n": 3}
    assert "userId" not in metadata
    assert "attributes" not in metadata


MESSAGES = '[{"role":"user","parts":[]}]'


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"langfuse.observation.input": "a", "input.value": "b"}, ("a", None)),
        ({"langfuse.observation.output": "a", "input.value": "b"}, (None, "a")),
        ({"mlflow.spanInputs": "a", "traceloop.entity.input": "b"}, ("a", None)),
        ({"traceloop.entity.output": "a", "output.value": "b"}, (None, "a")),
        ({"input.value": "a", "output.value": "b", "gen_ai.input.messages": MESSAGES}, ("a", "b")),
        ({"input": "a", "output": ["b"]}, ("a", '["b"]')),
        (
            {"gen_ai.prompt.0.role": "user", "gen_ai.completion.0.content": "hi"},
            ('[{"role":"user"}]', '[{"content":"hi"}]'),
        ),
        (
            {"llm.input_messages.0.message.role": "user", "llm.output_messages.0.message.role": "assistant"},
            ('[{"message":{"role":"user"}}]', '[{"message":{"role":"assistant"}}]'),
        ),
        ({"gen_ai.input.messages": MESSAGES, "gen_ai.tool.call.result": "b"}, (MESSAGES, None)),
        ({"gen_ai.tool.call.arguments": "a", "gen_ai.tool.call.result": "b"}, ("a", "b")),
        ({"langfuse.observation.input": 3}, ("3", None)),
        ({}, (None, None)),
    ],
)
def test_bodies_come_from_the_first_convention_that_gives_either(
    attributes: dict[str, Any], expected: tuple[str | None, str | None]
) -> None:
    fields = observation_of(attributes, group=FOREIGN)
    assert (fields.get("input"), fields.get("output")) == expected
    assert "attributes" not in fields["metadata"] or not set(attributes) & {
        key for key in fields["metadata"]["attributes"] if key.endswith((".role", ".content"))
    }


def test_system_instructions_stand_before_messages_that_have_none() -> None:
    parts = '[{"type":"text","content":"Be kind."}]'
    told = {"gen_ai.input.messages": MESSAGES, "gen_ai.system_instructions": parts}
    assert json.loads(observation_of(told, group=FOREIGN)["input"]) == [
        {"role": "system", "parts": json.loads(parts)},
        {"role": "user", "parts": []},
    ]
    told["gen_ai.system_instructions"] = "Be kind."
    assert json.loads(observation_of(told, group=FOREIGN)["input"])[0] == {"role": "system", "content": "Be kind."}
    told["gen_ai.input.messages"] = '[{"role":"system"}]'
    assert observation_of(told, group=FOREIGN)["input"] == '[{"role":"system"}]'
    told["gen_ai.input.messages"] = "not a list"
    assert observation_of(told, group=FOREIGN)["input"] == "not a list"


def test_messages_in_a_details_event_are_the_bodies() -> None:
    event = span_event("gen_ai.client.inference.operation.details", {"gen_ai.input.messages": MESSAGES})
    fields = observation_of({"input.value": "later"}, group=FOREIGN, events=[event])
    assert fields["input"] == MESSAGES


def test_one_event_per_message_makes_a_list_and_a_single_choice_is_the_output_itself() -> None:
    events = [
        span_event("gen_ai.system.message", {"content": "Be kind."}),
        span_event("gen_ai.user.message", {"content": "Hi", "role": "customer"}),
        span_event("gen_ai.choice", {"message": "Hello"}),
        span_event("something.else", {"content": "no"}),
    ]
    fields = observation_of(None, group=FOREIGN, events=events)
    assert json.loads(fields["input"]) == [
        {"role": "system", "content": "Be kind."},
        {"role": "customer", "content": "Hi"},
    ]
    assert json.loads(fields["output"]) == {"message": "Hello"}
    several = observation_of(None, group=FOREIGN, events=[events[2], events[2]])
    assert json.loads(several["output"]) == [{"message": "Hello"}] * 2


def test_attributes_of_a_type_that_no_convention_expects_do_no_harm() -> None:
    keys = [
        "langfuse.observation.type",
        "langfuse.observation.level",
        "langfuse.observation.status_message",
        "langfuse.observation.usage_details",
        "langfuse.observation.cost_details",
        "langfuse.observation.model.name",
        "langfuse.observation.model.parameters",
        "langfuse.observation.completion_start_time",
        "langfuse.observation.prompt.name",
        "langfuse.observation.prompt.version",
        "langfuse.observation.metadata",
        "langfuse.environment",
        "langfuse.version",
        "langfuse.release",
        "langfuse.trace.name",
        "langfuse.trace.tags",
        "langfuse.trace.public",
        "langfuse.trace.metadata",
        "user.id",
        "session.id",
        "openinference.span.kind",
        "gen_ai.operation.name",
        "gen_ai.tool.name",
        "gen_ai.request.model",
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.cost",
        "gen_ai.system_instructions",
        "gen_ai.input.messages",
        "operation.name",
        "ai.operationId",
        "ai.telemetry.functionId",
        "llm.invocation_parameters",
        "input.value",
        "telemetry.sdk.language",
    ]
    for value in (["a", 1], 7, -1.5, True, "", "{", "[1", '"'):
        attributes: dict[str, Any] = dict.fromkeys(keys, value)
        mapped = map_spans(span(attributes), **FOREIGN, resource=attributes)
        assert mapped.rejects == []
        assert len(changes_of(mapped, "observation")) == 1
