"""Where each convention keeps its bodies, which of them wins, and what else is told beside the messages."""

import json
from collections.abc import Mapping
from itertools import combinations
from typing import Any, NamedTuple

import pytest

from tests.assembler.mapping.senders import observation_of, span_event


class Block(NamedTuple):
    """A way to tell bodies: what a span says, and what comes of it."""

    name: str
    attributes: Mapping[str, Any]
    input: Any
    output: Any
    scope: str = ""
    events: tuple[dict[str, Any], ...] = ()


def details(given: str, answer: str) -> dict[str, Any]:
    return span_event(
        "gen_ai.client.inference.operation.details", {"gen_ai.input.messages": given, "gen_ai.output.messages": answer}
    )


BLOCKS = [
    Block("langfuse", {"langfuse.observation.input": "1i", "langfuse.observation.output": "1o"}, "1i", "1o"),
    Block(
        "genkit",
        {"genkit:input": '{"messages":[2],"config":{}}', "genkit:output": '{"message":{"role":"model"}}'},
        "[2]",
        '{"role":"model"}',
        "genkit-tracer",
    ),
    Block("vercel", {"ai.prompt": "3i", "ai.response.text": "3o"}, "3i", "3o", "ai"),
    Block(
        "flue",
        {"flue.tool.call.arguments": "4i", "flue.tool.call.result": "4o"},
        "4i",
        "4o",
        "@flue/opentelemetry",
    ),
    Block("details event", {}, "[5]", "[50]", events=(details("[5]", "[50]"),)),
    Block(
        "message events",
        {},
        '[{"role":"user","content":"6i"}]',
        '{"message":"6o"}',
        events=(
            span_event("gen_ai.user.message", {"content": "6i"}),
            span_event("gen_ai.choice", {"message": "6o"}),
        ),
    ),
    Block(
        "content events",
        {},
        "7i",
        "7o",
        events=(
            span_event("gen_ai.content.prompt", {"gen_ai.prompt": "7i"}),
            span_event("gen_ai.content.completion", {"gen_ai.completion": "7o"}),
        ),
    ),
    Block(
        "adk",
        {"gcp.vertex.agent.llm_request": '{"r":8}', "gcp.vertex.agent.llm_response": '{"r":80}'},
        '{"r":8}',
        '{"r":80}',
    ),
    Block("logfire", {"prompt": "9i", "all_messages_events": "[9]"}, "9i", "[9]"),
    Block("livekit", {"lk.user_transcript": "10i", "lk.response.text": "10o"}, "10i", "10o"),
    Block(
        "events attribute",
        {"events": '[{"event.name":"gen_ai.user.message","content":"11i"},{"event.name":"gen_ai.choice","index":0}]'},
        '[{"event.name":"gen_ai.user.message","content":"11i"}]',
        '{"event.name":"gen_ai.choice","index":0}',
    ),
    Block("mlflow", {"mlflow.spanInputs": "12a", "mlflow.spanOutputs": "12b"}, "12a", "12b"),
    Block("traceloop", {"traceloop.entity.input": "12c", "traceloop.entity.output": "12d"}, "12c", "12d"),
    Block("openinference", {"input.value": "12e", "output.value": "12f"}, "12e", "12f"),
    Block("plain", {"input": "12g", "output": "12h"}, "12g", "12h"),
    Block("pydantic", {"pydantic_ai.all_messages": "[13]", "final_result": "13o"}, "[13]", "13o", "pydantic-ai"),
    Block(
        "gen_ai indexed",
        {"gen_ai.prompt.0.content": "14i", "gen_ai.completion.0.content": "14o"},
        '[{"content":"14i"}]',
        '[{"content":"14o"}]',
    ),
    Block(
        "llm indexed",
        {"llm.input_messages.0.message.content": "15i", "llm.output_messages.0.message.content": "15o"},
        '[{"message":{"content":"15i"}}]',
        '[{"message":{"content":"15o"}}]',
    ),
    Block("gen_ai", {"gen_ai.input.messages": "[16]", "gen_ai.output.messages": "[160]"}, "[16]", "[160]"),
]
"""In the order in which they count."""


