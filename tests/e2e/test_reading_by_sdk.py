"""Each SDK reads by its own read API what it wrote, so that its own parser accepts the answers, and is refused with a wrong key."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.expected import ExpectedTrace
from tests.e2e.facts import (
    TOTAL_COST,
    Facts,
    expected_observations,
    expected_scores,
    expected_trace_facts,
    names_by_id,
    observations_v1,
    observations_v2,
    scores_v1,
    scores_v3,
    trace_facts,
)
from tests.e2e.read import load
from tests.e2e.stack import Stack
from tests.e2e.stories import Stories

pytestmark = pytest.mark.e2e

# What each SDK can read. `otlp` has no read API: what it wrote is read by plain HTTP.
OLD = {"trace", "traces", "observations", "observation", "sessions"}
NEW = OLD | {"observationsV2", "session", "scores"}
READS = {
    "python-5": {"observationsV2", "roots", "scoresV3", "authCheck"},
    "python-4": NEW | {"scoresV3", "authCheck"},
    "python-3": NEW | {"authCheck"},
    "python-2": OLD | {"authCheck"},
    "js-5": NEW | {"scoresV3"},
    "js-4": NEW,
    "js-3": OLD,
}
REFUSED_IN_WORDS = "Invalid credentials. Confirm that you've configured the correct host."


@pytest.mark.parametrize("client", READS)
def test_an_sdk_reads_back_by_itself_what_it_wrote(client: str, stories: Stories, stack: Stack) -> None:
    written = stories.of(client)
    ids = written.story.trace_id, written.story.session_id, written.story.user_id

    found = load(written.environment.read(ids, *stack.credentials.sender))

    refused = found.pop("refused")
    assert refused == (REFUSED_IN_WORDS if client == "js-3" else 401)
    assert set(found) == READS[client]
    names = names_by_id(found["observations"] if "observations" in found else found["observationsV2"])
    assert _seen(found, names) == {name: _expected(written.expected)[name] for name in READS[client]}


def _seen(found: Facts, names: dict[str, str]) -> Facts:
    """What the client parsed, in the shape of `_expected`."""
    views: dict[str, Callable[[Any], Any]] = {
        "trace": lambda trace: [
            trace_facts(trace),
            observations_v1(trace["observations"]),
            scores_v1(trace["scores"], names),
            trace["totalCost"],
        ],
        "traces": lambda traces: [(trace_facts(each), each["totalCost"]) for each in traces],
        "observations": observations_v1,
        "observation": lambda one: one["id"] in names,
        "observationsV2": observations_v2,
        "roots": lambda roots: [each["name"] for each in roots],
        "session": lambda session: (session["id"], [trace_facts(each) for each in session["traces"]]),
        "sessions": list[str],
        "scores": lambda scores: scores_v1(scores, names),
        "scoresV3": lambda scores: scores_v3(scores, names),
        "authCheck": bool,
    }
    return {name: views[name](value) for name, value in found.items()}


def _expected(expected: ExpectedTrace) -> Facts:
    trace, observations, scores = (
        expected_trace_facts(expected),
        expected_observations(expected),
        expected_scores(expected),
    )
    return {
        "trace": [trace, observations, scores, TOTAL_COST],
        "traces": [(trace, TOTAL_COST)],
        "observations": observations,
        "observation": True,
        "observationsV2": observations,
        "roots": [name for name, each in expected.observations.items() if each.parent is None],
        "session": (expected.session_id, [trace]),
        "sessions": [expected.session_id],
        "scores": scores,
        "scoresV3": scores,
        "authCheck": True,
    }
