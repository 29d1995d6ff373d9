"""Rules of our own (`docs/mapping.md` marks them): they speak where others leave a field empty, or say what is not so."""

import json
from typing import Any

import pytest

from tests.assembler.mapping.senders import START_US, child, observation_of, span, span_event, trace_of

FOREIGN = {"scope": "app", "version": "1.0"}


def exception(message: str) -> dict[str, Any]:
    return span_event("exception", {"exception.type": "ValueError", "exception.message": message})


@pytest.mark.parametrize(
    ("attributes", "events", "expected"),
    [
        ({"error.message": "told", "error.type": "E"}, [exception("raised")], "told"),
        ({"error.type": "E"}, [exception("first"), exception("last"), exception("")], "last"),
        ({"error.type": "E"}, [span_event("retry", {"exception.message": "no exception"})], "E"),
        ({"langfuse.observation.status_message": "own", "error.message": "told"}, [exception("raised")], "own"),
        ({}, [], None),
    ],
)
def test_a_failed_span_without_a_message_says_why_in_other_ways(
    attributes: dict[str, Any], events: list[dict[str, Any]], expected: str | None
) -> None:
    fields = observation_of(attributes, group=FOREIGN, status={"code": 2}, events=events)
    assert fields.get("status_message") == expected
    assert observation_of({"error.message": "told"}, status={"code": 2, "message": "said"})["status_message"] == "said"


def test_a_span_that_did_not_fail_has_no_message_of_a_failure() -> None:
    fields = observation_of({"error.message": "told"}, group=FOREIGN, events=[exception("caught")])
    assert "status_message" not in fields


@pytest.mark.parametrize(
    "attributes",
    [
        {"gen_ai.operation.name": "embedding", "gen_ai.request.model": "m"},
        {"llm.request.type": "embedding", "gen_ai.request.model": "m"},
        {"mlflow.spanType": '"EMBEDDING"', "model": '"m"'},
        {"langsmith.span.kind": "embedding", "gen_ai.request.model": "m"},
    ],
)
def test_who_says_that_he_embeds_is_no_generation(attributes: dict[str, Any]) -> None:
    assert observation_of(attributes, group=FOREIGN)["type"] == "EMBEDDING"


@pytest.mark.parametrize(
    ("attributes", "scope", "expected"),
    [
        ({"ai.operationId": "ai.generateText"}, "ai", True),
        ({"ai.operationId": "ai.streamObject", "gen_ai.usage.input_tokens": 3}, "my tracer", True),
        ({"ai.operationId": "ai.generateText.doGenerate"}, "ai", None),
        ({"ai.operationId": "ai.embedMany.doEmbed"}, "ai", None),
        ({"ai.operationId": "own"}, "ai", None),
        ({"genkit:output": "{}", "genkit:metadata:subtype": "model"}, "genkit-tracer", None),
        ({"genkit:output": "{}", "genkit:name": "generate"}, "genkit-tracer", True),
        ({"genkit:output": "{}", "gen_ai.usage.input_tokens": 3}, "my tracer", None),
        ({"gen_ai.operation.name": "agent_step"}, "ai", True),
    ],
)
def test_operations_around_calls_declare_that_they_repeat_them(
    attributes: dict[str, Any], scope: str, expected: bool | None
) -> None:
    assert observation_of(attributes, group={"scope": scope}).get("uncounted") is expected


def test_the_runtime_context_of_vercel_is_metadata_without_what_has_a_field() -> None:
    context = {"ai.settings.context.tier": "gold", "ai.settings.context.userId": "u", "ai.settings.maxRetries": 2}
    fields = observation_of(context, group={"scope": "ai"})
    assert fields["metadata"]["tier"] == "gold"
    assert "userId" not in fields["metadata"]
    assert json.loads(fields["model_parameters"]) == {"maxRetries": 2}
    trace = trace_of(child(context), scope="ai")
    assert (trace["user_id"], trace["metadata"]) == ("u", {"tier": "gold"})


@pytest.mark.parametrize(
    ("written", "read"), [('"kim"', "kim"), ("kim", "kim"), ('"12"', "12"), ("12", "12"), ('"', '"')]
)
def test_an_id_out_of_metadata_may_stand_in_quotes(written: str, read: str) -> None:
    names = ("langfuse.observation.metadata.langfuse_user_id", "langfuse.trace.metadata.langfuse_session_id")
    trace = trace_of(span(dict.fromkeys(names, written)))
    assert (trace["user_id"], trace["session_id"]) == (read, read)
    assert trace_of(span({"user.id": '"kim"'}))["user_id"] == '"kim"'


