"""Every real client through the whole stack: what it wrote is read back to the last digit, and a resend changes nothing."""

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, cast

import pytest

from tests.e2e.environments import CLIENTS
from tests.e2e.expected import DIFFERENCES, ExpectedTrace
from tests.e2e.facts import (
    COSTS,
    TOTAL_COST,
    Facts,
    expected_observations,
    expected_scores,
    expected_trace_facts,
    names_by_id,
    observations_of_tree,
    observations_v1,
    observations_v2,
    scores_v1,
    scores_v3,
    trace_facts,
)
from tests.e2e.read import BUCKETS, Answers, Reader, load, read_all
from tests.e2e.recorder import resend
from tests.e2e.stack import Stack
from tests.e2e.stories import Stories, Written

pytestmark = pytest.mark.e2e
each_client = pytest.mark.parametrize("client", CLIENTS)
REPEATABLE = [name for name, client in CLIENTS.items() if client.again]

# What a second run cannot tell as the first did: when it spoke (which amends a trace that was complete), and which process it was.
OF_THE_RUN = {
    "updatedAt",
    "lastReceivedAt",
    "lastSeen",
    "state",
    "service.instance.id",
    "resourceAttributes.service.instance.id",
}

# Cost, tokens and errors of an observation alone, and of all that is below it with how many there are and on how many levels.
FIGURES: dict[str, tuple[tuple[str | None, int, int], tuple[str, int, int, int, int]]] = {
    "handle-question": ((None, 0, 0), ("0.000384", 1540, 1, 4, 3)),
    "draft-answer": ((None, 0, 0), ("0.000384", 1540, 0, 2, 2)),
    "ask-model": (("0.000384", 1540, 0), ("0.000384", 1540, 0, 1, 1)),
    "notify-courier": ((None, 0, 1), ("0", 0, 1, 1, 1)),
}


@pytest.fixture
def written(stories: Stories, client: str) -> Written:
    """What the client wrote in its one run."""
    return stories.of(client)


@each_client
def test_the_tree_stands_as_it_was_written_with_own_and_subtree_figures(written: Written) -> None:
    tree = written.answer("tree with bodies")
    nodes = _walk(tree["roots"])

    assert _shape(tree["roots"]) == _expected_shape(written.expected, None)
    assert observations_of_tree(nodes) == expected_observations(written.expected)
    for node in nodes:
        name = node["observation"]["name"]
        own, subtree = FIGURES[name]
        assert (node["own"]["cost"], node["own"]["tokens"], node["own"]["errors"]) == own
        sums = (node["subtree"][key] for key in ("cost", "tokens", "errors", "observations", "depth"))
        assert tuple(sums) == subtree
        assert node["own"]["depth"] == _depth(written.expected, name)


@each_client
def test_the_tree_needed_no_repair_and_is_open_while_more_may_come(written: Written) -> None:
    tree = written.answer("tree")
    unsent = [root["observation"]["parentObservationId"] for root in tree["roots"]]

    assert tree["warnings"] == []
    assert written.state_at_first == "open"
    assert (None in unsent) is not written.expected.root_has_unsent_parent


@each_client
def test_the_trace_reads_back_as_it_was_written_wherever_it_is_shown(written: Written) -> None:
    expected = expected_trace_facts(written.expected)
    trace, listed, session, tree = (written.answer(name) for name in ("trace", "traces", "session", "tree with bodies"))

    assert trace_facts(trace) == expected
    (in_list,) = listed["data"]
    assert trace_facts(in_list) == expected
    assert set(in_list["observations"]) == {each["id"] for each in trace["observations"]}
    assert set(in_list["scores"]) == {each["id"] for each in trace["scores"]}
    assert session["id"] == written.expected.session_id
    (in_session,) = session["traces"]
    assert trace_facts(in_session) == expected
    assert trace_facts(tree["trace"]) == expected
    assert {each["id"] for each in (trace, in_list, in_session, tree["trace"])} == {written.story.trace_id}


