"""Good bodies of every endpoint, with every field that it knows: what an attack changes, and what must be taken unchanged.

Ids are drawn from few, so that what is sent meets what was sent before: merges and moves of costs are under attack too.
"""

from collections.abc import Mapping
from typing import Any

AT = "2026-03-01T10:00:30Z"

_COMMON: Mapping[str, Any] = {
    "traceId": "trace-1",
    "name": "step",
    "startTime": AT,
    "metadata": {"k": {"a": 1}},
    "input": {"q": 1},
    "output": "answer",
    "level": "DEFAULT",
    "statusMessage": "fine",
    "parentObservationId": "parent",
    "version": "1",
    "environment": "prod",
}
_GENERATION: Mapping[str, Any] = {
    **_COMMON,
    "endTime": "2026-03-01T10:00:31Z",
    "completionStartTime": AT,
    "model": "gpt-4o-mini",
    "modelParameters": {"temperature": 0.5},
    "usage": {"input": 10, "output": 5, "total": 15, "unit": "TOKENS", "inputCost": 0.1},
    "usageDetails": {"input": 10, "output": 5},
    "costDetails": {"input": 0.25, "total": 0.5},
    "promptName": "prompt",
    "promptVersion": 3,
}
_TRACE: Mapping[str, Any] = {
    "timestamp": AT,
    "name": "trace",
    "userId": "user",
    "sessionId": "session",
    "input": [1],
    "output": {"a": None},
    "metadata": {"k": 1},
    "release": "r",
    "version": "v",
    "public": True,
    "tags": ["a", "b"],
    "environment": "prod",
    "externalId": "x",
}
SCORE: Mapping[str, Any] = {
    "id": "score-1",
    "name": "tone",
    "value": 0.5,
    "traceId": "trace-1",
    "observationId": "observation-1",
    "comment": "good",
    "metadata": {"a": 1},
    "environment": "prod",
    "dataType": "NUMERIC",
    "configId": "config",
    "queueId": "queue",
    "timestamp": AT,
    "source": "API",
}
OBSERVATION_TYPES = (
    "event",
    "span",
    "generation",
    "agent",
    "tool",
    "chain",
    "retriever",
    "evaluator",
    "embedding",
    "guardrail",
)
BODIES: Mapping[str, Mapping[str, Any]] = {
    "trace-create": {"id": "trace-1", **_TRACE},
    "score-create": SCORE,
    **{f"{word}-create": {"id": f"{word}-1", **_GENERATION} for word in OBSERVATION_TYPES},
    "span-update": {"id": "span-1", **_COMMON, "endTime": AT},
    "generation-update": {"id": "generation-1", **_GENERATION},
    "observation-create": {"id": "observation-1", "type": "GENERATION", **_GENERATION},
    "observation-update": {"id": "observation-1", "type": "SPAN", **_GENERATION},
    "sdk-log": {"log": "x"},
    "dataset-run-item-create": {"id": "d"},
    "unknown": {"id": "u"},
}

SPAN: Mapping[str, Any] = {
    "traceId": "0af7651916cd43dd8448eb211c80319c",
    "spanId": "b7ad6b7169203331",
    "parentSpanId": "00f067aa0ba902b7",
    "traceState": "a=b",
    "flags": 257,
    "name": "chat gpt-4o-mini",
    "kind": 3,
    "startTimeUnixNano": "1772359230000000000",
    "endTimeUnixNano": "1772359231000000000",
    "attributes": [{"key": "gen_ai.request.model", "value": {"stringValue": "gpt-4o-mini"}}],
    "droppedAttributesCount": 1,
    "events": [
        {"timeUnixNano": "1", "name": "gen_ai.choice", "attributes": [{"key": "a", "value": {"intValue": "1"}}]}
    ],
    "links": [{"traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203331"}],
    "status": {"code": 2, "message": "broken"},
}

_METADATA = ("langfuse.observation.metadata", "langfuse.trace.metadata", "langfuse.metadata", "ai.telemetry.metadata")
ATTRIBUTES = (
    *(f"langfuse.observation.{name}" for name in ("type", "input", "output", "level", "status_message", "model.name")),
    *(f"langfuse.observation.{name}" for name in ("model.parameters", "usage_details", "cost_details", "metadata")),
    *(f"langfuse.observation.{name}" for name in ("completion_start_time", "prompt.name", "prompt.version")),
    *(f"langfuse.trace.{name}" for name in ("name", "tags", "public", "metadata", "input", "output")),
    *(
        f"langfuse.{name}"
        for name in ("environment", "release", "version", "public", "tags", "metadata", "internal.as_root")
    ),
    *("langfuse.internal.is_app_root", "user.id", "session.id", "langfuse.user.id", "langfuse.session.id", "tag.tags"),
    *(
        f"{prefix}.{key}"
        for prefix in _METADATA
        for key in ("k", "a.b", "", "langfuse_user_id", "langfuse_tags", "tags", "userId")
    ),
    *(
        f"gen_ai.{name}"
        for name in ("operation.name", "request.model", "response.model", "conversation.id", "tool.name")
    ),
    *(f"gen_ai.{name}" for name in ("input.messages", "output.messages", "system_instructions", "tool.call.arguments")),
    *(f"gen_ai.usage.{name}" for name in ("input_tokens", "output_tokens", "total_tokens", "cost", "details.x")),
    *(
        "gen_ai.prompt.0.role",
        "gen_ai.prompt.999999999.content",
        "gen_ai.prompt.0.role.x.y",
        "gen_ai.completion.0",
        "gen_ai.prompt.",
    ),
    *(
        "llm.model_name",
        "llm.token_count.prompt",
        "llm.cost.total",
        "llm.invocation_parameters",
        "llm.input_messages.0.a",
    ),
    *("openinference.span.kind", "input.value", "output.value", "input", "output", "model", "model_config"),
    *(
        "ai.operationId",
        "operation.name",
        "ai.model.id",
        "ai.toolCall.name",
        "ai.telemetry.functionId",
        "mlflow.spanInputs",
    ),
    *(
        "service.version",
        "service.name",
        "telemetry.sdk.language",
        "deployment.environment",
        "",
        "a" * 3000,
        "\x00",
        "a\ud800b",
    ),
)
"""The keys that mean something to any convention, and some that mean nothing."""

METRICS: Mapping[str, Any] = {
    "resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "m", "sum": {"dataPoints": []}}]}]}]
}


def event(kind: str, body: Any, **head: Any) -> dict[str, Any]:
    return {"id": f"event-{kind}", "type": kind, "timestamp": AT, "body": body, **head}


def batch(*events: Any) -> dict[str, Any]:
    return {"batch": list(events), "metadata": {"sdk_name": "fuzz"}}


def spans(*given: Any, resource: Any = None, scope: Any = None) -> dict[str, Any]:
    """An OTLP request of one resource and one scope."""
    own: Any = {"name": "langfuse-sdk", "version": "5.0.4", "attributes": []} if scope is None else scope
    named = {"attributes": [{"key": "service.name", "value": {"stringValue": "s"}}]} if resource is None else resource
    return {"resourceSpans": [{"resource": named, "scopeSpans": [{"scope": own, "spans": list(given)}]}]}
