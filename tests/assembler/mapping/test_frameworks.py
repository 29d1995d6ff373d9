"""One span of each framework as that framework sends it, and the observation that it makes. What says the names is beside each."""

import json
from collections.abc import Mapping
from typing import Any

from tests.assembler.mapping.senders import START_US, child, observation_of, span, span_event, trace_of

QUESTION = '[{"role":"user","parts":[{"type":"text","content":"Rain in Rome?"}]}]'
ANSWER = '[{"role":"assistant","parts":[{"type":"text","content":"No."}]}]'


def attributes_of(fields: Mapping[str, Any]) -> dict[str, str]:
    """What stayed in the metadata."""
    return fields["metadata"].get("attributes", {})


def test_langfuse_python_5() -> None:
    # langfuse 5.0.4, `start_as_current_observation(as_type="generation")`
    attributes = {
        "langfuse.observation.type": "generation",
        "langfuse.observation.model.name": "gpt-4o",
        "langfuse.observation.model.parameters": '{"temperature": 0.2, "stop": ["x"]}',
        "langfuse.observation.input": '[{"role": "user", "content": "Rain?"}]',
        "langfuse.observation.output": "No.",
        "langfuse.observation.metadata.team": '"weather"',
        "langfuse.observation.completion_start_time": '"2023-11-14T22:13:20.500000Z"',
        "langfuse.observation.prompt.name": "forecast",
        "langfuse.observation.prompt.version": 3,
        "user.id": "u",
        "langfuse.environment": "production",
    }
    fields = observation_of(attributes, group={"resource": {"telemetry.sdk.language": "python"}})
    assert fields == {
        "type": "GENERATION",
        "is_root": True,
        "name": "step",
        "environment": "production",
        "model": "gpt-4o",
        "model_parameters": '{"temperature":0.2,"stop":"[\\"x\\"]"}',
        "completion_start_time": START_US + 500_000,
        "prompt_name": "forecast",
        "prompt_version": 3,
        "input": '[{"role": "user", "content": "Rain?"}]',
        "output": "No.",
        "start_time": START_US,
        "end_time": START_US + 1_000_000,
        "metadata": {
            "team": "weather",
            "resourceAttributes": {"telemetry.sdk.language": "python"},
            "scope": {"name": "langfuse-sdk", "version": "5.0.4"},
        },
    }


def test_opentelemetry_genai_of_today() -> None:
    # semantic conventions 1.38, opentelemetry-util-genai 1.3: messages in attributes
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.response.model": "gpt-4o-2024-11-20",
        "gen_ai.request.temperature": 0.2,
        "gen_ai.request.max_tokens": 100,
        "gen_ai.conversation.id": "c",
        "gen_ai.input.messages": QUESTION,
        "gen_ai.output.messages": ANSWER,
        "gen_ai.response.time_to_first_chunk": 0.5,
        "deployment.environment.name": "prod",
    }
    fields = observation_of(attributes, group={"scope": "opentelemetry.util.genai"}, name="chat gpt-4o")
    assert (fields["type"], fields["name"], fields["model"]) == ("GENERATION", "chat gpt-4o", "gpt-4o-2024-11-20")
    assert fields["model_parameters"] == '{"temperature":0.2,"max_tokens":100}'
    assert (fields["input"], fields["output"], fields["environment"]) == (QUESTION, ANSWER, "prod")
    assert fields["completion_start_time"] == START_US + 500_000
    assert attributes_of(fields)["gen_ai.provider.name"] == "openai"
    assert trace_of(span(attributes), scope="opentelemetry.util.genai")["session_id"] == "c"


