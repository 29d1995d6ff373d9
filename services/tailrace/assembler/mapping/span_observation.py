"""What a span says of its observation. Which convention wins is told by `precedence`, who can say anything at all by the span's shape."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from tailrace.assembler.mapping import langfuse, vercel
from tailrace.assembler.mapping.bodies import Bodies
from tailrace.assembler.mapping.experiments import put_experiment
from tailrace.assembler.mapping.group import Group
from tailrace.assembler.mapping.precedence import METADATA
from tailrace.assembler.mapping.rules import is_empty
from tailrace.assembler.mapping.shape import Readers, Shape, T, shape_of
from tailrace.assembler.mapping.tools import with_tools
from tailrace.assembler.mapping.values import (
    dump_json,
    level_of,
    normalise_environment,
    parse_object,
    plain_parameters,
    put_key,
    text_of,
    warn,
)
from tailrace.core.usage import Usage, costs_from_attributes, read_usage
from tailrace.wire.otlp import SpanData

_ERROR_STATUS: Final = 2
_NO_METADATA: Final = langfuse.Metadata({}, {})
_NO_BODIES: Final = Bodies(None, None, ())
_LANGFUSE_BODY_KEYS: Final = (langfuse.INPUT, langfuse.OUTPUT, langfuse.TRACE_INPUT, langfuse.TRACE_OUTPUT)


class Reading(NamedTuple):
    """What a span says of its observation, and what its trace may want of that.

    `fields`: all but the times. `metadata`: the user's own. `technical`: the rest of the observation's metadata.
    """

    fields: dict[str, Any]
    metadata: langfuse.Metadata
    technical: Mapping[str, Any]
    shape: Shape
    is_root: bool


def read_observation(span: SpanData, group: Group) -> Reading:
    """Everything but the times."""
    attributes = span.attributes
    shape = shape_of(attributes, group.known_scope)
    fields: dict[str, Any] = {"type": _first(shape.types, span) or "SPAN"}
    parent_id = span.parent_span_id
    if parent_id is not None and parent_id.strip("0"):  # OpenTelemetry's id of nothing is all zeros
        fields["parent_observation_id"] = parent_id
    is_root = "parent_observation_id" not in fields or langfuse.is_true(attributes.get(langfuse.AS_ROOT))
    if is_root:
        fields["is_root"] = True
    if langfuse.is_true(attributes.get(langfuse.IS_APP_ROOT)):
        fields["is_app_root"] = True
    _put_plain(fields, span, group, shape)
    if shape.speaks_of_model:
        _put_model(fields, span, shape)
    if shape.is_of_experiment:
        put_experiment(fields, span, is_root=is_root)
    bodies = read_bodies(span, shape)
    if bodies.input is not None:
        fields["input"] = bodies.input
    if bodies.output is not None:
        fields["output"] = bodies.output
    metadata = _metadata_of(attributes) if shape.has_metadata else _NO_METADATA
    technical = group.metadata if group.is_langfuse else {**group.metadata, **_rest(attributes, bodies)}
    if metadata.observation or technical:
        fields["metadata"] = {**metadata.observation, **technical}
    return Reading(fields, metadata, technical, shape, is_root)


def read_bodies(span: SpanData, shape: Shape) -> Bodies:
    """Input and output from the first convention that gives either. Tools stand beside messages that an instrumentation has written;
    an application's own input is left as it is.
    """
    bodies = _first(shape.bodies_with_events if span.events else shape.bodies, span)
    if bodies is None:
        return _NO_BODIES
    if shape.tools and bodies.input and span.attributes.get(langfuse.INPUT) is None:
        tools = _first(shape.tools, span)
        return bodies if tools is None else with_tools(bodies, tools)
    return bodies


def _first(readers: Readers[T], span: SpanData) -> T | None:
    for read in readers:
        found = read(span)
        if found is not None:
            return found
    return None


def _put_plain(fields: dict[str, Any], span: SpanData, group: Group, shape: Shape) -> None:
    attributes = span.attributes
    put_key(fields, "name", _first(shape.names, span) or span.name)
    environment = group.environment_of(attributes) if shape.names_environment else group.environment
    if environment:
        fields["environment"] = normalise_environment(environment)
    level = level_of(attributes.get(langfuse.LEVEL)) or ("ERROR" if span.status_code == _ERROR_STATUS else None)
    if level is None and shape.levels:
        level = _first(shape.levels, span)
    if level:
        fields["level"] = level
    message = text_of(attributes.get(langfuse.STATUS_MESSAGE)) or span.status_message
    if not message and level == "ERROR":
        message = _first(shape.status_messages, span)
    if message:
        fields["status_message"] = message
    version = text_of(attributes.get(langfuse.VERSION)) or group.version or group.service_version
    if version:
        fields["version"] = version


def _put_model(fields: dict[str, Any], span: SpanData, shape: Shape) -> None:
    attributes = span.attributes
    put_key(fields, "model", _first(shape.models, span))
    if _first(shape.repeats, span):
        fields["uncounted"] = True
    started = _first(shape.completion_starts, span)
    if started is not None:
        fields["completion_start_time"] = started
    prompt = _first(shape.prompts, span) if fields["type"] == "GENERATION" else None
    if prompt is not None:
        fields["prompt_name"], fields["prompt_version"] = prompt
    _put_parameters(fields, span, shape)
    _put_usage(fields, read_usage(attributes, shape.usage, span.scope.name), attributes)
    _put_cost(fields, attributes)


def _put_parameters(fields: dict[str, Any], span: SpanData, shape: Shape) -> None:
    for read in shape.parameters:
        found = read(span)
        if isinstance(found, str):
            warn(fields, found)
        elif found:
            fields["model_parameters"] = dump_json(plain_parameters(found))
            return


def _put_usage(fields: dict[str, Any], usage: Usage, attributes: Mapping[str, Any]) -> None:
    if usage.details:
        fields["usage_details"] = usage.details
    elif not is_empty(attributes.get(langfuse.USAGE_DETAILS)):
        warn(fields, f"{langfuse.USAGE_DETAILS} holds no whole numbers by name and was left out")
    if usage.unit:
        fields["unit"] = usage.unit
    for warning in usage.warnings:
        warn(fields, warning)
    if usage.service_tier:
        parameters = parse_object(fields.get("model_parameters")) or {}
        fields["model_parameters"] = dump_json({**parameters, "service_tier": usage.service_tier})


def _put_cost(fields: dict[str, Any], attributes: Mapping[str, Any]) -> None:
    cost = costs_from_attributes(attributes)
    if cost:
        fields["provided_cost_details"] = cost
    elif not is_empty(attributes.get(langfuse.COST_DETAILS)):
        warn(fields, f"{langfuse.COST_DETAILS} holds no amounts by name and was left out")


def _metadata_of(attributes: Mapping[str, Any]) -> langfuse.Metadata:
    own = langfuse.read_metadata(attributes)
    telemetry = vercel.read_metadata(attributes)
    return langfuse.Metadata(own.observation | telemetry, own.trace | telemetry) if telemetry else own


def _rest(attributes: Mapping[str, Any], bodies: Bodies) -> dict[str, Any]:
    """The attributes of a foreign span that are used for no body and no metadata, as texts."""
    used = {*bodies.keys, *_LANGFUSE_BODY_KEYS}
    rest = {
        key: value if isinstance(value, str) else dump_json(value)
        for key, value in attributes.items()
        if key not in used and not key.startswith(METADATA)
    }
    rest.update(bodies.left)
    return {"attributes": rest} if rest else {}
