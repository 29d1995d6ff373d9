"""Hypothesis strategies of JSON that senders might write: any value, and requests that are nearly right."""

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
"""For a machine that others use too, and for a fixture that examples may share."""

OTLP_NAMES = [
    *("resourceSpans", "scopeSpans", "spans", "resource", "scope", "attributes", "events", "status"),
    *("traceId", "spanId", "parentSpanId", "startTimeUnixNano", "endTimeUnixNano", "name", "kind", "code"),
    *(
        "key",
        "value",
        "values",
        "stringValue",
        "intValue",
        "doubleValue",
        "boolValue",
        "arrayValue",
        "kvlistValue",
        "bytesValue",
    ),
]
EVENT_NAMES = [
    *(
        "id",
        "type",
        "timestamp",
        "body",
        "name",
        "traceId",
        "value",
        "input",
        "output",
        "metadata",
        "usage",
        "startTime",
    ),
    *("promptName", "promptVersion", "observationId", "sessionId", "dataType", "source", "configId", "tags", "public"),
]
EVENT_TYPES = [
    "trace-create",
    "span-create",
    "generation-update",
    "score-create",
    "sdk-log",
    "observation-create",
    "other",
]


def json_values(names: list[str]) -> SearchStrategy[Any]:
    """Any JSON value; objects have these names."""
    scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(names)
    return st.recursive(
        scalars,
        lambda children: st.lists(children, max_size=3) | st.dictionaries(st.sampled_from(names), children, max_size=4),
        max_leaves=12,
    )


@st.composite
def otlp_requests(draw: st.DrawFn) -> dict[str, Any]:
    """A request whose spans have ids, and anything else."""
    values = json_values(OTLP_NAMES)
    ids = st.text(min_size=1, max_size=3)
    spans = [
        draw(st.dictionaries(st.sampled_from(OTLP_NAMES), values, max_size=5))
        | {"traceId": draw(ids), "spanId": draw(ids)}
        for _ in range(draw(st.integers(0, 4)))
    ]
    heads = st.fixed_dictionaries({"attributes": st.lists(values, max_size=3)})
    return {"resourceSpans": [{"resource": draw(heads), "scopeSpans": [{"scope": draw(heads), "spans": spans}]}]}


@st.composite
def batches(draw: st.DrawFn) -> dict[str, Any]:
    """A batch whose events have a head, and anything for a body."""
    values = json_values(EVENT_NAMES)
    bodies = st.dictionaries(st.sampled_from(EVENT_NAMES), values, max_size=6)
    return {
        "batch": [
            {
                "id": draw(st.text(max_size=3)),
                "type": draw(st.sampled_from(EVENT_TYPES)),
                "timestamp": "2026-01-01T00:00:00Z",
                "body": draw(bodies | bodies.map(lambda body: {"id": "an-id", **body}) | values),
            }
            for _ in range(draw(st.integers(0, 4)))
        ]
    }
