"""Observations told as OpenTelemetry spans: what must be stored in, spans out, with what a sender and its trace add."""

import random
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

from tests.chaos.drawing import microseconds, set_costs, to_json
from tests.chaos.expected import Observation, Trace
from tests.chaos.spans import SERVICES, Span, Value

_ERROR: Final = 2
_SHORTEST_US: Final = 1_000
_METADATA: Final = "langfuse.observation.metadata."
_BODIES: Final = ("input.value", "output.value")
_STALE: Final[dict[str, Value]] = {
    "langfuse.observation.output": "stale output",
    "langfuse.observation.model.name": "gpt-4o",
    "langfuse.observation.usage_details": '{"input": 5, "stale": 6}',
    "langfuse.observation.cost_details": '{"total": 99}',
    "langfuse.observation.level": "ERROR",
    "langfuse.observation.status_message": "stale message",
    "langfuse.observation.metadata.o-n": "1",
}
_FOREIGN_KINDS: Final = {
    "input": ("input", "input_cached_tokens", "input_cache_creation"),
    "output": ("output", "output_reasoning_tokens"),
}
"""What OpenTelemetry counts within the input and within the output; here each kind stands beside the others."""

_FOREIGN_NAMES: Final = {
    "input_cached_tokens": "cache_read.input_tokens",
    "input_cache_creation": "cache_creation.input_tokens",
    "output_reasoning_tokens": "reasoning.output_tokens",
    "total": "total_tokens",
}


def tell_span(rng: random.Random, one: Observation, service: int) -> Span:
    """The span of an observation as Langfuse's SDKs write it. `seal` it when its attributes are complete."""
    span = _bare_span(one, service)
    attributes = span.attributes
    _put(attributes, "langfuse.observation.type", one.type.lower())
    _put(attributes, "langfuse.observation.input", one.input)
    _put(attributes, "langfuse.observation.output", one.output)
    _put(attributes, "langfuse.environment", None if one.environment == "default" else one.environment)
    _put(attributes, "langfuse.version", one.version)
    if one.as_root:
        attributes["langfuse.internal.as_root"] = True
    if one.is_app_root:
        attributes["langfuse.internal.is_app_root"] = True
    _tell_metadata(attributes, one)
    _tell_level(rng, span, one)
    if one.model is not None:
        _tell_model(rng, attributes, one)
    return span


def tell_foreign_span(rng: random.Random, one: Observation, service: int) -> Span:
    """The same by the conventions of OpenTelemetry and OpenInference; what these cannot say is taken from the observation.

    An agent that repeats what its calls used is told as one, and must not be counted if there are any.
    """
    one.type = {"EVENT": "TOOL", "SPAN": "AGENT"}.get(one.type, one.type)
    one.level, one.prompt_name, one.prompt_version = "ERROR" if one.level == "ERROR" else "DEFAULT", None, None
    one.completion_start_time, one.status_message = None, one.status_message if one.level == "ERROR" else None
    sender = SERVICES[service]
    one.version = one.version or str(sender.resource["service.version"])
    span = _bare_span(one, service)
    attributes = span.attributes
    _put(attributes, "deployment.environment", None if one.environment == "default" else one.environment)
    _put(attributes, "langfuse.version", one.version if one.version != sender.resource["service.version"] else None)
    attributes["openinference.span.kind"] = {"GENERATION": "LLM"}.get(one.type, one.type)
    _tell_foreign_bodies(attributes, one)
    _tell_metadata(attributes, one)
    if one.level == "ERROR":
        span.status_code, span.status_message = _ERROR, one.status_message or ""
    if one.type == "AGENT":
        _repeat_usage(rng, one)
    if one.model is not None:
        _tell_foreign_model(attributes, one)
    return span


def seal(span: Span, one: Observation) -> None:
    """Add to an observation what its finished span and its sender add to the metadata."""
    sender = SERVICES[span.service]
    one.metadata = {**(one.metadata or {}), **sender.technical_metadata()}
    if not sender.is_langfuse:
        one.metadata["attributes"] = {
            key: value if isinstance(value, str) else to_json(value)
            for key, value in span.attributes.items()
            if key not in _BODIES and not key.startswith(_METADATA)
        }


def interim(rng: random.Random, span: Span, one: Observation) -> Span | None:
    """An earlier export of the same span, which had not ended then; only what the last one says too, and some of it other."""
    if one.end_time is None or span.end_us - span.start_us < _SHORTEST_US or span.status_code:
        return None
    attributes = dict(span.attributes)
    for key, stale in _STALE.items():
        if key in attributes and rng.random() < 0.7:
            attributes[key] = stale
    return replace(span, end_us=rng.randrange(span.start_us, span.end_us), name="still open", attributes=attributes)