@pytest.mark.parametrize(
    ("attributes", "scope", "expected"),
    [
        ({"gen_ai.server.time_to_first_token": 0.25}, "openlit", START_US + 250_000),
        ({"gen_ai.server.time_to_first_token": 0.25, "gen_ai.request.stream": False}, "openlit", None),
        ({"gen_ai.server.time_to_first_token": 250}, "strands.telemetry.tracer", START_US + 250_000),
        ({"mastra.completion_start_time": "2026-01-01T00:00:00Z"}, "mastra", 1_767_225_600_000_000),
        ({"mastra.completion_start_time": "soon"}, "mastra", None),
    ],
)
def test_the_first_token_is_told_in_several_units(attributes: dict[str, Any], scope: str, expected: int | None) -> None:
    assert observation_of(attributes, group={"scope": scope}).get("completion_start_time") == expected


def test_the_first_token_of_openinference_is_an_event() -> None:
    first = {**span_event("First Token Stream Event", {}), "timeUnixNano": str((START_US + 7) * 1000)}
    attributes = {"openinference.span.kind": "LLM", "llm.model_name": "m"}
    assert observation_of(attributes, group=FOREIGN, events=[first])["completion_start_time"] == START_US + 7
    untimed = [span_event("First Token Stream Event", {})]
    assert "completion_start_time" not in observation_of(attributes, group=FOREIGN, events=untimed)


def test_a_tool_of_traceloop_is_called_as_it_is() -> None:
    entity = {"traceloop.entity.name": "look_up"}
    assert observation_of({**entity, "traceloop.span.kind": "tool"}, name="look_up.tool")["name"] == "look_up"
    assert (
        observation_of({**entity, "traceloop.span.kind": "workflow"}, name="desk.workflow")["name"] == "desk.workflow"
    )


def test_a_stream_of_adk_is_put_together_if_it_is_text_alone() -> None:
    def piece(text: str, **more: Any) -> dict[str, Any]:
        return {"role": "assistant", "parts": [{"type": "text", "content": text}], **more}

    def output_of(pieces: Any) -> Any:
        told = {"gen_ai.output.messages": json.dumps(pieces)}
        return json.loads(observation_of(told, group={"scope": "gcp.vertex.agent"})["output"])

    assert output_of([piece("No", finish_reason=""), piece("te", finish_reason="stop")]) == [
        piece("Note", finish_reason="stop")
    ]
    call = {"role": "assistant", "parts": [{"type": "tool_call", "name": "f"}]}
    assert output_of([piece("No"), call]) == [piece("No"), call]
    assert output_of([piece("No")]) == [piece("No")]
    assert output_of({"text": 1}) == {"text": 1}


def test_a_missing_side_of_flattened_messages_is_looked_for() -> None:
    fields = observation_of(
        {
            "gen_ai.completion.0.content": "hi",
            "gen_ai.input.messages": '[{"role":"user"}]',
            "gen_ai.output.messages": "[]",
        },
        group=FOREIGN,
    )
    assert (fields["input"], fields["output"]) == ('[{"role":"user"}]', '[{"content":"hi"}]')
    assert json.loads(json.dumps(fields["metadata"]))["attributes"] == {"gen_ai.output.messages": "[]"}


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([{"event.name": "gen_ai.user.message"}, {"event.name": "gen_ai.assistant.message", "content": "a"}], True),
        ([{"event.name": "gen_ai.assistant.message", "content": "a"}, {"event.name": "gen_ai.user.message"}], False),
        ([{"event.name": "gen_ai.assistant.message", "content": "a"}], False),
    ],
)
def test_without_a_choice_the_answer_is_the_assistants_last_word(events: list[dict[str, Any]], expected: bool) -> None:
    fields = observation_of({"events": json.dumps(events)}, group=FOREIGN)
    assert ("output" in fields) is expected
    if expected:
        assert json.loads(fields["output"]) == events[-1]
        assert json.loads(fields["input"]) == events[:-1]


def test_parameters_of_a_call_of_mlflow_stand_in_its_inputs() -> None:
    inputs = {"model": "m", "messages": [], "temperature": 0.25, "max_tokens": 3, "stop": ["x"]}
    told = {"mlflow.spanType": '"CHAT_MODEL"', "mlflow.spanInputs": json.dumps(inputs)}
    parameters = json.loads(observation_of(told, group=FOREIGN)["model_parameters"])
    assert parameters == {"temperature": 0.25, "max_tokens": 3, "stop": '["x"]'}
    assert "model_parameters" not in observation_of({**told, "mlflow.spanType": '"CHAIN"'}, group=FOREIGN)
