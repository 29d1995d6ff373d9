"""Observations told as OpenTelemetry spans: what must be stored in, spans out, with what a sender and its trace add."""

import random
from decimal import Decimal
from typing import Any, Final

from tests.chaos.drawing import microseconds, to_json
from tests.chaos.expected import Observation, Trace
from tests.chaos.spans import SERVICES, Span, Value

_ERROR: Final = 2


def tell_span(rng: random.Random, one: Observation, service: int) -> Span:
    """The span of an observation; what the sender adds is added to the observation too."""
    sender = SERVICES[service]
    span = Span(
        service,
        one.trace_id,
        one.id,
        one.parent_observation_id,
        one.name or "",
        microseconds(one.start_time),
        microseconds(one.end_time or one.start_time),
    )
    attributes = span.attributes
    _put(attributes, "langfuse.observation.type", one.type.lower())
    _put(attributes, "langfuse.observation.input", one.input)
    _put(attributes, "langfuse.observation.output", one.output)
    _put(attributes, "langfuse.environment", None if one.environment == "default" else one.environment)
    _put(attributes, "langfuse.version", one.version)
    for key, value in (one.metadata or {}).items():
        attributes[f"langfuse.observation.metadata.{key}"] = to_json(value)
    _tell_level(rng, span, one)
    if one.model is not None:
        _tell_model(rng, attributes, one)
    one.metadata = {**(one.metadata or {}), **sender.technical_metadata()}
    return span


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