def bodies_of(*blocks: Block) -> tuple[Any, Any]:
    """The bodies of one span that says all of it."""
    attributes: dict[str, Any] = {}
    for block in blocks:
        attributes |= block.attributes
    scope = next((block.scope for block in blocks if block.scope), "app")
    fields = observation_of(
        attributes, group={"scope": scope}, events=[event for block in blocks for event in block.events]
    )
    return fields.get("input"), fields.get("output")


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.name)
def test_bodies_are_found_where_a_convention_keeps_them_and_are_used_up(block: Block) -> None:
    fields = observation_of(block.attributes, group={"scope": block.scope or "app"}, events=list(block.events))
    assert (fields["input"], fields["output"]) == (block.input, block.output)
    assert "attributes" not in fields["metadata"]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.name)
def test_of_two_conventions_on_one_span_the_first_in_the_list_gives_both_bodies(block: Block) -> None:
    for first, second in combinations(BLOCKS, 2):
        if block is first and not (first.scope and second.scope):
            assert bodies_of(second, first) == (first.input, first.output), second.name


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.scope], ids=lambda block: block.name)
def test_a_block_of_a_scope_gives_way_in_any_other(block: Block) -> None:
    attributes = {**block.attributes, "input.value": "other"}
    assert observation_of(attributes, group={"scope": "app"})["input"] == "other"


def test_what_loses_stays_in_the_metadata() -> None:
    fields = observation_of({"input.value": "a", "mlflow.spanInputs": "b", "n": 3}, group={"scope": "app"})
    assert fields["input"] == "b"
    assert fields["metadata"]["attributes"] == {"input.value": "a", "n": "3"}


def test_a_block_without_a_word_leaves_it_to_the_next() -> None:
    fields = observation_of({"mlflow.spanInputs": "", "input.value": "a"}, group={"scope": "app"})
    assert fields["input"] == "a"


def test_an_application_may_say_that_its_input_is_empty() -> None:
    fields = observation_of({"langfuse.observation.input": "", "input.value": "a"}, group={"scope": "app"})
    assert fields["input"] == ""


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"ai.prompt.messages": "a", "ai.prompt": "b"}, ("a", None)),
        ({"ai.toolCall.args": "a", "ai.toolCall.result": "b"}, ("a", "b")),
        ({"ai.value": '"a"'}, ('"a"', None)),
        ({"ai.result.text": "a", "ai.response.object": "b"}, (None, "a")),
        ({"ai.response.object": "a", "ai.result.object": "b"}, (None, "a")),
        ({"ai.response.text": "", "ai.response.toolCalls": "[1]"}, (None, "[1]")),
        ({"ai.result.toolCalls": "[1]"}, (None, "[1]")),
        (
            {"ai.response.text": "a", "ai.response.toolCalls": '[{"toolName":"t"}]'},
            (None, '{"role":"assistant","content":"a","tool_calls":[{"toolName":"t"}]}'),
        ),
        ({"ai.prompt": "a", "gen_ai.input.messages": "[1]", "gen_ai.output.messages": "[2]"}, ("a", "[2]")),
        (
            {"ai.response.text": "a", "gen_ai.input.messages": "[1]", "gen_ai.system_instructions": "Be kind."},
            ('[{"role":"system","content":"Be kind."},1]', "a"),
        ),
    ],
)
def test_bodies_of_the_vercel_ai_sdk_are_the_first_that_are_given(
    attributes: dict[str, Any], expected: tuple[str | None, str | None]
) -> None:
    fields = observation_of(attributes, group={"scope": "ai"})
    assert (fields.get("input"), fields.get("output")) == expected


def test_attributes_of_the_vercel_ai_sdk_are_read_under_a_tracer_of_the_applications_own() -> None:
    attributes = {"ai.prompt.messages": "[1]", "ai.response.text": "hi"}
    fields = observation_of(attributes, group={"scope": "my-app"})
    assert (fields["input"], fields["output"]) == ("[1]", "hi")


