"""The stack is stopped, or killed, and starts again: all reads the same, what comes then is taken, and the sums hold to the end."""

import time
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

import pytest

from tests.e2e.batches import event, moment, send
from tests.e2e.conftest import tell
from tests.e2e.environments import CLIENTS
from tests.e2e.read import Answers, read_all, reading, wait_until
from tests.e2e.stack import Credentials, Stack
from tests.e2e.stories import Stories

pytestmark = pytest.mark.e2e

QUIET_SECONDS = 60
"""A trace is complete once nothing came for this long."""

JUST_ACCEPTED = 30


class Early(NamedTuple):
    """A project and all events that it was sent."""

    project: Credentials
    events: list[dict[str, Any]]


@pytest.fixture(scope="module", autouse=True)
def early(stack: Stack) -> Early:
    """One priced generation, written before anything is stopped."""
    project = stack.create_project("early")
    call = {"id": "call", "traceId": "early", "startTime": moment(), "endTime": moment(), "model": "gpt-4o-mini"}
    events = [
        event("trace-create", {"id": "early", "userId": "someone"}),
        event("generation-create", call | {"usageDetails": {"input": 1000, "output": 100}}),
    ]
    assert send(project, *events).errors == {}
    return Early(project, events)


@pytest.fixture
def written(stack: Stack, stories: Stories) -> Mapping[str, Answers]:
    """Every answer there is about what every client wrote, before anything is stopped."""
    for client in CLIENTS:
        stories.of(client)
    return answers_of(stack, stories)


def answers_of(stack: Stack, stories: Stories) -> dict[str, Answers]:
    with reading(stack.credentials) as reader:
        return {client: read_all(reader, stories.of(client).story) for client in CLIENTS}


def first_visible_seconds(stack: Stack) -> float:
    assert send(stack.credentials, event("trace-create", {"id": "first"})).errors == {}
    accepted_at = time.monotonic()
    with reading(stack.credentials) as reader:
        return wait_until(lambda: reader.status("/api/public/traces/first") == 200, "the first trace") - accepted_at


def test_after_a_stop_and_a_start_everything_reads_the_same(
    stack: Stack, stories: Stories, written: Mapping[str, Answers], request: pytest.FixtureRequest
) -> None:
    credentials, before = stack.credentials, stack.status()

    assert "stopped" in stack.down()
    assert {each["state"] for each in stack.status()} == {"stopped"}
    shown = stack.up()

    assert shown.splitlines()[-1].startswith("ready after")
    assert stack.credentials == credentials
    seconds = first_visible_seconds(stack)
    tell(request, f"accepted to visible, the first after a start: {seconds:.2f} s")
    assert seconds < 3
    assert {each["pid"] for each in stack.status()}.isdisjoint(each["pid"] for each in before)
    assert answers_of(stack, stories) == written


def test_after_the_supervisor_was_killed_everything_reads_the_same_and_what_was_just_accepted_is_there(
    stack: Stack, stories: Stories, written: Mapping[str, Answers]
) -> None:
    project = stack.create_project("just-accepted")
    for number in range(JUST_ACCEPTED):
        assert send(project, event("trace-create", {"id": f"t{number}"})).errors == {}

    stack.kill_supervisor()
    stack.up()

    assert answers_of(stack, stories) == written
    line = stack.wait_applied(project.project)
    assert (line["accepted"], line["applied"], line["difference"]) == (JUST_ACCEPTED, JUST_ACCEPTED, 0)
    with reading(project) as reader:
        assert reader.json("/api/public/traces?limit=1")["meta"]["totalItems"] == JUST_ACCEPTED


def test_after_a_trace_was_complete_a_resend_changes_nothing_and_an_update_is_priced_anew(
    stack: Stack, early: Early
) -> None:
    with reading(early.project) as reader:

        def state() -> str:
            return reader.json("/api/tailrace/v1/traces/early/tree")["state"]

        def window() -> tuple[str, int, int]:
            (found,) = reader.json("/api/tailrace/v1/users/someone/windows?bucket=day")["data"]
            return found["cost"], found["tokens"], found["generations"]

        wait_until(lambda: state() == "complete", "the trace is complete", seconds=QUIET_SECONDS + 15, every_seconds=1)
        # 1000 x 0.00000015 + 100 x 0.0000006
        assert window() == ("0.00021", 1100, 1)

        assert send(early.project, *early.events).errors == {}
        assert stack.wait_applied(early.project.project)["applied"] == 2 * len(early.events)
        assert (state(), window()) == ("complete", ("0.00021", 1100, 1))

        update = {"id": "call", "traceId": "early", "usageDetails": {"input": 2000, "output": 300}}
        assert send(early.project, event("generation-update", update)).errors == {}
        wait_until(lambda: state() == "amended", "the trace is amended")
        # 2000 x 0.00000015 + 300 x 0.0000006
        assert window() == ("0.00048", 2300, 1)
        assert reader.json("/api/public/traces/early")["totalCost"] == Decimal("0.00048")


def test_in_the_end_every_event_and_every_cent_is_accounted_for(stack: Stack) -> None:
    stack.wait_applied()

    found = stack.conservation()

    assert (found["holds"], found["violations"], found["inFlight"]) == (True, [], 0)
    for line in found["events"]:
        assert line["accepted"] == line["applied"] + line["deadLettered"]
        assert line["difference"] == 0
    for line in found["costs"]:
        assert {Decimal(line[each]) for each in ("minute", "hour", "day")} == {Decimal(line["observations"])}
        assert Decimal(line["difference"]) == 0
    assert {each["state"] for each in stack.status()} == {"ready"}
