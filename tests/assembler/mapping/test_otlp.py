"""What a span says of its observation and of its trace, when it speaks, and that a resend says the same."""

import json
from typing import Any

import pytest

from tailrace.assembler.mapping import map_record
from tailrace.core.stamp import CREATE
from tests.assembler.mapping.senders import (
    PARENT_ID,
    PROJECT,
    RECEIVED_US,
    SPAN_ID,
    START_US,
    TRACE_ID,
    changes_of,
    child,
    headers,
    map_spans,
    observation_of,
    span,
    trace_of,
    trace_request,
)

END_US = START_US + 1_000_000


def test_a_span_makes_one_change_of_its_observation_and_one_of_its_trace() -> None:
    observation, trace = map_spans(span()).changes
    assert (observation.kind, observation.project_id, observation.trace_id, observation.id) == (
        "observation",
        PROJECT,
        TRACE_ID,
        SPAN_ID,
    )
    assert (trace.kind, trace.project_id, trace.trace_id, trace.id) == ("trace", PROJECT, TRACE_ID, TRACE_ID)


def test_an_observation_speaks_at_its_end_and_a_trace_at_the_start_of_the_span() -> None:
    observation, trace = map_spans(span()).changes
    assert observation.stamp[:3] == (END_US, CREATE, SPAN_ID)
    assert trace.stamp[:3] == (START_US, CREATE, f"{END_US:020d}/{SPAN_ID}")


def test_a_root_that_is_exported_again_with_a_later_end_tells_its_trace_last() -> None:
    open_yet, ended = (
        map_spans(span({"langfuse.observation.output": output}, endTimeUnixNano=str(end_us * 1000))).changes[1]
        for output, end_us in (("partial", START_US + 10), ("whole", END_US))
    )
    assert open_yet.stamp < ended.stamp


def test_a_resend_has_the_same_stamps_and_any_difference_has_others() -> None:
    sent = span({"langfuse.observation.input": "a"})

    def stamps(*args: Any, **group: Any) -> list[Any]:
        return [change.stamp for change in map_spans(*args, **group).changes]

    first = stamps(sent)
    assert stamps(sent) == first
    others = [
        stamps(span({"langfuse.observation.input": "b"})),
        stamps(span({"langfuse.observation.input": "a"}, status={"code": 2})),
        stamps(sent, resource={"service.name": "other"}),
        stamps(sent, version="4.18.0"),
    ]
    assert all(stamp not in first for other in others for stamp in other)


def test_spans_of_a_divided_request_have_the_stamps_of_the_whole() -> None:
    one, other = span(), span(spanId=PARENT_ID)
    whole = map_spans(one, other).changes
    assert [*map_spans(one).changes, *map_spans(other).changes] == whole


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (5_000, 9_000, (5, 9)),
        (5_000, None, (5, 5)),
        (None, 9_000, (9, 9)),
        (None, None, (RECEIVED_US, RECEIVED_US)),
        (9_000, 5_000, (9, 9)),
        (10**30, 9_000, (9, 9)),
        (5_000, 10**30, (5, 5)),
        (-5, 9_000, (9, 9)),
    ],
)
def test_a_missing_time_is_the_other_one_or_the_receipt_and_the_end_is_never_before_the_start(
    start: int | None, end: int | None, expected: tuple[int, int]
) -> None:
    fields = observation_of(startTimeUnixNano=start, endTimeUnixNano=end)
    assert (fields["start_time"], fields["end_time"]) == expected


@pytest.mark.parametrize("parent", [None, "", "0000000000000000"])
def test_a_span_without_a_parent_is_a_root(parent: str | None) -> None:
    fields = observation_of(None, parentSpanId=parent)
    assert fields["is_root"] is True
    assert "parent_observation_id" not in fields


def test_a_span_with_a_parent_is_no_root_unless_it_says_so() -> None:
    plain, _ = map_spans(child()).changes
    assert plain.fields["parent_observation_id"] == PARENT_ID
    assert "is_root" not in plain.fields
    as_root, _ = map_spans(child({"langfuse.internal.as_root": True})).changes
    assert (as_root.fields["parent_observation_id"], as_root.fields["is_root"]) == (PARENT_ID, True)


def test_an_app_root_is_marked_and_does_not_become_a_root_of_the_trace() -> None:
    change, _ = map_spans(child({"langfuse.internal.is_app_root": True})).changes
    assert change.fields["is_app_root"] is True
    assert "is_root" not in change.fields