def test_opentelemetry_genai_of_1_28() -> None:
    # opentelemetry-instrumentation-openai-v2 as of semantic conventions 1.28, where events are written to the span
    events = [
        span_event("gen_ai.user.message", {"gen_ai.system": "openai", "content": "Rain?"}),
        span_event("gen_ai.choice", {"index": 0, "finish_reason": "stop", "message": '{"content":"No."}'}),
    ]
    fields = observation_of(
        {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o"}, group={"scope": "otel"}, events=events
    )
    assert json.loads(fields["input"]) == [{"role": "user", "gen_ai.system": "openai", "content": "Rain?"}]
    assert json.loads(fields["output"])["finish_reason"] == "stop"


def test_openinference_langchain() -> None:
    # openinference-instrumentation-langchain (LangChain, LangGraph), semantic conventions 0.1.42
    attributes = {
        "openinference.span.kind": "LLM",
        "llm.model_name": "gpt-4o",
        "llm.invocation_parameters": '{"temperature": 0.0, "model": "gpt-4o"}',
        "input.value": '{"messages": [["Rain?"]]}',
        "input.mime_type": "application/json",
        "output.value": "No.",
        "llm.input_messages.0.message.role": "user",
        "llm.tools.0.tool.json_schema": '{"name": "weather"}',
        "session.id": "s",
        "user.id": "u",
        "tag.tags": ["a", "b"],
    }
    fields = observation_of(attributes, group={"scope": "openinference.instrumentation.langchain"})
    assert (fields["type"], fields["model"]) == ("GENERATION", "gpt-4o")
    assert fields["model_parameters"] == '{"temperature":0.0,"model":"gpt-4o"}'
    assert json.loads(fields["input"]) == {"messages": [["Rain?"]], "tools": [{"name": "weather"}]}
    assert fields["output"] == "No."
    assert attributes_of(fields)["llm.input_messages.0.message.role"] == "user"
    trace = trace_of(span(attributes), scope="openinference.instrumentation.langchain")
    assert (trace["user_id"], trace["session_id"], trace["tags"]) == ("u", "s", ["a", "b"])


def test_smolagents() -> None:
    # openinference-instrumentation-smolagents with smolagents 1.26
    attributes = {"openinference.span.kind": "AGENT", "input.value": '{"task": "Rain?"}', "output.value": "No."}
    fields = observation_of(
        attributes, group={"scope": "openinference.instrumentation.smolagents"}, name="CodeAgent.run"
    )
    assert (fields["type"], fields["name"], fields["input"], fields["output"]) == (
        "AGENT",
        "CodeAgent.run",
        '{"task": "Rain?"}',
        "No.",
    )


def test_vercel_ai_sdk_6() -> None:
    # ai 6.0, `generateText` with telemetry: the span of one call of the model
    attributes = {
        "operation.name": "ai.generateText.doGenerate forecast",
        "resource.name": "forecast",
        "ai.operationId": "ai.generateText.doGenerate",
        "ai.telemetry.functionId": "forecast",
        "ai.model.provider": "openai.responses",
        "ai.model.id": "gpt-4o",
        "ai.settings.maxRetries": 2,
        "ai.settings.context.tenant": "t",
        "ai.request.headers.user-agent": "ai/6",
        "ai.telemetry.metadata.userId": "u",
        "ai.telemetry.metadata.sessionId": "s",
        "ai.telemetry.metadata.tier": "gold",
        "ai.telemetry.metadata.langfusePrompt": '{"name":"forecast","version":3,"type":"text"}',
        "ai.prompt.messages": '[{"role":"user","content":[{"type":"text","text":"Rain?"}]}]',
        "ai.prompt.tools": ['{"type":"function","name":"weather","inputSchema":{}}'],
        "ai.prompt.toolChoice": '{"type":"auto"}',
        "gen_ai.system": "openai.responses",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.request.temperature": 0.2,
        "gen_ai.request.top_p": 0.9,
        "ai.response.finishReason": "tool-calls",
        "ai.response.text": "Let me see.",
        "ai.response.toolCalls": '[{"toolCallId":"c","toolName":"weather","input":"{}"}]',
        "ai.response.msToFirstChunk": 120.5,
        "gen_ai.response.model": "gpt-4o-2024-11-20",
    }
    fields = observation_of(attributes, group={"scope": "ai"}, name="ai.generateText.doGenerate")
    assert (fields["type"], fields["name"], fields["model"]) == (
        "GENERATION",
        "forecast:ai.generateText.doGenerate",
        "gpt-4o-2024-11-20",
    )
    assert json.loads(fields["model_parameters"]) == {
        "top_p": 0.9,
        "toolChoice": '{"type":"auto"}',
        "finishReason": "tool-calls",
        "system": "openai.responses",
        "maxRetries": 2,
        "temperature": 0.2,
    }
    assert json.loads(fields["input"]) == {
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Rain?"}]}],
        "tools": [{"type": "function", "name": "weather", "inputSchema": {}}],
    }
    assert json.loads(fields["output"]) == {
        "role": "assistant",
        "content": "Let me see.",
        "tool_calls": [{"toolCallId": "c", "toolName": "weather", "input": "{}"}],
    }
    assert (fields["prompt_name"], fields["prompt_version"]) == ("forecast", 3)
    assert fields["completion_start_time"] == START_US + 121_000
    assert fields["metadata"]["tier"] == "gold"
    assert not {key for key in attributes_of(fields) if key.startswith(("ai.telemetry.metadata", "ai.prompt.tools"))}
    trace = trace_of(child(attributes), scope="ai")
    assert (trace["user_id"], trace["session_id"]) == ("u", "s")


def test_vercel_ai_sdk_6_tool() -> None:
    # ai 6.0, the span of a tool that was executed
    attributes = {
        "operation.name": "ai.toolCall",
        "ai.operationId": "ai.toolCall",
        "ai.toolCall.name": "weather",
        "ai.toolCall.id": "c",
        "ai.toolCall.args": '{"city":"Rome"}',
        "ai.toolCall.result": '{"rain":false}',
    }
    fields = observation_of(attributes, group={"scope": "ai"}, name="ai.toolCall")
    assert (fields["type"], fields["name"], fields["input"], fields["output"]) == (
        "TOOL",
        "weather",
        '{"city":"Rome"}',
        '{"rain":false}',
    )


def test_vercel_ai_sdk_7() -> None:
    # @ai-sdk/otel 1.0 for ai 7: OpenTelemetry's names under the scope gen_ai
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.agent.name": "forecast",
        "gen_ai.system_instructions": '[{"type":"text","content":"Be kind."}]',
        "gen_ai.input.messages": QUESTION,
        "gen_ai.output.messages": ANSWER,
        "gen_ai.tool.definitions": '[{"type":"function","name":"weather"}]',
        "gen_ai.client.operation.time_to_first_chunk": 0.25,
    }
    fields = observation_of(attributes, group={"scope": "gen_ai"}, name="chat gpt-4o")
    told = json.loads(fields["input"])
    assert [message["role"] for message in told["messages"]] == ["system", "user"]
    assert told["tools"] == [{"type": "function", "name": "weather"}]
    assert (fields["type"], fields["output"], fields["completion_start_time"]) == (
        "GENERATION",
        ANSWER,
        START_US + 250_000,
    )


