"""What a span says of its observation. Which convention wins is decided here, by the order of the tables."""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from tailrace.assembler.mapping import genai, langfuse, openinference, vercel
from tailrace.assembler.mapping.bodies import Bodies
from tailrace.assembler.mapping.group import Group
from tailrace.assembler.mapping.indexed import rebuild
from tailrace.assembler.mapping.shape import INDEXED_BODIES, REQUEST_PREFIXES, Shape, shape_of
from tailrace.assembler.mapping.values import (
    dump_json,
    first_text,
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

MODELS: Final = (
    langfuse.MODEL,
    genai.RESPONSE_MODEL,
    vercel.MODEL,
    genai.REQUEST_MODEL,
    *openinference.MODELS,
    "model",
)
MODELS_OF_GENERATIONS: Final = (
    langfuse.MODEL,
    genai.REQUEST_MODEL,
    genai.RESPONSE_MODEL,
    openinference.MODEL_NAME,
    "model",
)
"""An attribute of these makes a generation of a span whose type nothing else tells."""

PARAMETERS: Final = (langfuse.MODEL_PARAMETERS, openinference.INVOCATION_PARAMETERS, "model_config")
PLAIN_BODIES: Final = (
    ("mlflow.spanInputs", "mlflow.spanOutputs"),
    ("traceloop.entity.input", "traceloop.entity.output"),
    openinference.VALUES,
    ("input", "output"),
)

_ERROR_STATUS: Final = 2
_EMPTY_JSON: Final = frozenset({"{}", "null"})
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
    fields: dict[str, Any] = {"type": observation_type(attributes, group)}
    parent_id = span.parent_span_id
    if parent_id is not None and parent_id.strip("0"):  # OpenTelemetry's id of nothing is all zeros
        fields["parent_observation_id"] = parent_id
    is_root = "parent_observation_id" not in fields or langfuse.is_true(attributes.get(langfuse.AS_ROOT))
    if is_root:
        fields["is_root"] = True
    if langfuse.is_true(attributes.get(langfuse.IS_APP_ROOT)):
        fields["is_app_root"] = True
    _put_plain(fields, span, group)
    shape = shape_of(attributes)
    if shape.speaks_of_model:
        _put_model(fields, attributes, shape, group.scope.name)
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


def observation_type(attributes: Mapping[str, Any], group: Group) -> str:
    """The first rule that yields a type; SPAN if none does."""
    given = langfuse.observation_type(attributes, generations_are_spans=group.generations_are_spans)
    if given:
        return given
    has_model = any(attributes.get(key) for key in MODELS_OF_GENERATIONS)
    return (
        openinference.KINDS.get(_text(attributes.get(openinference.KIND)))
        or genai.OPERATION_TYPES.get(_text(attributes.get(genai.OPERATION)))
        or vercel.observation_type(attributes, has_model=has_model or bool(attributes.get(vercel.MODEL)))
        or ("TOOL" if attributes.get(genai.TOOL_NAME) or attributes.get(genai.TOOL_CALL_ID) else None)
        or ("GENERATION" if has_model else "SPAN")
    )


def read_bodies(span: SpanData, shape: Shape) -> Bodies:
    """Input and output from the first convention that gives either."""
    for block in _BODIES:
        if block is _bodies_of_indexed and not shape.has_indexed_bodies:
            continue
        found = block(span)
        if found is not None:
            return found
    return _NO_BODIES


def _bodies_of_langfuse(span: SpanData) -> Bodies | None:
    return _pair(span.attributes, langfuse.INPUT, langfuse.OUTPUT)


def _bodies_of_plain_pairs(span: SpanData) -> Bodies | None:
    for input_key, output_key in PLAIN_BODIES:
        found = _pair(span.attributes, input_key, output_key)
        if found is not None:
            return found
    return None


def _bodies_of_indexed(span: SpanData) -> Bodies | None:
    attributes = span.attributes
    for input_prefix, output_prefix in INDEXED_BODIES:
        given, input_keys = rebuild(attributes, input_prefix)
        answer, output_keys = rebuild(attributes, output_prefix)
        if input_keys or output_keys:
            return Bodies(_dumped(given), _dumped(answer), (*input_keys, *output_keys))
    return None


def _bodies_of_messages(span: SpanData) -> Bodies | None:
    return genai.bodies_of_messages(span.attributes)


_BODIES: Final[tuple[Callable[[SpanData], Bodies | None], ...]] = (
    _bodies_of_langfuse,
    genai.bodies_of_details_event,
    genai.bodies_of_message_events,
    _bodies_of_plain_pairs,
    _bodies_of_indexed,
    _bodies_of_messages,
)


def _pair(attributes: Mapping[str, Any], input_key: str, output_key: str) -> Bodies | None:
    given, answer = attributes.get(input_key), attributes.get(output_key)
    if given is None and answer is None:
        return None
    return Bodies(text_of(given), text_of(answer), (input_key, output_key))


def _put_plain(fields: dict[str, Any], span: SpanData, group: Group) -> None:
    attributes = span.attributes
    put_key(fields, "name", _name_of(span))
    environment = group.environment(attributes)
    if environment:
        fields["environment"] = normalise_environment(environment)
    level = level_of(attributes.get(langfuse.LEVEL)) or ("ERROR" if span.status_code == _ERROR_STATUS else None)
    if level:
        fields["level"] = level
    message = text_of(attributes.get(langfuse.STATUS_MESSAGE)) or span.status_message
    if message:
        fields["status_message"] = message
    version = text_of(attributes.get(langfuse.VERSION)) or group.version or group.service_version
    if version:
        fields["version"] = version


def _name_of(span: SpanData) -> str | None:
    tool = span.attributes.get(genai.TOOL_NAME)
    return (text_of(tool) if tool else None) or vercel.name(span.attributes) or span.name


def _put_model(fields: dict[str, Any], attributes: Mapping[str, Any], shape: Shape, scope: str) -> None:
    put_key(fields, "model", first_text(attributes, MODELS))
    if _text(attributes.get(genai.OPERATION)) in genai.REPEATING_OPERATIONS:
        fields["uncounted"] = True
    started = langfuse.completion_start_time(attributes)
    if started is not None:
        fields["completion_start_time"] = started
    prompt = langfuse.prompt(attributes) if shape.names_prompt and fields["type"] == "GENERATION" else None
    if prompt is not None:
        fields["prompt_name"], fields["prompt_version"] = prompt
    _put_parameters(fields, attributes, shape)
    _put_usage(fields, read_usage(attributes, shape.usage, scope), attributes)
    _put_cost(fields, attributes)


def _put_parameters(fields: dict[str, Any], attributes: Mapping[str, Any], shape: Shape) -> None:
    for key in PARAMETERS:
        given = attributes.get(key)
        if given is None:
            continue
        parameters = parse_object(given)
        if parameters:
            fields["model_parameters"] = dump_json(plain_parameters(parameters))
            return
        if not _is_empty(given):
            warn(fields, f"{key} is no JSON object and was left out")
    if not shape.has_request_parameters:
        return
    parameters = genai.request_parameters(attributes, REQUEST_PREFIXES)
    if parameters:
        fields["model_parameters"] = dump_json(plain_parameters(parameters))


def _put_usage(fields: dict[str, Any], usage: Usage, attributes: Mapping[str, Any]) -> None:
    if usage.details:
        fields["usage_details"] = usage.details
    elif not _is_empty(attributes.get(langfuse.USAGE_DETAILS)):
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
    elif not _is_empty(attributes.get(langfuse.COST_DETAILS)):
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
        if key not in used and not key.startswith(_METADATA)
    }
    return {"attributes": rest} if rest else {}


_METADATA: Final = (*langfuse.METADATA, vercel.METADATA)


def _dumped(rebuilt: Any) -> str | None:
    return None if rebuilt is None else dump_json(rebuilt)


def _is_empty(value: Any) -> bool:
    return not value or (isinstance(value, str) and value.strip() in _EMPTY_JSON)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