def test_a_span_below_the_root_only_tells_that_its_trace_is() -> None:
    _, trace = map_spans(child({"langfuse.observation.input": "a"}), resource={"langfuse.environment": "prod"}).changes
    assert trace.fields == {"earliest": START_US, "environment": "prod"}


def test_the_root_lends_its_name_and_bodies_to_a_trace_that_has_none() -> None:
    attributes = {"langfuse.observation.input": "in", "langfuse.observation.output": "out"}
    _, trace = map_spans(span(attributes)).changes
    assert (trace.fields["name"], trace.fields["input"], trace.fields["output"]) == ("step", "in", "out")
    assert trace.weak == {"name", "input", "output"}


def test_what_is_said_of_the_trace_beats_what_the_root_lends_whatever_comes_later() -> None:
    told = {"langfuse.trace.name": "told", "langfuse.trace.input": "asked", "langfuse.trace.output": "answered"}
    late_root = span(
        {"langfuse.observation.input": "in", "langfuse.observation.output": "out"},
        startTimeUnixNano=(START_US + 10) * 1000,
    )
    values = trace_of(late_root, child(told, spanId=PARENT_ID))
    assert (values["name"], values["input"], values["output"]) == ("told", "asked", "answered")


def test_a_span_below_the_root_may_speak_of_its_trace_but_lends_nothing() -> None:
    _, trace = map_spans(
        child({"user.id": "u", "langfuse.observation.input": "own", "langfuse.trace.output": "said"})
    ).changes
    assert trace.fields == {"earliest": START_US, "user_id": "u", "output": "said"}
    assert trace.weak == frozenset()


def test_a_later_span_changes_user_session_and_metadata_and_tags_are_united() -> None:
    early = {"user.id": "u1", "session.id": "s1", "langfuse.trace.tags": ["b"], "langfuse.trace.metadata.k": "1"}
    late = {"user.id": "u2", "langfuse.trace.tags": ["a"], "langfuse.trace.metadata.k": "2"}
    values = trace_of(span(early), child(late, spanId=PARENT_ID, startTimeUnixNano=(START_US + 1) * 1000))
    assert (values["user_id"], values["session_id"], values["tags"]) == ("u2", "s1", ["a", "b"])
    assert values["metadata"]["k"] == 2


def test_empty_user_and_session_ids_are_absent() -> None:
    values = trace_of(span({"user.id": "", "session.id": ""}))
    assert "user_id" not in values
    assert "session_id" not in values


def test_public_is_sticky_and_false_is_absent() -> None:
    assert trace_of(span({"langfuse.trace.public": True}))["public"] is True
    assert "public" not in trace_of(span({"langfuse.trace.public": False}))


def test_the_earliest_start_of_all_spans_is_kept() -> None:
    values = trace_of(span(), child(spanId=PARENT_ID, startTimeUnixNano=(START_US - 7) * 1000))
    assert values["earliest"] == START_US - 7


def test_version_and_release_come_from_the_span_then_the_resource_then_the_service() -> None:
    resource = {"langfuse.release": "r1", "service.version": "s1"}
    values = trace_of(span({"langfuse.version": "v2", "langfuse.release": "r2"}), resource=resource)
    assert (values["version"], values["release"]) == ("v2", "r2")
    _, trace = map_spans(span(), resource=resource).changes
    assert (trace.fields["version"], trace.fields["release"]) == ("s1", "r1")
    assert "version" in trace.weak
    assert observation_of(group={"resource": resource})["version"] == "s1"


@pytest.mark.parametrize(
    ("attributes", "resource", "expected"),
    [
        ({"langfuse.environment": "Span"}, {"langfuse.environment": "resource"}, "span"),
        ({"deployment.environment": "span"}, {"langfuse.environment": "resource"}, "resource"),
        ({}, {"deployment.environment.name": "named", "deployment.environment": "old"}, "named"),
        ({"langfuse.environment": "no spaces"}, {}, "default"),
    ],
)
def test_the_environment_is_looked_for_key_by_key_in_the_span_then_the_resource(
    attributes: dict[str, Any], resource: dict[str, Any], expected: str
) -> None:
    assert observation_of(attributes, group={"resource": resource})["environment"] == expected
    assert trace_of(span(attributes), resource=resource)["environment"] == expected


def test_no_environment_is_absent_so_that_another_span_can_give_it() -> None:
    assert "environment" not in observation_of()
    assert "environment" not in trace_of(span())