@each_client
def test_each_observation_reads_back_as_it_was_written_in_both_apis(written: Written) -> None:
    expected = expected_observations(written.expected)
    trace, listed, v2 = (written.answer(name) for name in ("trace", "observations", "observations v2"))

    assert observations_v1(trace["observations"]) == expected
    assert observations_v2(v2["data"]) == expected
    by_id = {each["id"]: each for each in trace["observations"]}
    assert {each["id"]: each for each in listed["data"]} == by_id
    assert {id_: written.answer(f"observation {id_}") for id_ in by_id} == by_id
    roots = {each["name"] for each in v2["data"] if each["isRootObservation"]}
    assert roots == {name for name, each in written.expected.observations.items() if each.parent is None}
    for each in v2["data"]:
        assert (each["userId"], each["sessionId"]) == (written.expected.user_id, written.expected.session_id)
        assert (each["traceName"], each["tags"], each["release"]) == (
            written.expected.name,
            written.expected.tags,
            written.expected.release,
        )


@each_client
def test_times_are_those_that_the_client_took_or_was_told(written: Written) -> None:
    trace = written.answer("trace")

    for found in trace["observations"]:
        expected = written.expected.observations[found["name"]]
        started, ended = datetime.fromisoformat(found["startTime"]), datetime.fromisoformat(found["endTime"])
        assert written.result.at <= started <= ended
        assert started == expected.started if expected.started else started <= written.ended
        assert ended == expected.ended if expected.ended else ended <= written.ended
        assert float(found["latency"]) == pytest.approx((ended - started).total_seconds(), abs=0.0011)
    first, last = (min(_starts(trace)), max(datetime.fromisoformat(each["endTime"]) for each in trace["observations"]))
    assert float(trace["latency"]) == pytest.approx((last - first).total_seconds(), abs=0.0011)
    assert datetime.fromisoformat(trace["timestamp"]) <= first


@each_client
def test_the_cost_is_right_to_the_last_digit_in_every_answer(written: Written) -> None:
    trace, listed, v2, tree = (written.answer(name) for name in ("trace", "traces", "observations v2", "tree"))
    (call,) = (each for each in trace["observations"] if each["type"] == "GENERATION")
    (call_v2,) = (each for each in v2["data"] if each["type"] == "GENERATION")

    assert call["costDetails"] == call_v2["costDetails"] == COSTS
    assert (call["calculatedInputCost"], call["calculatedOutputCost"]) == (COSTS["input"], COSTS["output"])
    assert call["calculatedTotalCost"] == call_v2["totalCost"] == TOTAL_COST
    assert (call_v2["inputPrice"], call_v2["outputPrice"]) == ("0.00000015", "0.0000006")
    assert call["usage"] == {"input": 1200, "output": 340, "total": 1540, "unit": "TOKENS"}
    assert (call["promptTokens"], call["completionTokens"], call["totalTokens"]) == (1200, 340, 1540)
    assert trace["totalCost"] == listed["data"][0]["totalCost"] == TOTAL_COST
    assert (tree["trace"]["totalCost"], tree["trace"]["totalTokens"]) == ("0.000384", 1540)
    assert (tree["trace"]["observationCount"], tree["trace"]["errorCount"]) == (len(trace["observations"]), 1)
    assert sum(Decimal(root["subtree"]["cost"]) for root in tree["roots"]) == TOTAL_COST


@each_client
def test_the_scores_read_back_as_they_were_written_in_every_api(written: Written) -> None:
    expected = expected_scores(written.expected)
    trace, v1, v2, v3 = (written.answer(name) for name in ("trace", "scores v1", "scores v2", "scores v3"))
    names = names_by_id(trace["observations"])

    assert scores_v1(trace["scores"], names) == expected
    assert scores_v1(v1["data"], names) == expected
    assert scores_v1(v2["data"], names) == expected
    assert scores_v3(v3["data"], names) == expected
    assert {each["source"] for each in v3["data"]} == {"API"}
    kinds = {each["name"]: (each["subject"]["kind"], each["subject"].get("traceId")) for each in v3["data"]}
    assert kinds == {"helpfulness": ("trace", None), "tone": ("observation", written.story.trace_id)}