def test_traceloop_openai() -> None:
    # opentelemetry-instrumentation-openai before 0.60: messages flattened into names
    attributes = {
        "llm.request.type": "chat",
        "gen_ai.system": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.prompt.0.role": "user",
        "gen_ai.prompt.0.content": "Rain?",
        "gen_ai.completion.0.role": "assistant",
        "gen_ai.completion.0.content": "No.",
        "gen_ai.completion.0.finish_reason": "stop",
        "traceloop.association.properties.user_id": "u",
        "traceloop.association.properties.session_id": "s",
        "traceloop.workflow.name": "forecast",
    }
    fields = observation_of(attributes, group={"scope": "opentelemetry.instrumentation.openai.v1"}, name="openai.chat")
    assert (fields["type"], fields["name"], fields["model"]) == ("GENERATION", "openai.chat", "gpt-4o")
    assert json.loads(fields["input"]) == [{"role": "user", "content": "Rain?"}]
    assert json.loads(fields["output"]) == [{"role": "assistant", "content": "No.", "finish_reason": "stop"}]
    assert attributes_of(fields)["traceloop.workflow.name"] == "forecast"
    trace = trace_of(span(attributes), scope="opentelemetry.instrumentation.openai.v1")
    assert (trace["user_id"], trace["session_id"]) == ("u", "s")


