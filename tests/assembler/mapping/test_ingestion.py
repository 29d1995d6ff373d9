"""What batch events say of traces and observations: which nulls count, which updates wait for their create, what is weak."""

import json
from decimal import Decimal
from typing import Any

import pytest

from tailrace.assembler.mapping import map_record
from tailrace.core.stamp import CREATE, UPDATE
from tests.assembler.mapping.senders import batch, changes_of, event, fold_changes, folded, headers, map_events

AT = "2026-01-01T00:00:00.000Z"
AT_US = 1_767_225_600_000_000


def fields_of(kind: str, body: dict[str, Any]) -> dict[str, Any]:
    """The fields of the one observation that an event speaks of."""
    (change,) = changes_of(map_events(event(kind, {"id": "o", "traceId": "t", **body})), "observation")
    return dict(change.fields)


def trace_fields_of(body: dict[str, Any]) -> dict[str, Any]:
    (change,) = map_events(event("trace-create", {"id": "t", **body})).changes
    return dict(change.fields)


def test_a_trace_event_makes_a_change_of_its_trace() -> None:
    body = {
        "id": "t",
        "timestamp": "2025-12-31T23:59:59Z",
        "name": "n",
        "userId": "u",
        "sessionId": "s",
        "input": {"q": 1},
        "output": "text",
        "metadata": {"k": "3"},
        "release": "r",
        "version": "v",
        "public": True,
        "tags": ["b", "a"],
        "environment": "Prod",
        "externalId": "x",
        "unknownField": 1,
    }
    (change,) = map_events(event("trace-create", body)).changes
    assert (change.kind, change.trace_id, change.id) == ("trace", "t", "t")
    assert change.stamp[:3] == (AT_US, CREATE, "event-of-t")
    assert change.fields == {
        "timestamp": AT_US - 1_000_000,
        "earliest": AT_US - 1_000_000,
        "name": "n",
        "user_id": "u",
        "session_id": "s",
        "input": '{"q": 1}',
        "output": "text",
        "metadata": {"k": "3"},
        "release": "r",
        "version": "v",
        "public": True,
        "tags": ["b", "a"],
        "environment": "prod",
        "external_id": "x",
    }


def test_a_trace_event_without_a_timestamp_is_as_early_as_the_event() -> None:
    assert trace_fields_of({"output": "o"}) == {"earliest": AT_US, "output": "o"}


def test_an_explicit_null_is_a_value_of_a_trace_where_it_can_be_one() -> None:
    fields = trace_fields_of(dict.fromkeys(["name", "userId", "sessionId", "release", "externalId"]))
    assert fields == {
        "earliest": AT_US,
        **dict.fromkeys(["name", "user_id", "session_id", "release", "external_id"]),
    }
    absent = ["timestamp", "input", "output", "metadata", "version", "public", "tags", "environment"]
    assert trace_fields_of(dict.fromkeys(absent)) == {"earliest": AT_US}


def test_empty_ids_tags_metadata_and_environment_of_a_trace_are_absent() -> None:
    empty: dict[str, Any] = {"userId": "", "sessionId": "", "tags": [], "metadata": {}, "environment": ""}
    assert trace_fields_of(empty) == {"earliest": AT_US}


def test_an_observation_event_makes_a_change_of_it_and_tells_that_its_trace_is() -> None:
    body = {"id": "o", "traceId": "t", "startTime": "2026-01-01T00:00:01Z", "environment": "prod"}
    observation, trace = map_events(event("span-create", body)).changes
    assert (observation.trace_id, observation.id) == ("t", "o")
    assert observation.fields == {"type": "SPAN", "start_time": AT_US + 1_000_000, "environment": "prod"}
    assert (trace.kind, trace.id, trace.stamp) == ("trace", "t", observation.stamp)
    assert trace.fields == {"earliest": AT_US + 1_000_000, "environment": "prod"}


def test_an_observation_without_a_trace_is_its_own_trace() -> None:
    for body in ({"id": "o"}, {"id": "o", "traceId": None}, {"id": "o", "traceId": ""}):
        observation, trace = map_events(event("span-create", body)).changes
        assert (observation.trace_id, trace.id) == ("o", "o")


@pytest.mark.parametrize(
    "word",
    ["span", "generation", "event", "agent", "tool", "chain", "retriever", "evaluator", "embedding", "guardrail"],
)
def test_the_type_is_the_word_of_the_event(word: str) -> None:
    assert fields_of(f"{word}-create", {})["type"] == word.upper()


def test_the_old_observation_events_say_their_type_in_the_body() -> None:
    assert fields_of("observation-create", {"type": "GENERATION"})["type"] == "GENERATION"
    assert fields_of("observation-update", {"type": "span"})["type"] == "SPAN"
    assert "type" not in fields_of("observation-create", {"type": "other"})


