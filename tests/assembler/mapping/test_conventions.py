"""Which convention's attribute wins, for every field but the bodies."""

from decimal import Decimal
from typing import Any

import pytest

from tests.assembler.mapping.senders import START_US, observation_of, span, trace_of

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
        ({"gen_ai.operation.name": "execute_tool", "genkit:metadata:subtype": "model"}, "TOOL"),
        ({"genkit:metadata:subtype": "background-model", "ai.operationId": "ai.toolCall"}, "GENERATION"),
        ({"genkit:metadata:subtype": "embedder"}, "EMBEDDING"),
        ({"genkit:metadata:subtype": "tool.v2"}, "TOOL"),
        ({"genkit:metadata:subtype": "retriever"}, "RETRIEVER"),
        ({"genkit:metadata:subtype": "evaluator"}, "EVALUATOR"),
        ({"genkit:metadata:subtype": "flow", "gen_ai.tool.call.id": "c"}, "TOOL"),
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
        ({"gen_ai.response.model": "m", "traceloop.span.kind": "tool"}, "GENERATION"),
        ({"traceloop.span.kind": "tool", "mlflow.spanType": '"AGENT"'}, "TOOL"),
        ({"llm.request.type": "embedding"}, "EMBEDDING"),
        ({"mlflow.spanType": '"CHAT_MODEL"', "langsmith.span.kind": "tool"}, "GENERATION"),
        ({"langsmith.span.kind": "retriever", "gen_ai.operation.name": "invoke_workflow"}, "RETRIEVER"),
        ({"gen_ai.operation.name": "invoke_workflow"}, "CHAIN"),
        ({"gen_ai.operation.name": "dream", "traceloop.span.kind": "task", "mlflow.spanType": '"UNKNOWN"'}, "SPAN"),
    ],
)
def test_the_type_is_what_the_first_rule_says(attributes: dict[str, Any], expected: str) -> None:
    assert observation_of(attributes, group=FOREIGN)["type"] == expected


@pytest.mark.parametrize(
    ("scope", "name", "attributes", "expected"),
    [
        ("livekit-agents", "agent_turn", {}, "AGENT"),
        ("livekit-agents", "start_agent_activity", {"llm.model_name": "m"}, "AGENT"),
        ("livekit-agents", "function_tool", {}, "TOOL"),
        ("livekit-agents", "agent_turn", {"gen_ai.tool.name": "t"}, "TOOL"),
        ("livekit-agents", "user_turn", {}, "SPAN"),
        ("app", "agent_turn", {}, "SPAN"),
        ("@flue/opentelemetry", "step", {"flue.tool.origin": "mcp"}, "TOOL"),
        ("@flue/opentelemetry", "step", {"flue.task.id": "t", "model": "m"}, "AGENT"),
        ("app", "step", {"flue.tool.origin": "mcp"}, "SPAN"),
    ],
)
def test_the_type_of_spans_of_some_scopes_is_told_by_their_names(
    scope: str, name: str, attributes: dict[str, Any], expected: str
) -> None:
    assert observation_of(attributes, group={"scope": scope}, name=name)["type"] == expected


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
        ({"gen_ai.tool.name": "search", "genkit:name": "g"}, "search"),
        ({"genkit:name": "g", "logfire.msg": "l"}, "g"),
        ({"logfire.msg": "l", "ai.toolCall.name": "search"}, "l"),
        ({"logfire.msg": "", "ai.toolCall.name": "search"}, "search"),
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
        "genkit:name",
        "llm.response.model_name",
        "llm.request.model_name",
        "embedding.model_name",
        "mlflow.llm.model",
    ]
    for position in range(len(keys)):
        attributes = {key: key for key in keys[position:]} | dict.fromkeys(keys[:position], "")
        attributes["genkit:metadata:subtype"] = "model"
        assert observation_of(attributes, group=FOREIGN)["model"] == keys[position]


def test_only_an_action_of_a_model_is_called_as_a_model_is() -> None:
    attributes = {"genkit:name": "search", "genkit:metadata:subtype": "tool"}
    assert "model" not in observation_of(attributes, group=FOREIGN)


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
        ({"langfuse.observation.model.parameters": '{"t":0}', "llm.invocation_parameters": '{"t": 1}'}, '{"t":0}'),
        ({"llm.invocation_parameters": '{"t": 1}', "model_config": '{"t": 2}'}, '{"t":1}'),
        ({"llm.invocation_parameters": '{"t": 1}', "gen_ai.request.top_p": 0.5}, '{"t":1}'),
        ({"model_config": '{"t": 2}', "gen_ai.request.top_p": 0.5}, '{"t":2}'),
        ({"llm.invocation_parameters": "{}", "model_config": '{"t": 2}'}, '{"t":2}'),
        ({"llm.invocation_parameters": "hot", "gen_ai.request.top_p": 0.5}, '{"top_p":0.5}'),
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
    ("attributes", "milliseconds"),
    [
        ({"ai.response.msToFirstChunk": 412.3, "ai.stream.msToFirstChunk": 1}, 413),
        ({"ai.stream.msToFirstChunk": 7}, 7),
        ({"ai.stream.msToFirstChunk": 7, "gen_ai.response.time_to_first_chunk": 0.25}, 7),
        ({"gen_ai.response.time_to_first_chunk": 0.25}, 250),
        ({"gen_ai.client.operation.time_to_first_chunk": 1.0001}, 1001),
        ({"ai.stream.msToFirstChunk": -1}, None),
        ({"ai.stream.msToFirstChunk": "soon"}, None),
        ({"ai.stream.msToFirstChunk": True}, None),
        ({"ai.stream.msToFirstChunk": 1e300}, None),
        ({"ai.stream.msToFirstChunk": 9e17}, None),
    ],
)
def test_the_completion_start_is_the_time_to_the_first_chunk_after_the_start(
    attributes: dict[str, Any], milliseconds: int | None
) -> None:
    found = observation_of(attributes, group=FOREIGN).get("completion_start_time")
    assert found == (None if milliseconds is None else START_US + milliseconds * 1000)