def test_traceloop_entities() -> None:
    # traceloop-sdk decorators, and its instrumentations of LangGraph and of the OpenAI Agents SDK
    attributes = {
        "traceloop.span.kind": "tool",
        "traceloop.entity.name": "weather",
        "traceloop.entity.input": '{"city": "Rome"}',
        "traceloop.entity.output": '"sunny"',
    }
    fields = observation_of(attributes, group={"scope": "traceloop.tracer"}, name="weather.tool")
    assert (fields["type"], fields["input"], fields["output"]) == ("TOOL", '{"city": "Rome"}', '"sunny"')


def test_openai_agents_sdk() -> None:
    # opentelemetry-instrumentation-openai-agents 0.62 with openai-agents 0.24
    attributes = {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": "Forecaster",
        "gen_ai.request.model": "gpt-4o",
        "traceloop.span.kind": "agent",
    }
    fields = observation_of(
        attributes, group={"scope": "opentelemetry.instrumentation.openai_agents"}, name="Forecaster.agent"
    )
    assert (fields["type"], fields["name"], fields["model"], fields["uncounted"]) == (
        "AGENT",
        "Forecaster.agent",
        "gpt-4o",
        True,
    )


def test_pydantic_ai_run() -> None:
    # pydantic-ai 2.68, the span of an agent's run
    attributes = {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": "forecaster",
        "gen_ai.conversation.id": "c",
        "logfire.msg": "forecaster run",
        "gen_ai.system_instructions": '[{"type":"text","content":"Be kind."}]',
        "pydantic_ai.all_messages": QUESTION,
        "final_result": "No.",
        "logfire.json_schema": '{"type":"object"}',
    }
    fields = observation_of(attributes, group={"scope": "pydantic-ai"}, name="invoke_agent forecaster")
    assert (fields["type"], fields["name"], fields["output"]) == ("AGENT", "forecaster run", "No.")
    assert [message["role"] for message in json.loads(fields["input"])] == ["system", "user"]
    assert "pydantic_ai.all_messages" not in attributes_of(fields)


def test_pydantic_ai_request() -> None:
    # pydantic-ai 1, the span of a request with its parameters
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.request.temperature": 0.2,
        "gen_ai.input.messages": QUESTION,
        "gen_ai.output.messages": ANSWER,
        "model_request_parameters": '{"function_tools":[{"name":"weather"}],"output_tools":[],"output_mode":"text"}',
    }
    fields = observation_of(attributes, group={"scope": "pydantic-ai"}, name="chat gpt-4o")
    assert json.loads(fields["input"])["tools"] == [{"name": "weather"}]
    assert json.loads(attributes_of(fields)["model_request_parameters"]) == {"output_mode": "text"}


def test_logfire() -> None:
    # logfire 5.4, `logfire.warn(...)` and Pydantic AI before its version 2
    attributes = {
        "logfire.msg": "forecaster run prompt=Rain?",
        "logfire.level_num": 13,
        "prompt": "Rain?",
        "all_messages_events": '[{"role":"user","content":"Rain?"},{"role":"assistant","content":"No."}]',
    }
    fields = observation_of(attributes, group={"scope": "logfire"}, name="{agent_name} run {prompt=}")
    assert (fields["name"], fields["level"], fields["input"]) == ("forecaster run prompt=Rain?", "WARNING", "Rain?")
    assert len(json.loads(fields["output"])) == 2


