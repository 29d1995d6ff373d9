"""Two projects on one stack: the same ids in both never meet, and a key opens its own project only, for as long as it lives."""

import json
import threading
from collections.abc import Generator
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any

import httpx
import pytest

from tests.e2e.batches import event, send
from tests.e2e.expected import expected_trace
from tests.e2e.facts import expected_observations, expected_scores, names_by_id, observations_v1, scores_v1
from tests.e2e.read import BUCKETS, Reader, load, read_all, reading, wait_until
from tests.e2e.recorder import INGESTION_PATH, SCORES_PATH, TRACES_PATH
from tests.e2e.stack import Credentials, Stack
from tests.e2e.stories import Stories
from tests.wire.otlp_requests import encode_request, make_attributes, make_span

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


AT = "2026-03-01T10:00:30Z"
SHARED = {"trace": "same-trace", "generation": "same-generation", "score": "same-score", "user": "same-user"}


def told(owner: str, tokens: int) -> list[dict[str, Any]]:
    """A trace, its generation and its score, whose ids are the same whoever sends them."""
    trace = {
        "id": SHARED["trace"],
        "name": owner,
        "userId": SHARED["user"],
        "sessionId": "same-session",
        "tags": [owner],
    }
    generation = {
        "id": SHARED["generation"],
        "traceId": SHARED["trace"],
        "name": owner,
        "startTime": AT,
        "model": "gpt-4o-mini",
        "usageDetails": {"input": tokens},
    }
    score = {"id": SHARED["score"], "traceId": SHARED["trace"], "name": owner, "value": tokens}
    return [
        event("trace-create", trace, id_="same-event-1", timestamp=AT),
        event("generation-create", generation, id_="same-event-2", timestamp=AT),
        event("score-create", score, id_="same-event-3", timestamp=AT),
    ]


def test_whatever_order_two_projects_send_the_same_ids_in_each_keeps_its_own(stack: Stack) -> None:
    left, right = stack.create_project("left"), stack.create_project("right")
    for sender, name in ((left, "left"), (right, "right"), (right, "right"), (left, "left")):
        tokens = 1000 if name == "left" else 3000
        for each in told(name, tokens):
            assert send(sender, each).errors == {}
    for project in ("left", "right"):
        assert stack.wait_applied(project)["difference"] == 0

    for credentials, name, cost in ((left, "left", "0.00015"), (right, "right", "0.00045")):
        with reading(credentials) as reader:
            trace = reader.json(f"/api/public/traces/{SHARED['trace']}")
            (window,) = reader.json(f"/api/tailrace/v1/users/{SHARED['user']}/windows?bucket=day")["data"]
            session = reader.json("/api/public/sessions/same-session")
        assert (trace["name"], trace["tags"], trace["projectId"]) == (name, [name], name)
        assert [(each["name"], each["calculatedTotalCost"]) for each in trace["observations"]] == [
            (name, Decimal(cost))
        ]
        assert [each["name"] for each in trace["scores"]] == [name]
        assert (Decimal(window["cost"]), window["generations"]) == (Decimal(cost), 1)
        assert [each["name"] for each in session["traces"]] == [name]


def test_no_question_about_the_ids_of_another_project_finds_anything(stack: Stack) -> None:
    owner, stranger = stack.create_project("owner"), stack.create_project("stranger")
    assert send(owner, *told("owner", 10)).errors == {}
    stack.wait_applied(owner.project)
    trace, generation, score, user = SHARED.values()
    single = [
        *(f"/api/public/traces/{trace}", f"/api/tailrace/v1/traces/{trace}/tree", "/api/public/sessions/same-session"),
        *(f"/api/public/observations/{generation}", f"/api/public/scores/{score}", f"/api/public/v2/scores/{score}"),
    ]
    lists = [
        *("/api/public/traces", "/api/public/observations", "/api/public/v2/observations", "/api/public/sessions"),
        *("/api/public/scores", "/api/public/v2/scores", "/api/public/v3/scores", "/api/tailrace/v1/users"),
        *(
            f"/api/public/traces?userId={user}",
            f"/api/public/observations?traceId={trace}",
            "/api/public/traces?name=owner",
        ),
        *(f"/api/public/v2/observations?traceId={trace}", f"/api/public/v2/scores?scoreIds={score}"),
        *(f"/api/public/v2/scores?traceId={trace}", f"/api/public/v3/scores?traceId={trace}"),
        *(f"/api/tailrace/v1/users/{user}/windows?bucket={bucket}" for bucket in BUCKETS),
    ]

    with reading(owner) as mine, reading(stranger) as theirs:
        assert {mine.status(path) for path in single} == {200}
        assert {path: theirs.status(path) for path in single} == dict.fromkeys(single, 404)
        assert [path for path in lists if not mine.json(path)["data"]] == []
        assert [path for path in lists if theirs.json(path)["data"]] == []


@pytest.mark.parametrize("path", [INGESTION_PATH, SCORES_PATH, TRACES_PATH, "/api/public/traces"])
def test_the_public_key_of_one_project_with_the_secret_of_another_opens_neither(
    path: str, stack: Stack, other: Credentials
) -> None:
    for first, second in ((stack.credentials, other), (other, stack.credentials)):
        answer = httpx.request(
            "GET" if path == "/api/public/traces" else "POST",
            stack.credentials.url + path,
            auth=(first.public_key, second.secret_key),
            json={},
            trust_env=False,
        )
        assert (answer.status_code, "Invalid credentials" in answer.json()["message"]) == (401, True)