def test_an_update_of_no_type_may_link_a_generation_to_its_prompt() -> None:
    linked = {"promptName": "greeting", "promptVersion": 3}
    created = event("generation-create", {"id": "o", "traceId": "t"})
    updated = event(
        "observation-update", {"id": "o", "traceId": "t", **linked}, id="u", timestamp="2026-01-01T00:00:09Z"
    )
    for events in ((created, updated), (updated, created)):
        values = folded(map_events(*events), "observation", "o")
        assert (values["type"], values["prompt_name"], values["prompt_version"]) == ("GENERATION", "greeting", 3)
    assert "prompt_name" not in fields_of("observation-update", {"type": "SPAN", **linked})
    assert "prompt_name" not in fields_of("span-update", linked)


def test_an_update_never_changes_the_type_that_a_create_gave() -> None:
    created = event("agent-create", {"id": "o", "traceId": "t"})
    updated = event("span-update", {"id": "o", "traceId": "t"}, id="later", timestamp="2026-01-01T00:00:09Z")
    assert folded(map_events(created, updated), "observation", "o")["type"] == "AGENT"
    assert folded(map_events(updated), "observation", "o")["type"] == "SPAN"


def test_the_start_is_the_given_one_else_the_first_events_time() -> None:
    late_create = event("span-create", {"id": "o", "traceId": "t", "startTime": "2026-01-01T00:00:05Z"})
    early_update = event("span-update", {"id": "o", "traceId": "t"}, id="u", timestamp="2026-01-01T00:00:01Z")
    other_update = event("span-update", {"id": "o", "traceId": "t"}, id="v", timestamp="2026-01-01T00:00:02Z")
    values = folded(map_events(late_create, early_update), "observation", "o")
    assert values["start_time"] == AT_US + 5_000_000
    values = folded(map_events(other_update, early_update), "observation", "o")
    assert values["start_time"] == AT_US + 1_000_000


def test_every_field_of_a_generation_is_kept() -> None:
    fields = fields_of(
        "generation-create",
        {
            "name": "n",
            "startTime": AT,
            "endTime": "2026-01-01T00:00:02Z",
            "completionStartTime": "2026-01-01T00:00:01Z",
            "input": [1],
            "output": {"a": "b"},
            "level": "warn",
            "statusMessage": "m",
            "parentObservationId": "p",
            "version": "v",
            "environment": "e",
            "model": "gpt",
            "modelParameters": {"t": 0.5, "stop": ["a"]},
            "usageDetails": {"input": 1, "output": 2},
            "costDetails": {"total": 0.1},
            "promptName": "prompt",
            "promptVersion": 3,
            "metadata": "text",
        },
    )
    assert fields == {
        "type": "GENERATION",
        "name": "n",
        "start_time": AT_US,
        "end_time": AT_US + 2_000_000,
        "completion_start_time": AT_US + 1_000_000,
        "input": "[1]",
        "output": '{"a": "b"}',
        "level": "WARNING",
        "status_message": "m",
        "parent_observation_id": "p",
        "version": "v",
        "environment": "e",
        "model": "gpt",
        "model_parameters": '{"t":0.5,"stop":["a"]}',
        "usage_details": {"input": 1, "output": 2, "total": 3},
        "provided_cost_details": {"total": Decimal("0.1")},
        "prompt_name": "prompt",
        "prompt_version": 3,
        "metadata": {"metadata": "text"},
    }


def test_the_old_usage_has_units_and_costs() -> None:
    usage = {"input": 1, "output": 2, "unit": "CHARACTERS", "inputCost": 0.1, "totalCost": 0.3}
    fields = fields_of("generation-create", {"usage": usage})
    assert fields["usage_details"] == {"input": 1, "output": 2, "total": 3}
    assert fields["unit"] == "CHARACTERS"
    assert fields["provided_cost_details"] == {"input": Decimal("0.1"), "total": Decimal("0.3")}


def test_an_explicit_null_is_a_value_of_an_observation_where_it_can_be_one() -> None:
    nulls = ["name", "model", "modelParameters", "level"]
    fields = fields_of("generation-update", dict.fromkeys(nulls))
    assert {name: fields[name] for name in ("name", "model", "model_parameters", "level")} == {
        "name": None,
        "model": None,
        "model_parameters": None,
        "level": None,
    }
    absent = [
        *(
            "startTime",
            "endTime",
            "completionStartTime",
            "statusMessage",
            "parentObservationId",
            "version",
            "environment",
        ),
        *("input", "output", "metadata", "usage", "usageDetails", "costDetails", "promptName", "promptVersion"),
    ]
    assert fields_of("generation-update", dict.fromkeys(absent)).keys() == {"type", "start_time"}


def test_what_is_empty_never_overwrites() -> None:
    empty: dict[str, Any] = {
        "modelParameters": {},
        "usageDetails": {},
        "costDetails": {},
        "metadata": {},
        "parentObservationId": "",
    }
    assert fields_of("generation-update", empty).keys() == {"type", "start_time"}