def test_mlflow() -> None:
    # mlflow-tracing 3.17 with an OTLP exporter: every value is JSON text
    attributes = {
        "mlflow.traceRequestId": '"tr-1"',
        "mlflow.spanType": '"CHAT_MODEL"',
        "mlflow.llm.model": '"gpt-4o"',
        "mlflow.spanInputs": '{"messages": [{"role": "user", "content": "Rain?"}]}',
        "mlflow.spanOutputs": '{"choices": []}',
        "mlflow.chat.tools": '[{"type": "function", "function": {"name": "weather"}}]',
    }
    fields = observation_of(attributes, group={"scope": "mlflow.openai"}, name="Completions")
    assert (fields["type"], fields["model"], fields["output"]) == ("GENERATION", "gpt-4o", '{"choices": []}')
    assert json.loads(fields["input"])["tools"] == [{"type": "function", "function": {"name": "weather"}}]
    assert attributes_of(fields).keys() == {"mlflow.traceRequestId", "mlflow.spanType", "mlflow.llm.model"}


def test_google_adk() -> None:
    # google-adk 2.13, the span call_llm
    attributes = {
        "gen_ai.system": "gcp.vertex.agent",
        "gen_ai.request.model": "gemini-2.5-flash",
        "gen_ai.request.top_p": 0.9,
        "gcp.vertex.agent.invocation_id": "i",
        "gcp.vertex.agent.session_id": "s",
        "gcp.vertex.agent.llm_request": '{"model": "gemini-2.5-flash", "contents": []}',
        "gcp.vertex.agent.llm_response": '{"content": {"role": "model"}}',
    }
    fields = observation_of(attributes, group={"scope": "gcp.vertex.agent"}, name="call_llm")
    assert (fields["type"], fields["name"], fields["model"]) == ("GENERATION", "call_llm", "gemini-2.5-flash")
    assert fields["model_parameters"] == '{"top_p":0.9}'
    assert fields["input"] == '{"model": "gemini-2.5-flash", "contents": []}'
    assert fields["output"] == '{"content": {"role": "model"}}'
    assert trace_of(span(attributes), scope="gcp.vertex.agent")["session_id"] == "s"


def test_genkit() -> None:
    # @genkit-ai/core 1.42, the action of a model
    attributes = {
        "genkit:type": "action",
        "genkit:metadata:subtype": "model",
        "genkit:name": "googleai/gemini-2.5-flash",
        "genkit:path": "/{generate,t:util}/{googleai/gemini-2.5-flash,t:action,s:model}",
        "genkit:state": "success",
        "genkit:input": '{"messages":[{"role":"user","content":[{"text":"Rain?"}]}],"config":{"temperature":0.2}}',
        "genkit:output": '{"message":{"role":"model","content":[{"text":"No."}]},"finishReason":"stop"}',
    }
    fields = observation_of(attributes, group={"scope": "genkit-tracer"}, name="googleai/gemini-2.5-flash")
    assert (fields["type"], fields["name"], fields["model"], fields["model_parameters"]) == (
        "GENERATION",
        "googleai/gemini-2.5-flash",
        "googleai/gemini-2.5-flash",
        '{"temperature":0.2}',
    )
    assert json.loads(fields["input"]) == [{"role": "user", "content": [{"text": "Rain?"}]}]
    assert json.loads(fields["output"]) == {"role": "model", "content": [{"text": "No."}]}
    flow = observation_of({"genkit:input": '"Rome"', "genkit:output": '"No."'}, group={"scope": "genkit-tracer"})
    assert (flow["input"], flow["output"]) == ('"Rome"', '"No."')


