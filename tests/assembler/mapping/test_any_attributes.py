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


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.sampled_from([0, 3, 2**70, 0.5, "", "a", '"a"', "2"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["role", "name", "tools"]), inner),
    max_leaves=3,
)
ANYTHING: st.SearchStrategy[Any] = st.sampled_from(TELLING) | VALUES | VALUES.map(json.dumps)
SUFFIXES = ("0.role", "0.tool.json_schema", "1", "k", "99999999")
FULL_NAMES = [name + suffix for name in NAMES for suffix in (SUFFIXES if name.endswith(".") else ("",))]
ATTRIBUTES: st.SearchStrategy[dict[str, Any]] = st.dictionaries(st.sampled_from(FULL_NAMES), ANYTHING, max_size=6)


@st.composite
def spans(draw: st.DrawFn) -> SpanData:
    """A span of any scope, with any attributes and events."""
    scope = draw(st.sampled_from([*sorted(precedence.SCOPES), "langfuse-sdk", "app"]))
    version = draw(st.sampled_from(["3.1.0", "5.0.4", "x", "\u0663.\u0661", "9" * 5_000]))
    events = draw(st.lists(st.builds(SpanEvent, st.sampled_from(EVENT_NAMES), ATTRIBUTES), max_size=1))
    return SpanData(
        draw(ATTRIBUTES),
        Scope(scope, version, {}),
        TRACE_ID,
        SPAN_ID,
        draw(st.sampled_from([None, "01"])),
        draw(st.sampled_from(["step", "agent_turn", "tts_node", ""])),
        1,
        draw(st.none() | st.just(START_US)),
        START_US,
        draw(ATTRIBUTES),
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