def tell_trace(span: Span, trace: Trace, *, as_root: bool) -> None:
    """Let a span speak of its trace. `as_root`: with all that only one span says."""
    attributes = span.attributes
    _put(attributes, "langfuse.trace.name", trace.name)
    _put(attributes, "user.id", trace.user_id)
    _put(attributes, "session.id", trace.session_id)
    _put(attributes, "langfuse.release", trace.release)
    if trace.tags:
        attributes["langfuse.trace.tags"] = list(trace.tags)
    if as_root:
        _put(attributes, "langfuse.trace.input", trace.input)
        _put(attributes, "langfuse.trace.output", trace.output)
        if trace.public:
            attributes["langfuse.trace.public"] = True
        for key, value in (trace.metadata or {}).items():
            attributes[f"langfuse.trace.metadata.{key}"] = to_json(value)


def money_json(amounts: dict[str, Decimal]) -> str:
    """JSON text whose numbers are the amounts to the last digit."""
    return "{" + ",".join(f'"{kind}":{amount:f}' for kind, amount in amounts.items()) + "}"


def end_early(span: Span, one: Observation) -> None:
    """Let the clock go back: an end before the start, which counts as the start."""
    span.end_us = span.start_us - 5_000_000
    one.end_time = one.start_time


def _bare_span(one: Observation, service: int) -> Span:
    return Span(
        service,
        one.trace_id,
        one.id,
        one.parent_observation_id,
        one.name or "",
        microseconds(one.start_time),
        microseconds(one.end_time or one.start_time),
    )


def _tell_metadata(attributes: dict[str, Value], one: Observation) -> None:
    for key, value in (one.metadata or {}).items():
        attributes[f"{_METADATA}{key}"] = to_json(value)


def _tell_foreign_bodies(attributes: dict[str, Value], one: Observation) -> None:
    _put(attributes, "input.value", one.input)
    _put(attributes, "output.value", one.output)


def _repeat_usage(rng: random.Random, one: Observation) -> None:
    one.declares_repeat = True
    one.model, one.usage_details = "gpt-4o-mini", {"input": 1_000, "output": 500, "total": 1_500}
    one.provided_cost_details = {"total": Decimal(repr(rng.random()))} if rng.random() < 0.5 else None
    set_costs(one)


def _tell_foreign_model(attributes: dict[str, Value], one: Observation) -> None:
    usage = one.usage_details
    if one.declares_repeat:
        attributes["gen_ai.operation.name"] = "invoke_agent"
    else:
        attributes["gen_ai.operation.name"] = "embeddings" if one.type == "EMBEDDING" else "chat"
    attributes["gen_ai.request.model"] = one.model or ""
    for side, kinds in _FOREIGN_KINDS.items():
        attributes[f"gen_ai.usage.{side}_tokens"] = sum(usage.get(kind, 0) for kind in kinds)
    for kind, name in _FOREIGN_NAMES.items():
        if kind in usage:
            attributes[f"gen_ai.usage.{name}"] = usage[kind]
    if one.provided_cost_details is not None:
        one.provided_cost_details = {"total": Decimal(repr(0.001 + float(sum(one.provided_cost_details.values()))))}
        attributes["gen_ai.usage.cost"] = float(one.provided_cost_details["total"])
        set_costs(one)
    if one.model_parameters is not None:
        one.model_parameters = {"temperature": 0.2, "max_tokens": 77}
        attributes["gen_ai.request.temperature"], attributes["gen_ai.request.max_tokens"] = 0.2, 77


def _tell_level(rng: random.Random, span: Span, one: Observation) -> None:
    if one.level == "ERROR" and rng.random() < 0.5:
        span.status_code, span.status_message = _ERROR, one.status_message or ""
        return
    _put(span.attributes, "langfuse.observation.level", None if one.level == "DEFAULT" else one.level)
    _put(span.attributes, "langfuse.observation.status_message", one.status_message)


def _tell_model(rng: random.Random, attributes: dict[str, Value], one: Observation) -> None:
    _put(attributes, "langfuse.observation.model.name", one.model)
    usage: dict[str, Any] = dict(one.usage_details)
    if usage["total"] == sum(usage.values()) - usage["total"] and rng.random() < 0.5:
        del usage["total"]
    attributes["langfuse.observation.usage_details"] = to_json(usage)
    if one.provided_cost_details is not None:
        attributes["langfuse.observation.cost_details"] = money_json(one.provided_cost_details)
    if one.model_parameters is not None:
        attributes["langfuse.observation.model.parameters"] = to_json(one.model_parameters)
    if one.completion_start_time is not None:
        attributes["langfuse.observation.completion_start_time"] = to_json(one.completion_start_time)
    if one.prompt_name is not None:
        attributes["langfuse.observation.prompt.name"] = one.prompt_name
        attributes["langfuse.observation.prompt.version"] = one.prompt_version or 0


def _put(attributes: dict[str, Value], key: str, value: str | None) -> None:
    if value is not None:
        attributes[key] = value
