"""Two projects on one stack: the same ids in both never meet, and a key opens its own project only."""

from collections.abc import Generator
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.e2e.expected import expected_trace
from tests.e2e.facts import expected_observations, expected_scores, names_by_id, observations_v1, scores_v1
from tests.e2e.read import BUCKETS, Reader, load, read_all, reading
from tests.e2e.recorder import INGESTION_PATH, SCORES_PATH, TRACES_PATH
from tests.e2e.stack import Credentials, Stack
from tests.e2e.stories import Stories

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def other(stack: Stack) -> Credentials:
    """A second project, made by the operator's commands."""
    return stack.create_project("other")


@pytest.fixture(scope="module")
def other_reader(other: Credentials) -> Generator[Reader]:
    with reading(other) as reader:
        yield reader


@pytest.mark.parametrize("client", ["js-3", "otlp"])
def test_the_same_ids_in_two_projects_are_two_traces(
    client: str, stories: Stories, reader: Reader, stack: Stack, other: Credentials, other_reader: Reader
) -> None:
    written = stories.of(client)
    before = read_all(reader, written.story)
    at = written.result.at - timedelta(days=1)
    expected = expected_trace(client, written.result.marker, at)

    result = written.environment.run(written.result.marker, *other.sender, at=at)
    assert result.trace_ids == written.result.trace_ids
    line = stack.wait_applied(other.project)

    assert read_all(reader, written.story) == before
    answers: dict[str, Any] = {name: load(each) for name, each in read_all(other_reader, written.story).items()}
    trace = answers["trace"]
    assert trace["projectId"] == other.project
    assert observations_v1(trace["observations"]) == expected_observations(expected)
    assert scores_v1(trace["scores"], names_by_id(trace["observations"])) == expected_scores(expected)
    for found in trace["observations"]:
        assert datetime.fromisoformat(found["startTime"]) == expected.observations[found["name"]].started
    for bucket in BUCKETS:
        (window,) = answers[f"windows {bucket}"]["data"]
        assert (window["cost"], window["generations"]) == ("0.000384", 1)
        assert datetime.fromisoformat(window["start"]) <= at
    assert line["accepted"] == line["applied"] > 0
    assert (line["deadLettered"], line["difference"]) == (0, 0)


def test_one_project_has_nothing_of_the_other(stories: Stories, other_reader: Reader) -> None:
    written = stories.of("python-5")

    for name, path in written.story.paths(
        [each["id"] for each in load(written.answers["trace"])["observations"]]
    ).items():
        if name in {"tree", "tree with bodies", "trace", "session"} or name.startswith("observation "):
            assert other_reader.status(path) == 404
        else:
            assert other_reader.json(path)["data"] == []


@pytest.mark.parametrize("path", [INGESTION_PATH, SCORES_PATH, TRACES_PATH, "/api/public/traces"])
def test_a_wrong_secret_opens_nothing(path: str, stack: Stack, other: Credentials) -> None:
    credentials = stack.credentials
    method = "GET" if path == "/api/public/traces" else "POST"

    for secret in ("sk-lf-not-the-secret", credentials.secret_key[:-1]):
        answer = httpx.request(
            method, credentials.url + path, auth=(credentials.public_key, secret), json={}, trust_env=False
        )
        assert answer.status_code == 401
        assert "Invalid credentials" in answer.json()["message"]