def test_livekit_agents() -> None:
    # livekit-agents 1.8: content is marked as personal, and a call of a model follows OpenTelemetry
    node = {"lk.pii.chat_ctx": '{"items":[]}', "lk.pii.response.text": "No.", "lk.response.ttft": 0.3}
    fields = observation_of(node, group={"scope": "livekit-agents"}, name="llm_node")
    assert (fields["type"], fields["input"], fields["output"]) == ("SPAN", '{"items":[]}', "No.")
    tool = {"lk.function_tool.name": "weather", "lk.pii.function_tool.arguments": "{}", "lk.function_tool.output": "ok"}
    fields = observation_of(tool, group={"scope": "livekit-agents"}, name="function_tool")
    assert (fields["type"], fields["input"], fields["output"]) == ("TOOL", "{}", "ok")
    assert "level" not in fields
    assert observation_of({}, group={"scope": "livekit-agents"}, name="tts_request")["level"] == "DEBUG"


def test_openlit() -> None:
    # openlit 1.45 before it wrote messages as attributes: one event with the prompt, one with the completion
    events = [
        span_event("gen_ai.content.prompt", {"gen_ai.prompt": "user: Rain?"}),
        span_event("gen_ai.content.completion", {"gen_ai.completion": "No."}),
    ]
    attributes = {"gen_ai.operation.name": "chat", "gen_ai.system": "openai", "gen_ai.request.model": "gpt-4o"}
    fields = observation_of(attributes, group={"scope": "openlit.otel.tracing"}, events=events)
    assert (fields["type"], fields["input"], fields["output"]) == ("GENERATION", "user: Rain?", "No.")


def test_semantic_kernel() -> None:
    # Semantic Kernel as of semantic conventions 1.27 (content in span events); attributes as in semantic-kernel 1.45
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.system": "openai",
        "gen_ai.request.model": "gpt-4o",
        "sk.available_functions": "weather-get",
    }
    events = [span_event("gen_ai.content.prompt", {"gen_ai.prompt": '[{"role":"user","content":"Rain?"}]'})]
    fields = observation_of(attributes, group={"scope": "semantic_kernel"}, events=events)
    assert json.loads(fields["input"]) == [{"role": "user", "content": "Rain?"}]
    assert attributes_of(fields)["sk.available_functions"] == "weather-get"


def test_langsmith_langgraph() -> None:
    # langsmith 0.15 with LANGSMITH_OTEL_ENABLED, a node of LangGraph and a call of a model
    node = {"langsmith.span.kind": "chain", "gen_ai.operation.name": "chain", "gen_ai.prompt": '{"q":1}'}
    fields = observation_of(node, group={"scope": "langsmith"}, name="agent")
    assert (fields["type"], fields["input"]) == ("CHAIN", '{"q":1}')
    call = {
        "langsmith.span.kind": "llm",
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.prompt": '{"messages":[["Rain?"]]}',
        "gen_ai.completion": '{"generations":[]}',
    }
    fields = observation_of(call, group={"scope": "langsmith"}, name="ChatOpenAI")
    assert (fields["type"], fields["input"], fields["output"]) == (
        "GENERATION",
        '{"messages":[["Rain?"]]}',
        '{"generations":[]}',
    )


def test_openrouter() -> None:
    # OpenRouter's broadcast over OTLP, as we understand it: not checked against a recording or a package
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "openai/gpt-4o",
        "gen_ai.response.model": "openai/gpt-4o-2024-11-20",
        "gen_ai.prompt": '{"messages":[]}',
        "gen_ai.completion": "No.",
        "user.id": "u",
        "session.id": "s",
    }
    fields = observation_of(attributes, group={"scope": "openrouter"})
    assert (fields["type"], fields["model"], fields["input"], fields["output"]) == (
        "GENERATION",
        "openai/gpt-4o-2024-11-20",
        '{"messages":[]}',
        "No.",
    )
    assert trace_of(span(attributes), scope="openrouter")["user_id"] == "u"
