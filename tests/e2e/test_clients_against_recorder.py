"""Every real client against the recorder: it runs, and it sends the story by the transport that its SDK uses."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.e2e.environments import CLIENTS, ClientFailedError, Environment
from tests.e2e.expected import DIFFERENCES, STORY, expected_trace
from tests.e2e.recorder import (
    INGESTION_PATH,
    PUBLIC_KEY,
    SCORES_PATH,
    SECRET_KEY,
    TRACES_PATH,
    record,
    recording,
    resend,
)
from tests.e2e.sent import Sent, read_sent
from tests.payloads import Recorded

pytestmark = pytest.mark.e2e

SPAN_HEADERS = {
    "protobuf": ("application/x-protobuf", None),
    "protobuf+gzip": ("application/x-protobuf", "gzip"),
    "json": ("application/json", None),
}
REPEATABLE = [name for name, client in CLIENTS.items() if client.again]
NOT_REPEATABLE = [name for name, client in CLIENTS.items() if not client.again]


class Runs:
    """The environments of all clients, and one recorded run of each, made when first asked for."""

    def __init__(self, environments: dict[str, Environment]) -> None:
        self.environments = environments
        self._recorded: dict[str, tuple[list[str], list[Recorded]]] = {}

    def of(self, client: str) -> tuple[list[str], list[Recorded]]:
        if client not in self._recorded:
            result, requests = record(self.environments[client], f"run-{client}")
            self._recorded[client] = result.trace_ids, requests
        return self._recorded[client]

    def sent_by(self, client: str) -> Sent:
        return read_sent(self.of(client)[1])


@pytest.fixture(scope="module")
def runs(environments: dict[str, Environment]) -> Runs:
    return Runs(environments)


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_uses_the_transport_of_its_sdk_and_every_request_is_accepted(runs: Runs, client: str) -> None:
    _, requests = runs.of(client)
    differences = DIFFERENCES[client]
    by_path = {path: [each for each in requests if each.path == path] for path in {each.path for each in requests}}

    scores = by_path[INGESTION_PATH if differences.scores == "events" else SCORES_PATH]
    spans = by_path[INGESTION_PATH if differences.spans == "events" else TRACES_PATH]
    assert set(by_path) == {scores[0].path, spans[0].path}
    assert {each.status for each in requests} <= {200, 202, 207}
    if differences.scores != "events":
        assert {isinstance(each.json(), list) for each in scores} == {differences.scores == "list"}
    if differences.spans != "events":
        headers = {(each.headers["content-type"], each.headers.get("content-encoding")) for each in spans}
        assert headers == {SPAN_HEADERS[differences.spans]}


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_sends_the_expected_tree_under_the_trace_id_that_it_prints(runs: Runs, client: str) -> None:
    printed, _ = runs.of(client)
    sent = runs.sent_by(client)
    expected = expected_trace(client, f"run-{client}", datetime.now(UTC))

    assert sent.trace_ids == set(printed)
    assert set(sent.observations) == set(expected.observations)
    for name, observation in expected.observations.items():
        found = sent.observations[name]
        assert found["type"].upper() == observation.type
        assert found["parent"] == observation.parent
        assert found.get("input") == observation.input
        assert found.get("output") == observation.output
        assert (found.get("level") or "DEFAULT") == observation.level
        assert found.get("statusMessage") == observation.status_message
        assert found.get("model") == observation.model
        assert (found.get("modelParameters") or {}) == observation.model_parameters
        assert (found.get("usage") or {}) == observation.usage


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_names_the_trace_its_user_session_tags_and_release(runs: Runs, client: str) -> None:
    trace = runs.sent_by(client).trace
    expected = expected_trace(client, f"run-{client}", datetime.now(UTC))

    assert trace["name"] == expected.name
    assert trace["userId"] == expected.user_id
    assert trace["sessionId"] == expected.session_id
    assert sorted(trace["tags"]) == expected.tags
    assert trace["version"] == expected.version
    assert trace["release"] == expected.release
    assert trace["environment"] == expected.environment
    city = trace["metadata"]["city"]
    assert (json.loads(city) if client == "python-5" else city) == expected.metadata["city"]


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_scores_the_trace_and_the_generation(runs: Runs, client: str) -> None:
    sent = runs.sent_by(client)
    expected = expected_trace(client, f"run-{client}", datetime.now(UTC))

    assert set(sent.scores) == set(expected.scores)
    for name, score in expected.scores.items():
        found = sent.scores[name]
        observation = score.observation and sent.observations[score.observation]["id"]
        assert found["value"] == (score.value if score.data_type == "NUMERIC" else score.string_value)
        assert {found["traceId"]} == sent.trace_ids
        assert found.get("observationId") == observation
        assert found.get("comment") == score.comment
        assert found.get("environment", "default") == score.environment


@pytest.mark.parametrize("client", REPEATABLE)
def test_a_client_that_fixes_its_ids_sends_the_same_when_run_again(runs: Runs, client: str) -> None:
    at = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
    sent: list[Sent] = []
    for again in (False, True):
        with recording() as recorder:
            runs.environments[client].run("twice", recorder.url, PUBLIC_KEY, SECRET_KEY, at=at, again=again)
            sent.append(read_sent(recorder.requests))

    first, second = ([each.trace_ids, _without_own_times(each.observations), each.scores] for each in sent)
    assert first == second
    for name, expected in expected_trace(client, "twice", at).observations.items():
        assert expected.started in {None, sent[0].observations[name]["started"]}
        assert sent[0].observations[name]["ended"] == expected.ended


def _without_own_times(observations: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """All but the start time, which the second run of python-2 cannot set."""
    return {
        name: {key: value for key, value in each.items() if key not in {"started", "startTime"}}
        for name, each in observations.items()
    }


@pytest.mark.parametrize("client", NOT_REPEATABLE)
def test_a_client_that_cannot_fix_its_ids_refuses_to_write_again(runs: Runs, client: str) -> None:
    with recording() as recorder:
        with pytest.raises(ClientFailedError, match="cannot be written again; resend the requests"):
            runs.environments[client].run("twice", recorder.url, PUBLIC_KEY, SECRET_KEY, again=True)

        assert recorder.requests == []


def test_a_forwarding_recorder_passes_requests_on_and_can_send_the_same_bytes_again(runs: Runs) -> None:
    with recording() as server, recording(forward_to=server.url) as proxy:
        runs.environments["python-5"].run("forwarded", proxy.url, PUBLIC_KEY, SECRET_KEY)
        forwarded = list(server.requests)
        statuses = resend(proxy.requests, server.url, PUBLIC_KEY, SECRET_KEY)

        assert [each.body for each in forwarded] == [each.body for each in proxy.requests]
        assert [each.body for each in server.requests] == [each.body for each in proxy.requests] * 2
        assert statuses == [each.status for each in proxy.requests]
        assert all("authorization" not in each.headers for each in proxy.requests)


def test_the_story_has_what_a_reader_could_get_wrong() -> None:
    assert not json.dumps(STORY, ensure_ascii=False).isascii()
    assert {type(value) for value in STORY["metadata"].values()} == {str, int, dict}
    assert (
        sum(STORY["generation"]["usage"][key] for key in ("input", "output")) == STORY["generation"]["usage"]["total"]
    )