def test_a_tool_of_adk_has_an_empty_call_of_a_model_beside_its_own() -> None:
    attributes = {
        "gcp.vertex.agent.llm_request": "{}",
        "gcp.vertex.agent.llm_response": "{}",
        "gcp.vertex.agent.tool_call_args": '{"city":"Rome"}',
        "gcp.vertex.agent.tool_response": '{"result":"sunny"}',
    }
    fields = observation_of(attributes, group={"scope": "gcp.vertex.agent"})
    assert (fields["input"], fields["output"]) == ('{"city":"Rome"}', '{"result":"sunny"}')
    assert "attributes" not in fields["metadata"]


def test_a_call_of_a_tool_is_told_by_its_arguments_and_result() -> None:
    attributes = {"gen_ai.tool.call.arguments": "a", "gen_ai.tool.call.result": "b"}
    fields = observation_of(attributes, group={"scope": "app"})
    assert (fields["input"], fields["output"]) == ("a", "b")
    fields = observation_of({"tool_arguments": "a", "tool_response": "b"}, group={"scope": "pydantic-ai"})
    assert (fields["input"], fields["output"]) == ("a", "b")


MESSAGES = '[{"role":"user","parts":[]}]'


@pytest.mark.parametrize(
    ("scope", "key"), [("app", "gen_ai.input.messages"), ("pydantic-ai", "pydantic_ai.all_messages")]
)
def test_system_instructions_stand_before_messages_that_have_none(scope: str, key: str) -> None:
    parts = '[{"type":"text","content":"Be kind."}]'
    told = {key: MESSAGES, "gen_ai.system_instructions": parts}
    fields = observation_of(told, group={"scope": scope})
    assert json.loads(fields["input"]) == [
        {"role": "system", "parts": json.loads(parts)},
        {"role": "user", "parts": []},
    ]
    assert "attributes" not in fields["metadata"]
    told["gen_ai.system_instructions"] = "Be kind."
    assert json.loads(observation_of(told, group={"scope": scope})["input"])[0] == {
        "role": "system",
        "content": "Be kind.",
    }


@pytest.mark.parametrize("messages", ['[{"role":"system"}]', "not a list"])
def test_system_instructions_that_have_no_place_stay_in_the_metadata(messages: str) -> None:
    told = {"gen_ai.input.messages": messages, "gen_ai.system_instructions": "Be kind."}
    fields = observation_of(told, group={"scope": "app"})
    assert fields["input"] == messages
    assert fields["metadata"]["attributes"] == {"gen_ai.system_instructions": "Be kind."}


def test_one_event_per_message_makes_a_list_and_a_single_choice_is_the_output_itself() -> None:
    events = [
        span_event("gen_ai.system.message", {"content": "Be kind."}),
        span_event("gen_ai.user.message", {"content": "Hi", "role": "customer"}),
        span_event("gen_ai.choice", {"message": "Hello"}),
        span_event("something.else", {"content": "no"}),
    ]
    fields = observation_of(None, group={"scope": "app"}, events=events)
    assert json.loads(fields["input"]) == [
        {"role": "system", "content": "Be kind."},
        {"role": "customer", "content": "Hi"},
    ]
    assert json.loads(fields["output"]) == {"message": "Hello"}
    several = observation_of(None, group={"scope": "app"}, events=[events[2], events[2]])
    assert json.loads(several["output"]) == [{"message": "Hello"}] * 2


def test_a_message_event_may_hold_its_message_as_json() -> None:
    content = {"gen_ai.system": "az.ai.inference", "gen_ai.event.content": '{"role":"user","content":"Hi"}'}
    fields = observation_of(None, group={"scope": "app"}, events=[span_event("gen_ai.user.message", content)])
    assert json.loads(fields["input"]) == [{"role": "user", "gen_ai.system": "az.ai.inference", "content": "Hi"}]


def test_several_completions_are_a_list_and_an_event_without_content_is_told_by_its_attributes() -> None:
    completion = span_event("gen_ai.content.completion", {"gen_ai.completion": '[{"role":"assistant"}]'})
    bare = span_event("gen_ai.content.prompt", {"text": "Hi"})
    fields = observation_of(None, group={"scope": "app"}, events=[bare, completion, completion])
    assert json.loads(fields["input"]) == {"text": "Hi"}
    assert json.loads(fields["output"]) == [[{"role": "assistant"}]] * 2


