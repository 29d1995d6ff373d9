"""A real SDK that is told to wait delivers later, by its own retry, and nothing of what it sent is missing or there twice."""

import os
import re
import signal
import subprocess
import threading
from typing import Any, NamedTuple

import httpx
import pytest

from tests.e2e.environments import CLIENTS, Environment, build_environment
from tests.e2e.recorder import INGESTION_PATH
from tests.e2e.stack import Credentials, Stack

pytestmark = pytest.mark.e2e

SPANS = 240
QUOTA = 10
"""Events a second; a hundred may come at once."""

PATIENCE_SECONDS = 60
"""How long the SDK tries; its own default is 5."""

_answered = re.compile(r"Transient error (.+?) encountered")


class Sent(NamedTuple):
    """What the SDK wrote, and the answers that made it try again."""

    trace_id: str
    tried_again_after: set[str]


@pytest.fixture(scope="module")
def python_5() -> Environment:
    return build_environment(CLIENTS["python-5"], print)


def write_many(environment: Environment, project: Credentials, marker: str) -> Sent:
    """Let the SDK write all spans and flush; raises CalledProcessError when it fails."""
    keys = environment.client.variables(*project.sender)
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "TMPDIR", "LANG")}
    done = subprocess.run(
        [environment.home / "venv/bin/python", environment.client.folder / "many.py", marker, str(SPANS)],
        env=kept | keys | {"LANGFUSE_TIMEOUT": str(PATIENCE_SECONDS)},
        capture_output=True,
        text=True,
        timeout=180,
        check=True,
    )
    (trace_id,) = re.findall(r'"traceIds": \["(\w+)"\]', done.stdout)
    return Sent(trace_id, set(_answered.findall(done.stderr)))


def stored(project: Credentials, trace_id: str) -> tuple[int, int]:
    """How many observations a trace has, and how many different ones."""
    answer = httpx.get(
        f"{project.url}/api/public/traces/{trace_id}",
        auth=(project.public_key, project.secret_key),
        trust_env=False,
        timeout=30,
    )
    found: list[dict[str, Any]] = answer.json()["observations"]
    return len(found), len({each["id"] for each in found})


def test_what_goes_over_a_quota_is_delivered_later_and_whole(stack: Stack, python_5: Environment) -> None:
    project = stack.create_project("over-quota")
    stack.tailrace("tenant", "quota", project.project, "--events-per-second", str(QUOTA))

    sent = write_many(python_5, project, "over quota")
    line = stack.wait_applied(project.project)

    assert sent.tried_again_after == {"Too Many Requests"}
    assert (line["accepted"], line["applied"], line["difference"]) == (SPANS, SPANS, 0)
    assert stored(project, sent.trace_id) == (SPANS, SPANS)


def test_at_its_quota_a_project_is_told_when_to_come_again_and_can_still_ask_who_it_is(stack: Stack) -> None:
    project = stack.create_project("at-quota")
    stack.tailrace("tenant", "quota", project.project, "--events-per-second", "1")
    event = {"type": "trace-create", "timestamp": "2026-01-01T00:00:00Z"}
    batch = [event | {"id": f"e{number}", "body": {"id": f"t{number}"}} for number in range(60)]
    auth = (project.public_key, project.secret_key)

    with httpx.Client(base_url=project.url, auth=auth, trust_env=False, timeout=30) as client:
        taken = client.post(INGESTION_PATH, json={"batch": batch})
        refused = client.post(INGESTION_PATH, json={"batch": batch[:1]})
        projects = [client.get("/api/public/projects").status_code for _ in range(20)]
        stack.tailrace("tenant", "quota", project.project, "--clear")
        after = client.post(INGESTION_PATH, json={"batch": batch[:1]})

    assert taken.status_code == 207
    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
    assert 1 <= int(refused.headers["retry-after"]) <= 51
    assert refused.headers["x-ratelimit-limit"] == "10"
    assert projects == [200] * 20
    assert after.status_code == 207, "a change holds at once"


def test_what_is_answered_503_while_the_log_is_away_is_delivered_later_and_whole(
    stack: Stack, python_5: Environment
) -> None:
    project = stack.create_project("log-away")
    (kafka,) = (each["pid"] for each in stack.status() if each["name"] == "kafka")
    os.kill(kafka, signal.SIGSTOP)
    waking = threading.Timer(15, os.kill, (kafka, signal.SIGCONT))
    waking.start()
    try:
        sent = write_many(python_5, project, "log away")
    finally:
        waking.cancel()
        os.kill(kafka, signal.SIGCONT)
    line = stack.wait_applied(project.project)

    assert sent.tried_again_after == {"Service Unavailable"}
    assert line["applied"] == line["accepted"] >= SPANS
    assert stored(project, sent.trace_id) == (SPANS, SPANS)