def test_nothing_that_an_event_says_of_a_project_moves_it(stack: Stack, other: Credentials) -> None:
    sender = stack.create_project("claims")
    claim = {"projectId": other.project, "project_id": other.project, "publicKey": other.public_key}
    claims = {
        "x-langfuse-public-key": other.public_key,
        "x-tailrace-project": other.project,
        "x-project-id": other.project,
    }
    pairs = make_attributes(public_key=other.public_key, project=other.project, langfuse__project__id=other.project)
    batch = {"batch": [{**event("trace-create", {"id": "claimed-1", **claim}), **claim}], "metadata": claim, **claim}
    score = {"id": "claimed-score", "traceId": "claimed-1", "name": "n", "value": 1, **claim}
    span = make_span(traceId="c1" * 16, attributes=pairs)
    spans = encode_request(
        "otlp-json", span, resource={"attributes": pairs}, scope={"name": "langfuse-sdk", "attributes": pairs}
    )

    for path, body in (
        (INGESTION_PATH, batch),
        (SCORES_PATH, score),
        (TRACES_PATH, load(spans)),
        (SCORES_PATH, [score]),
    ):
        answer = httpx.post(
            f"{sender.url}{path}?projectId={other.project}",
            auth=(sender.public_key, sender.secret_key),
            json=body,
            headers=claims,
            trust_env=False,
        )
        assert answer.status_code in (200, 202, 207), answer.text
    line = stack.wait_applied(sender.project)

    assert (line["accepted"], line["applied"]) == (4, 4)
    with reading(sender) as mine, reading(other) as theirs:
        for path in (
            "/api/public/traces/claimed-1",
            f"/api/public/traces/{'c1' * 16}",
            "/api/public/scores/claimed-score",
        ):
            assert (mine.status(path), theirs.status(path)) == (200, 404)


def test_a_public_key_alone_may_only_score(stack: Stack) -> None:
    project = stack.create_project("bearer")
    headers = {"Authorization": f"Bearer {project.public_key}"}
    with httpx.Client(base_url=project.url, headers=headers, trust_env=False) as client:
        score = {"id": "s1", "traceId": "t", "name": "n", "value": 1}
        assert client.post(SCORES_PATH, json=score).status_code == 200
        answer = client.post(INGESTION_PATH, json={"batch": told("bearer", 1)})
        assert [each["id"] for each in answer.json()["successes"]] == ["same-event-3"]
        assert {each["id"]: each["status"] for each in answer.json()["errors"]} == {
            "same-event-1": 401,
            "same-event-2": 401,
        }
        assert client.post(TRACES_PATH, json={}).status_code == 403
        for path in ("/api/public/traces", "/api/public/scores", "/api/public/projects", "/api/tailrace/v1/users"):
            assert client.get(path).status_code == 403
    line = stack.wait_applied(project.project)

    assert (line["accepted"], line["applied"]) == (2, 2)
    with reading(project) as reader:
        assert reader.json("/api/public/traces")["data"] == []


class Stream(threading.Thread):
    """Sends one trace after the other until it is stopped. `answers`: the status of each, by its number."""

    def __init__(self, credentials: Credentials) -> None:
        super().__init__(daemon=True)
        self._credentials = credentials
        self._stopped = threading.Event()
        self.answers: list[int] = []

    def run(self) -> None:
        while not self._stopped.wait(0.01):
            trace = event("trace-create", {"id": f"trace-{len(self.answers)}"})
            self.answers.append(send(self._credentials, trace).status)

    def wait_for(self, status: int) -> None:
        """Returns once a request that starts after now is answered so."""
        begun = len(self.answers) + 1
        wait_until(lambda: status in self.answers[begun:], f"an answer {status}")

    def finish(self) -> set[str]:
        """Stop; the traces that were accepted."""
        self._stopped.set()
        self.join()
        return {f"trace-{number}" for number, status in enumerate(self.answers) if status == 207}


def stored_traces(credentials: Credentials) -> set[str]:
    with reading(credentials) as reader:
        pages = reader.json("/api/public/traces?limit=1")["meta"]["totalItems"] // 100 + 1
        found = [
            reader.json(f"/api/public/traces?limit=100&page={page + 1}&fields=core")["data"] for page in range(pages)
        ]
    return {each["id"] for page in found for each in page}


def test_a_key_that_is_revoked_in_a_stream_loses_nothing_before_and_takes_nothing_after(stack: Stack) -> None:
    project = stack.create_project("revoked")
    second = json.loads(stack.tailrace("key", "create", "--project", project.project, "--json"))
    stream = Stream(project)
    stream.start()
    stream.wait_for(207)
    stack.tailrace("key", "revoke", project.public_key)
    stream.wait_for(401)
    accepted = stream.finish()
    stack.wait_applied(project.project)

    first_refused = stream.answers.index(401)
    assert set(stream.answers[:first_refused]) == {207}
    assert set(stream.answers[first_refused:]) == {401}
    assert stored_traces(project._replace(public_key=second["publicKey"], secret_key=second["secretKey"])) == accepted


def test_a_project_that_is_suspended_in_a_stream_goes_on_when_it_is_resumed(stack: Stack) -> None:
    project = stack.create_project("suspended")
    stream = Stream(project)
    stream.start()
    stream.wait_for(207)
    stack.tailrace("tenant", "suspend", project.project)
    stream.wait_for(403)
    stack.tailrace("tenant", "resume", project.project)
    stream.wait_for(207)
    accepted = stream.finish()
    line = stack.wait_applied(project.project)

    turns = [status for status, _ in groupby(stream.answers)]
    assert turns == [207, 403, 207]
    assert stored_traces(project) == accepted
    assert (line["accepted"], line["applied"]) == (len(accepted), len(accepted))
