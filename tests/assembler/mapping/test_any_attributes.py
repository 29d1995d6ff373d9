"""Whatever stands under the names that conventions know: no exception, the span is kept, and all of it can be stored."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tailrace.assembler.mapping import langfuse, precedence, vercel
from tailrace.assembler.mapping.group import Group
from tailrace.assembler.mapping.rules import Rule
from tailrace.assembler.mapping.span_observation import read_observation
from tailrace.assembler.mapping.span_trace import read_trace
from tailrace.core.merge import Change, lift
from tailrace.core.model import OBSERVATION_TYPES
from tailrace.core.stamp import CREATE, Stamp
from tailrace.wire.otlp import Scope, SpanData, SpanEvent
from tests.assembler.mapping.senders import PROJECT, SPAN_ID, START_US, TRACE_ID
from tests.strategies import anything_json

RULES: list[Rule[Any]] = [
    *precedence.TYPES,
    *precedence.NAMES,
    *precedence.MODELS,
    *precedence.PARAMETERS,
    *precedence.BODIES,
    *precedence.TOOLS,
    *precedence.PROMPTS,
    *precedence.COMPLETION_STARTS,
    *precedence.LEVELS,
]
NAMES = sorted(
    {
        *(name for rule in RULES for name in rule.names),
        *precedence.ENVIRONMENTS,
        *precedence.TRACE_UPDATES,
        *langfuse.METADATA,
        *(f"{prefix}.k" for prefix in langfuse.METADATA),
        *langfuse.PROMPT_VERSIONS,
        *langfuse.PUBLIC,
        langfuse.USAGE_DETAILS,
        langfuse.COST_DETAILS,
        langfuse.LEVEL,
        langfuse.STATUS_MESSAGE,
        langfuse.RELEASE,
        langfuse.VERSION,
        langfuse.AS_ROOT,
        vercel.FUNCTION_ID,
        f"{vercel.METADATA}k",
        "ai.prompt.toolChoice",
        "ai.settings.maxSteps",
        "ai.usage.tokens",
        "gen_ai.system_instructions",
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.cost",
        "service.version",
        "telemetry.sdk.language",
    }
)
EVENT_NAMES = [
    "gen_ai.client.inference.operation.details",
    "gen_ai.user.message",
    "gen_ai.choice",
    "gen_ai.content.prompt",
    "gen_ai.content.completion",
]
TELLING: list[Any] = [
    '{"messages":[{"role":"system"}],"message":1,"config":{"t":[]},"name":"p","version":2,"function_tools":[1],"config":3}',
    '[{"event.name":"gen_ai.choice"},{"role":"user"},1]',
    ["{", '{"name":"t"}'],
    "[" * 5_000 + "]" * 5_000,
    "model",
    "ai.toolCall",
    10**400,
    -1.5,
    1e308,
    "NaN",
    "1e999",
    "\ud800".encode("utf-8", "replace").decode(),
]


def values() -> st.SearchStrategy[Any]:
    """JSON of any type, as it is and as text, and texts that some convention looks into."""
    plain = anything_json().filter(can_be_written)
    return plain | plain.map(json.dumps) | st.sampled_from(TELLING)


def can_be_written(value: Any) -> bool:
    """The wire forms have cleaned U+0000 and lone surrogates away."""
    try:
        return "\\u0000" not in json.dumps(value) and bool(json.dumps(value, ensure_ascii=False).encode())
    except UnicodeEncodeError:
        return False


def attributes() -> st.SearchStrategy[dict[str, Any]]:
    suffixes = st.sampled_from(["0.role", "0.tool.json_schema", "1", "k", "99999999"])
    names = st.sampled_from(NAMES).flatmap(
        lambda name: suffixes.map(lambda rest: name + rest) if name.endswith(".") else st.just(name)
    )
    return st.dictionaries(names, values(), max_size=6)


@st.composite
def spans(draw: st.DrawFn) -> SpanData:
    """A span of any scope, with any attributes and events."""
    scope = draw(st.sampled_from([*sorted(precedence.SCOPES), "langfuse-sdk", "app"]))
    version = draw(st.sampled_from(["3.1.0", "5.0.4", "x", "٣.١", "9" * 5_000]))
    events = draw(st.lists(st.builds(SpanEvent, st.sampled_from(EVENT_NAMES), attributes()), max_size=2))
    return SpanData(
        draw(attributes()),
        Scope(scope, version, draw(attributes())),
        TRACE_ID,
        SPAN_ID,
        draw(st.sampled_from([None, "01"])),
        draw(st.sampled_from(["step", "agent_turn", "tts_node", ""])),
        1,
        draw(st.none() | st.just(START_US)),
        START_US,
        draw(attributes()),
        events,
        draw(st.integers(0, 2)),
        "",
    )


@given(spans())
def test_attributes_of_any_type_under_any_known_name_never_raise(span: SpanData) -> None:
    group = Group(span.resource, span.scope)
    observation = read_observation(span, group)
    trace = read_trace(span, group, observation)

    assert observation.fields["type"] in OBSERVATION_TYPES
    assert read_observation(span, group) == observation
    stamp = Stamp(START_US, CREATE, SPAN_ID, "d")
    for kind, entity, fields in (
        ("observation", SPAN_ID, observation.fields),
        ("trace", TRACE_ID, trace.fields | {"earliest": START_US}),
    ):
        lift(Change(kind, PROJECT, TRACE_ID, entity, stamp, fields))  # pyright: ignore[reportArgumentType]
        json.dumps(fields, default=str, allow_nan=False)
    for name in ("name", "model", "input", "output", "level", "status_message", "prompt_name", "model_parameters"):
        assert isinstance(observation.fields.get(name, ""), str), name