def test_an_unknown_level_is_ignored() -> None:
    assert "level" not in fields_of("span-create", {"level": "LOUD"})


def test_model_parameters_hold_no_number_that_postgres_refuses() -> None:
    raw = batch(event("generation-create", {"id": "o", "modelParameters": {"t": 0}})).replace(
        b'"t": 0', b'"t": 1e999999'
    )
    (change,) = changes_of(map_record(headers("ingestion"), raw), "observation")
    assert json.loads(change.fields["model_parameters"]) == {"t": "1e999999"}


def test_an_update_speaks_after_the_creates_of_its_batch_wherever_it_stands() -> None:
    created = event("span-create", {"id": "o", "traceId": "t", "name": "created"}, timestamp="2026-01-01T00:00:05Z")
    updated = event("span-update", {"id": "o", "traceId": "t", "name": "updated"}, id="u")
    elsewhere = event("span-update", {"id": "o", "traceId": "other", "name": "updated"}, id="u")
    for mapped in (map_events(updated, created), map_events(created, updated)):
        stamps = {change.stamp.event_id: change.stamp for change in changes_of(mapped, "observation")}
        assert stamps["u"][:2] == (AT_US + 5_000_000, UPDATE)
        assert folded(mapped, "observation", "o")["name"] == "updated"
    first, _ = changes_of(map_events(elsewhere, created), "observation")
    assert first.stamp[:2] == (AT_US, UPDATE)


def test_the_parts_of_one_event_share_its_stamp_and_a_resend_has_the_same() -> None:
    sent = [event("generation-create", {"id": "o", "traceId": "t", "name": "n"}), event("trace-create", {"id": "t"})]
    first = map_events(*sent)
    assert map_events(*sent) == first
    assert map_events(*reversed(sent)).changes == [first.changes[2], *first.changes[:2]]
    sent[0]["body"]["name"] = "m"
    assert map_events(*sent).changes[0].stamp != first.changes[0].stamp


def test_a_bad_event_is_rejected_with_its_bytes_and_its_neighbours_are_not() -> None:
    bad = event("span-create", {"id": "o"}, timestamp="yesterday", id="bad")
    unknown = event("nonsense", {}, id="unknown-type")
    mapped = map_events(event("trace-create", {"id": "t"}), bad, unknown, 7)
    assert mapped.events == 4
    assert len(mapped.changes) == 1
    assert [(reject.reason, reject.entity) for reject in mapped.rejects] == [
        ("invalid_event", "bad"),
        ("invalid_event", "unknown-type"),
        ("invalid_event", None),
    ]
    assert json.loads(mapped.rejects[0].payload) == bad


def test_ids_too_long_to_store_are_rejected() -> None:
    mapped = map_events(event("trace-create", {"id": "é" * 401}, id="e"))
    assert (mapped.changes, mapped.rejects[0].reason, mapped.rejects[0].entity) == ([], "invalid_event", "e")


def test_a_log_of_an_sdk_counts_and_says_nothing() -> None:
    mapped = map_events(event("sdk-log", {"log": "x"}))
    assert (mapped.changes, mapped.rejects, mapped.events) == ([], [], 1)


def test_a_body_that_is_no_batch_is_rejected_whole() -> None:
    for payload in (b"[]", b"{", b'{"batch": 1}', b"\xff"):
        mapped = map_record(headers("ingestion", 2), payload)
        assert (mapped.changes, mapped.events) == ([], len(mapped.rejects))
        assert mapped.rejects[0].payload == payload
        assert {reject.reason for reject in mapped.rejects} == {"invalid_payload"}


def test_text_that_postgres_cannot_store_is_cleaned() -> None:
    mapped = map_events(
        event("trace-create", {"id": "t", "name": "a\x00b", "input": "\ud800", "metadata": {"\x00k": "\x00"}})
    )
    (change,) = mapped.changes
    assert (change.fields["name"], change.fields["metadata"]) == ("ab", {"k": ""})
    assert change.fields["input"].encode() == "\ufffd".encode()


def test_events_of_one_trace_fold_to_it_whatever_their_order() -> None:
    events = [
        event("trace-create", {"id": "t", "name": "first"}, id="a"),
        event("trace-create", {"id": "t", "name": "second", "output": "o"}, id="b", timestamp="2026-01-01T00:00:01Z"),
        event("generation-create", {"id": "g", "traceId": "t", "model": "m"}, id="c"),
        event("generation-update", {"id": "g", "traceId": "t", "usageDetails": {"input": 1}}, id="d"),
    ]
    forwards, backwards = map_events(*events), map_events(*reversed(events))
    assert fold_changes(forwards.changes) == fold_changes(backwards.changes)
    assert folded(forwards, "trace", "t")["name"] == "second"
    assert folded(backwards, "observation", "g")["usage_details"] == {"input": 1, "total": 1}