@each_client
def test_the_user_has_the_cost_in_the_windows_of_the_generation(written: Written, reader: Reader) -> None:
    trace, users = written.answer("trace"), written.answer("user")
    starts = {each["name"]: datetime.fromisoformat(each["startTime"]) for each in trace["observations"]}

    (user,) = users["data"]
    assert (user["id"], user["cost"], user["tokens"]) == (written.expected.user_id, "0.000384", 1540)
    assert (user["traces"], user["errors"]) == (1, 1)
    assert min(starts.values()) <= datetime.fromisoformat(user["lastSeen"]) <= written.ended
    for bucket in BUCKETS:
        windows = written.answer(f"windows {bucket}")
        assert windows["data"] == _expected_windows(bucket, starts["ask-model"], starts["notify-courier"])
    path = f"/api/tailrace/v1/users/{written.expected.user_id}/windows?bucket=day"
    assert [each["cost"] for each in reader.json(f"{path}&model=gpt-4o-mini")["data"]] == ["0.000384"]
    assert reader.json(f"{path}&model=gpt-4o")["data"] == []


@each_client
def test_a_resend_is_counted_and_changes_no_answer(written: Written, stack: Stack, reader: Reader) -> None:
    accepted = stack.wait_applied()["accepted"]

    statuses = resend(written.requests, *stack.credentials.sender)
    assert statuses == [each.status for each in written.requests]
    assert stack.wait_applied()["accepted"] == accepted + written.events

    answers = read_all(reader, written.story)
    if DIFFERENCES[written.client].scores_have_time:
        assert answers == written.answers
    else:
        # Such a score is of the time when it came: when it comes again it says the same, later.
        assert _told(answers, {"updatedAt"}, _is_score) == _told(written.answers, {"updatedAt"}, _is_score)


@pytest.mark.parametrize("client", REPEATABLE)
def test_a_second_run_with_the_same_ids_changes_only_when_it_was_last_heard_of(
    written: Written, stack: Stack, reader: Reader
) -> None:
    accepted = stack.wait_applied()["accepted"]

    url, *keys = stack.credentials.sender
    written.environment.run(written.result.marker, url, *keys, at=written.result.at, again=True)
    assert stack.wait_applied()["accepted"] == accepted + written.events

    assert _told(read_all(reader, written.story), OF_THE_RUN) == _told(written.answers, OF_THE_RUN)


def _told(answers: Answers, names: AbstractSet[str], of: Callable[[Facts], bool] = lambda _: True) -> Facts:
    """The JSON of all answers, without these names in the objects that `of` picks."""
    return {question: _without(load(answer), names, of) for question, answer in answers.items()}


def _without(value: Any, names: AbstractSet[str], of: Callable[[Facts], bool]) -> Any:
    if isinstance(value, list):
        return [_without(each, names, of) for each in cast("list[Any]", value)]
    if isinstance(value, dict):
        found = cast("Facts", value)
        return {name: _without(each, names, of) for name, each in found.items() if name not in names or not of(found)}
    return value


def _is_score(found: Facts) -> bool:
    return "dataType" in found


def _walk(nodes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [found for node in nodes for found in (node, *_walk(node["children"]))]


def _shape(nodes: list[dict[str, Any]]) -> list[Any]:
    return [[node["observation"]["name"], _shape(node["children"])] for node in nodes]


def _expected_shape(expected: ExpectedTrace, parent: str | None) -> list[Any]:
    children = [name for name, each in expected.observations.items() if each.parent == parent]
    return [[name, _expected_shape(expected, name)] for name in children]


def _depth(expected: ExpectedTrace, name: str) -> int:
    parent = expected.observations[name].parent
    return 0 if parent is None else 1 + _depth(expected, parent)


def _starts(trace: dict[str, Any]) -> list[datetime]:
    return [datetime.fromisoformat(each["startTime"]) for each in trace["observations"]]


def _expected_windows(bucket: str, called: datetime, failed: datetime) -> list[dict[str, Any]]:
    """One window with the generation's cost, and the error in it or, where a bucket ended between them, in the next."""
    first, second = (_bucket_start(each, bucket) for each in (called, failed))
    call = {"start": _text(first), "cost": "0.000384", "tokens": 1540, "generations": 1, "errors": 0}
    if first == second:
        return [call | {"errors": 1}]
    return [call, {"start": _text(second), "cost": "0", "tokens": 0, "generations": 0, "errors": 1}]


def _bucket_start(moment: datetime, bucket: str) -> datetime:
    hour, minute = (0 if bucket == "day" else moment.hour), (moment.minute if bucket == "minute" else 0)
    return moment.replace(hour=hour, minute=minute, second=0, microsecond=0)


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
