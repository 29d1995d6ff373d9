"""What real SDKs sent maps to the very trace that they told: tree, fields, usage, errors, identity and scores."""

import json
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import pytest

from tailrace.assembler.mapping import Mapped, map_record
from tailrace.core.merge import EntityKind, Folded
from tailrace.core.metadata import read_metadata
from tailrace.wire.topics import RawKind
from tests.assembler.mapping.senders import fold_changes, headers
from tests.e2e.expected import ExpectedTrace, expected_trace
from tests.payloads import Recorded, clients, recording_of

every_client = pytest.mark.parametrize("client", clients())


def kind_of(request: Recorded) -> RawKind:
    if request.path.endswith("/ingestion"):
        return "ingestion"
    if request.path.endswith("/scores"):
        return "scores"
    return "otlp-json" if request.headers["content-type"].startswith("application/json") else "otlp-protobuf"


def map_all(client: str) -> list[Mapped]:
    return [map_record(headers(kind_of(each)), each.decoded()) for each in recording_of(client).requests]


@cache
def entities(client: str) -> dict[tuple[EntityKind, str, str], Folded]:
    return fold_changes(change for mapped in map_all(client) for change in mapped.changes)


def by_name(client: str, kind: EntityKind) -> dict[str, Folded]:
    """The entities of a kind, and the id of each in its values."""
    found: dict[str, Folded] = {}
    for (of_kind, _, entity_id), state in entities(client).items():
        if of_kind == kind:
            state.values["id"] = entity_id
            found[state.values["name"]] = state
    return found


def expected(client: str) -> ExpectedTrace:
    """Clients are told their start time in milliseconds."""
    recording = recording_of(client)
    at = datetime.fromisoformat(recording.at)
    return expected_trace(client, recording.marker, at - timedelta(microseconds=at.microsecond % 1000))


def read_json(text: str | None) -> Any:
    return None if text is None else json.loads(text)


def moment(microseconds: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)


@every_client
def test_nothing_is_rejected_and_every_event_is_counted(client: str) -> None:
    for mapped in map_all(client):
        assert mapped.rejects == []
        assert mapped.events > 0


@every_client
def test_the_trace_is_the_one_that_was_told(client: str) -> None:
    told = expected(client)
    (state,) = by_name(client, "trace").values()
    values = state.values
    assert values["name"] == told.name
    assert (values["user_id"], values["session_id"], values["tags"]) == (told.user_id, told.session_id, told.tags)
    assert (values["release"], values["version"], values["environment"]) == (
        told.release,
        told.version,
        told.environment,
    )
    assert (read_json(values["input"]), read_json(values["output"])) == (told.input, told.output)
    assert state.metadata is not None
    assert read_metadata(state.metadata).items() >= told.metadata.items()
    if told.started is not None:
        assert moment(values["earliest"]) == told.started


@every_client
def test_the_observations_are_the_ones_that_were_told(client: str) -> None:
    told = expected(client).observations
    states = by_name(client, "observation")
    assert states.keys() == told.keys()
    for name, each in told.items():
        values = states[name].values
        assert values["type"] == each.type
        assert (read_json(values["input"]), read_json(values.get("output"))) == (each.input, each.output)
        assert (values.get("level", "DEFAULT"), values.get("status_message")) == (each.level, each.status_message)
        assert (values.get("version"), values.get("environment")) == (each.version, each.environment)
        assert values.get("model") == each.model
        assert read_json(values.get("model_parameters", "{}")) == each.model_parameters
        assert values.get("usage_details", {}) == each.usage
        metadata = states[name].metadata
        assert ({} if metadata is None else read_metadata(metadata)).items() >= each.metadata.items()
        if each.started is not None:
            assert moment(values["start_time"]) == each.started
        if each.ended is not None:
            assert moment(values["end_time"]) == each.ended


@every_client
def test_the_tree_is_the_one_that_was_told(client: str) -> None:
    told = expected(client)
    states = by_name(client, "observation")
    ids = {name: state.values["id"] for name, state in states.items()}
    for name, each in told.observations.items():
        parent = states[name].values.get("parent_observation_id")
        if each.parent is not None:
            assert parent == ids[each.parent]
        else:
            assert (parent is not None) == (told.root_has_unsent_parent and name == "handle-question")
    roots = {name for name, state in states.items() if state.values.get("is_root")}
    if client not in ("python-2", "js-3"):
        assert roots == {"handle-question"}


@every_client
def test_the_scores_are_the_ones_that_were_told(client: str) -> None:
    told = expected(client)
    trace_id = by_name(client, "trace")[told.name].values["id"]
    observations = by_name(client, "observation")
    states = by_name(client, "score")
    assert states.keys() == told.scores.keys()
    for name, each in told.scores.items():
        values = states[name].values
        assert values["trace_id"] == trace_id
        assert values.get("observation_id") == (each.observation and observations[each.observation].values["id"])
        assert values["data_type"] == each.data_type
        assert values["value"] == (0.0 if each.value is None else each.value)
        assert values["string_value"] == each.string_value
        assert values.get("comment") == each.comment
        assert values.get("environment", "default") == each.environment


@every_client
def test_the_same_requests_in_any_order_and_twice_make_the_same_entities(client: str) -> None:
    changes = [change for mapped in map_all(client) for change in mapped.changes]
    assert fold_changes([*reversed(changes), *changes]) == fold_changes(changes)