def test_an_error_status_is_the_level_unless_a_level_is_given() -> None:
    status = {"code": 2, "message": "it broke"}
    assert observation_of(None, status=status)["level"] == "ERROR"
    assert observation_of(None, status=status)["status_message"] == "it broke"
    told = {"langfuse.observation.level": "warn", "langfuse.observation.status_message": "hm"}
    fields = observation_of(told, status=status)
    assert (fields["level"], fields["status_message"]) == ("WARNING", "hm")
    assert "level" not in observation_of({"langfuse.observation.level": "loud"})


def test_metadata_of_a_langfuse_span_is_the_users_with_resource_and_scope() -> None:
    fields = observation_of(
        {"langfuse.observation.metadata.k": "v", "other": "x"}, group={"resource": {"service.name": "bot"}}
    )
    assert fields["metadata"] == {
        "k": "v",
        "resourceAttributes": {"service.name": "bot"},
        "scope": {"name": "langfuse-sdk", "version": "5.0.4"},
    }


def test_a_foreign_span_keeps_its_other_attributes_as_texts() -> None:
    attributes = {"input.value": "in", "langfuse.observation.metadata.k": "v", "n": 3, "t": "x", "l": [True]}
    metadata = observation_of(attributes, group={"scope": "app"})["metadata"]
    assert metadata["attributes"] == {"n": "3", "t": "x", "l": "[true]"}
    assert metadata["k"] == "v"


def test_the_trace_of_a_root_has_metadata_of_resource_observation_and_trace() -> None:
    attributes = {"langfuse.observation.metadata.a": "o", "langfuse.observation.metadata.b": "o"}
    values = trace_of(
        span(attributes | {"langfuse.trace.metadata.b": "t"}), resource={"langfuse.trace.metadata.c": "r"}
    )
    metadata = values["metadata"]
    assert {key: metadata[key] for key in "abc"} == {"a": "o", "b": "t", "c": "r"}
    assert metadata["scope"]["name"] == "langfuse-sdk"


def test_a_text_too_long_for_an_index_is_cut_with_a_warning() -> None:
    fields = observation_of(None, name="ż" * 600)
    assert fields["name"].startswith("ż" * 491 + "~")
    assert fields["warnings"] == ["name was longer than 1000 bytes and was cut"]
    assert trace_of(span({"user.id": "u" * 1001}))["warnings"] == ["user_id was longer than 1000 bytes and was cut"]


def test_usage_and_cost_that_cannot_be_read_are_left_out_with_a_warning_and_the_span_stays() -> None:
    fields = observation_of(
        {
            "langfuse.observation.usage_details": "{broken",
            "langfuse.observation.cost_details": '{"total": "much"}',
            "langfuse.observation.model.parameters": "[1]",
        }
    )
    assert not fields.keys() & {"usage_details", "provided_cost_details", "model_parameters"}
    assert [warning.split()[0] for warning in fields["warnings"]] == [
        "langfuse.observation.model.parameters",
        "langfuse.observation.usage_details",
        "langfuse.observation.cost_details",
    ]


def test_empty_usage_and_cost_are_no_reason_to_warn() -> None:
    attributes = {"langfuse.observation.usage_details": "{}", "langfuse.observation.cost_details": "null"}
    assert "warnings" not in observation_of(attributes)


def test_a_span_whose_id_is_too_long_to_store_is_rejected_and_its_neighbour_is_not() -> None:
    mapped = map_spans(span(spanId="é" * 401), span())
    assert mapped.events == 2
    assert len(changes_of(mapped, "observation")) == 1
    (reject,) = mapped.rejects
    assert reject.reason == "invalid_event"
    assert json.loads(reject.payload)[3] == "é" * 401


def test_a_body_that_cannot_be_divided_is_rejected_once_for_each_event_with_its_bytes_kept_once() -> None:
    mapped = map_record(headers("otlp-protobuf", 3), b"\xff\xff\xff junk")
    assert (mapped.changes, mapped.events) == ([], 3)
    assert [reject.reason for reject in mapped.rejects] == ["invalid_payload"] * 3
    assert [reject.payload for reject in mapped.rejects] == [b"\xff\xff\xff junk", b"", b""]


def test_an_empty_request_makes_nothing() -> None:
    mapped = map_record(headers("otlp-json", 0), trace_request([]))
    assert (mapped.changes, mapped.rejects, mapped.events) == ([], [], 0)
