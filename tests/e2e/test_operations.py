"""What operators see of a running stack: its processes, what could not be used, closed doors, and sums that hold."""

import statistics
import time

import httpx
import pytest

from tests.e2e.batches import event, moment, send
from tests.e2e.conftest import tell
from tests.e2e.read import VISIBLE_SECONDS, reading, wait_until
from tests.e2e.recorder import TRACES_PATH
from tests.e2e.stack import Credentials, Stack
from tests.wire.otlp_requests import encode_request, make_attributes, make_span

pytestmark = pytest.mark.e2e

SERVICES = ("serve", "assembler", "meter", "sink", "auditor")
SWELLING = "\x01" * (7 * 1024 * 1024)
"""Small enough for the edge; as JSON, where each character takes six, too large for a record between processes."""


def test_every_process_says_that_it_is_ready_and_how_far_it_is_behind(stack: Stack) -> None:
    processes = {each["name"]: each for each in stack.status()}

    assert set(processes) == {"supervisor", "kafka", "postgres", *SERVICES}
    assert {each["state"] for each in processes.values()} == {"ready"}
    assert len({each["pid"] for each in processes.values()}) == len(processes)
    assert {name for name, each in processes.items() if "lag" in each} >= {"assembler", "meter", "sink"}


def test_an_event_with_a_bad_timestamp_is_refused_alone(stack: Stack) -> None:
    project = stack.create_project("bad-timestamp")

    answer = send(
        project,
        event("trace-create", {"id": "good", "name": "kept"}, id_="first"),
        event("generation-create", {"id": "bad", "traceId": "good", "startTime": "yesterday"}, id_="second"),
        event("span-create", {"id": "naive", "traceId": "good"}, id_="third", timestamp="2026-11-21T12:00:00"),
    )
    line = stack.wait_applied(project.project)

    assert (answer.status, answer.taken) == (207, ["first"])
    assert {id_: error["status"] for id_, error in answer.errors.items()} == {"second": 400, "third": 400}
    assert (line["accepted"], line["applied"], line["deadLettered"]) == (1, 1, 0)
    with reading(project) as reader:
        trace = reader.json("/api/public/traces/good")
    assert (trace["name"], trace["observations"]) == ("kept", [])


def test_what_only_the_assembler_can_refuse_becomes_a_dead_letter_that_can_be_seen_and_replayed(stack: Stack) -> None:
    project = stack.create_project("dead-letters")

    answer = send(project, event("trace-create", {"id": "good"}))
    spans = encode_request("otlp-protobuf", make_span(attributes=make_attributes(input=SWELLING)))
    accepted = _post_spans(project, spans)
    line = stack.wait_applied(project.project)
    (letter,) = stack.dead_letters(project.project)

    assert (answer.status, len(answer.taken), accepted) == (207, 1, 200)
    assert (line["accepted"], line["applied"], line["deadLettered"], line["difference"]) == (2, 1, 1, 0)
    assert (letter["project"], letter["reason"]) == (project.project, "observation_too_large")
    assert (letter["kind"], letter["bytes"]) == ("otlp-protobuf", len(spans))
    assert letter["letter"] in stack.tailrace("dead-letters", "list", "--project", project.project)
    assert "ask-model" in stack.tailrace("dead-letters", "show", letter["letter"])

    assert "replayed 1 dead letters" in stack.tailrace("dead-letters", "replay", "--project", project.project)
    line = stack.wait_applied(project.project)
    assert (line["accepted"], line["applied"], line["deadLettered"], line["difference"]) == (3, 1, 2, 0)


def _post_spans(project: Credentials, spans: bytes) -> int:
    """The status of a request in protobuf."""
    answer = httpx.post(
        project.url + TRACES_PATH,
        auth=(project.public_key, project.secret_key),
        content=spans,
        headers={"Content-Type": "application/x-protobuf"},
        trust_env=False,
        timeout=30,
    )
    return answer.status_code


def test_a_suspended_project_and_a_revoked_key_are_refused_at_once(stack: Stack) -> None:
    project = stack.create_project("closed")
    good = event("trace-create", {"id": "t"})
    assert send(project, good).status == 207

    stack.tailrace("tenant", "suspend", project.project)
    wait_until(lambda: send(project, good).status == 403, "writes of a suspended project are refused")
    with reading(project) as reader:
        assert reader.status("/api/public/traces") == 200
    stack.tailrace("tenant", "resume", project.project)
    wait_until(lambda: send(project, good).status == 207, "writes of a resumed project are taken")

    stack.tailrace("key", "revoke", project.public_key)
    wait_until(lambda: send(project, good).status == 401, "a revoked key is refused")
    with reading(project) as reader:
        assert reader.status("/api/public/traces") == 401


def test_what_was_accepted_is_soon_visible(stack: Stack, request: pytest.FixtureRequest) -> None:
    waits: list[float] = []
    project = stack.create_project("freshness")
    with reading(project) as reader:
        for number in range(40):
            path = f"/api/public/observations/g{number}"
            body = {"id": f"g{number}", "traceId": f"t{number}", "startTime": moment(), "model": "gpt-4o-mini"}
            assert send(project, event("generation-create", body)).status == 207
            accepted_at = time.monotonic()
            waits.append(wait_until(lambda path=path: reader.status(path) == 200, path) - accepted_at)

    median, worst = statistics.median(waits), max(waits)
    tell(request, f"accepted to visible, one at a time: median {median:.3f} s, most {worst:.3f} s of {len(waits)}")
    assert median < VISIBLE_SECONDS / 4