@pytest.mark.parametrize("value", ["not json", "{}", "[]", '["text"]', "[1"])
def test_an_events_attribute_that_is_no_list_of_events_is_only_metadata(value: str) -> None:
    fields = observation_of({"events": value}, group={"scope": "app"})
    assert "input" not in fields
    assert fields["metadata"]["attributes"] == {"events": value}


def test_rebuilt_lists_have_as_many_slots_as_one_body_may_have() -> None:
    fields = observation_of({"gen_ai.prompt.10001.role": "user"}, group={"scope": "app"})
    assert json.loads(fields["input"]) == {"10001": {"role": "user"}}
    fields = observation_of({"gen_ai.prompt.10000.role": "user"}, group={"scope": "app"})
    assert len(json.loads(fields["input"])) == 10_001


TOOL = {"type": "function", "name": "weather", "parameters": {"type": "object"}}
GIVEN = '[{"role":"user","content":"Rain?"}]'


@pytest.mark.parametrize(
    ("attributes", "tools", "left"),
    [
        ({"ai.prompt.tools": [json.dumps(TOOL)]}, [TOOL], set[str]()),
        ({"gen_ai.tool.definitions": json.dumps([TOOL])}, [TOOL], set[str]()),
        (
            {"model_request_parameters": json.dumps({"function_tools": [TOOL], "output_tools": [1]})},
            [TOOL, 1],
            set[str](),
        ),
        ({"llm.tools.0.tool.json_schema": json.dumps(TOOL), "llm.tools.1.x": 3}, [TOOL, {"x": 3}], set[str]()),
        ({"mlflow.chat.tools": json.dumps([TOOL])}, [TOOL], set[str]()),
        (
            {"ai.prompt.tools": [json.dumps(TOOL)], "gen_ai.tool.definitions": "[2]"},
            [TOOL],
            {"gen_ai.tool.definitions"},
        ),
    ],
)
def test_definitions_of_tools_stand_next_to_the_messages(
    attributes: dict[str, Any], tools: list[Any], left: set[str]
) -> None:
    fields = observation_of({"gen_ai.input.messages": GIVEN, **attributes}, group={"scope": "app"})
    assert json.loads(fields["input"]) == {"messages": json.loads(GIVEN), "tools": tools}
    assert fields["metadata"].get("attributes", {}).keys() == left


def test_what_else_stands_beside_definitions_of_tools_stays() -> None:
    told = json.dumps({"function_tools": [TOOL], "output_mode": "text"})
    fields = observation_of(
        {"gen_ai.input.messages": GIVEN, "model_request_parameters": told}, group={"scope": "pydantic-ai"}
    )
    assert fields["metadata"]["attributes"] == {"model_request_parameters": '{"output_mode":"text"}'}


def test_definitions_of_tools_join_an_object_that_has_messages_and_no_tools() -> None:
    attributes = {"input.value": f'{{"messages":{GIVEN}}}', "gen_ai.tool.definitions": json.dumps([TOOL])}
    fields = observation_of(attributes, group={"scope": "app"})
    assert json.loads(fields["input"]) == {"messages": json.loads(GIVEN), "tools": [TOOL]}


@pytest.mark.parametrize(
    "told",
    [
        {"input.value": "a text"},
        {"input.value": '{"messages":[],"tools":[]}'},
        {"input.value": '{"question":1}'},
        {"langfuse.observation.input": GIVEN},
    ],
)
def test_definitions_of_tools_stay_in_the_metadata_beside_any_other_input(told: dict[str, Any]) -> None:
    definitions = json.dumps([TOOL])
    fields = observation_of({**told, "gen_ai.tool.definitions": definitions}, group={"scope": "app"})
    assert fields["input"] == next(iter(told.values()))
    assert fields["metadata"]["attributes"]["gen_ai.tool.definitions"] == definitions


@pytest.mark.parametrize("junk", ["", "{}", "[]", "no list", 3, True])
def test_what_is_no_list_of_tools_is_only_metadata(junk: Any) -> None:
    for key in ("ai.prompt.tools", "gen_ai.tool.definitions", "model_request_parameters", "llm.tools.x"):
        fields = observation_of({"gen_ai.input.messages": GIVEN, key: junk}, group={"scope": "app"})
        assert fields["input"] == GIVEN
        assert key in fields["metadata"]["attributes"]