def test_a_completion_start_that_langfuse_gives_beats_a_time_to_the_first_chunk() -> None:
    own = {"langfuse.observation.completion_start_time": "2026-01-01T00:00:00Z", "ai.stream.msToFirstChunk": 7}
    assert observation_of(own, group=FOREIGN)["completion_start_time"] == 1_767_225_600_000_000
    assert "completion_start_time" not in observation_of(
        {"ai.stream.msToFirstChunk": 7}, group=FOREIGN, startTimeUnixNano=None
    )


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"langfuse.observation.prompt.name": "p", "langfuse.observation.prompt.version": 3}, ("p", 3)),
        ({"langfuse.observation.prompt.name": "p", "langfuse.observation.prompt.version": "3"}, ("p", 3)),
        ({"langfuse.prompt.name": "p", "langfuse.prompt.version": 3}, ("p", 3)),
        ({"ai.telemetry.metadata.langfusePrompt": '{"name":"p","version":3,"labels":["production"]}'}, ("p", 3)),
        (
            {
                "ai.telemetry.metadata.langfusePrompt": '{"name":"q","version":4}',
                "langfuse.prompt.name": "p",
                "langfuse.prompt.version": 3,
            },
            ("p", 3),
        ),
        ({"ai.telemetry.metadata.langfusePrompt": '{"name":"p"}'}, None),
        ({"ai.telemetry.metadata.langfusePrompt": "p@3"}, None),
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
        ({"ai.telemetry.metadata.userId": "e", "traceloop.association.properties.user_id": "f"}, "e"),
        ({"traceloop.association.properties.user_id": "f"}, "f"),
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
        ({"ai.telemetry.metadata.sessionId": "e", "gcp.vertex.agent.session_id": "f"}, "e"),
        ({"gcp.vertex.agent.session_id": "f", "traceloop.association.properties.session_id": "g"}, "f"),
        ({"traceloop.association.properties.session_id": "g"}, "g"),
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


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("trace", "DEBUG"),
        ("VERBOSE", "DEBUG"),
        ("info", "DEFAULT"),
        ("Log", "DEFAULT"),
        ("notice", "DEFAULT"),
        ("ok", "DEFAULT"),
        ("SUCCESS", "DEFAULT"),
        ("warn", "WARNING"),
        ("fatal", "ERROR"),
        ("critical", "ERROR"),
        ("loud", None),
        (3, None),
    ],
)
def test_words_of_other_libraries_are_levels_and_unknown_ones_are_ignored(word: Any, expected: str | None) -> None:
    assert observation_of({"langfuse.observation.level": word}).get("level") == expected


@pytest.mark.parametrize("name", ["tts_node", "tts_request_run", "eou_detection", "user_speaking", "session_start"])
def test_plumbing_of_livekit_is_for_debugging_unless_it_failed_or_says_otherwise(name: str) -> None:
    group = {"scope": "livekit-agents"}
    assert observation_of(group=group, name=name)["level"] == "DEBUG"
    assert observation_of(group=group, name=name, status={"code": 2})["level"] == "ERROR"
    assert observation_of({"langfuse.observation.level": "WARNING"}, group=group, name=name)["level"] == "WARNING"
    assert "level" not in observation_of(group={"scope": "app"}, name=name)
    assert "level" not in observation_of(group=group, name="agent_turn")


@pytest.mark.parametrize(
    ("number", "expected"),
    [(1, "DEBUG"), (5, "DEBUG"), (9, "DEFAULT"), (10, "DEFAULT"), (13, "WARNING"), (17, "ERROR"), (21, "ERROR")],
)
def test_levels_of_logfire_are_numbers(number: int, expected: str) -> None:
    assert observation_of({"logfire.level_num": number}, group=FOREIGN)["level"] == expected


@pytest.mark.parametrize("number", [0, -3, "9", True, 9.5])
def test_what_is_no_level_of_logfire_is_ignored(number: Any) -> None:
    assert "level" not in observation_of({"logfire.level_num": number}, group=FOREIGN)


def test_what_langfuse_says_of_a_span_beats_every_other_convention() -> None:
    own = {
        "langfuse.observation.type": "tool",
        "langfuse.observation.model.name": "own",
        "langfuse.observation.model.parameters": '{"t": 0}',
        "langfuse.observation.level": "DEBUG",
    }
    foreign = {
        "openinference.span.kind": "LLM",
        "gen_ai.operation.name": "chat",
        "gen_ai.response.model": "other",
        "llm.invocation_parameters": '{"t": 1}',
        "logfire.level_num": 17,
    }
    fields = observation_of(own | foreign, group=FOREIGN, status={"code": 2})
    assert (fields["type"], fields["model"], fields["model_parameters"], fields["level"]) == (
        "TOOL",
        "own",
        '{"t":0}',
        "DEBUG",
    )
