"""Scores from both endpoints: how each value is stored, what it is about, and when it speaks."""

import json
from typing import Any

import msgspec
import pytest

from tailrace.assembler.mapping import Mapped, map_record
from tailrace.assembler.mapping.scores import judge_scores
from tailrace.core.score_configs import Category, ConfigVersion
from tailrace.core.stamp import CREATE
from tests.assembler.mapping.senders import PROJECT, RECEIVED_US, event, folded, headers, map_events, map_spans, span

AT_US = 1_767_225_600_000_000


def post(body: Any) -> Mapped:
    return map_record(headers("scores"), json.dumps(body).encode())


def fields_of(body: dict[str, Any]) -> dict[str, Any]:
    (change,) = post({"id": "s", "name": "n", "value": 1, "traceId": "t", **body}).changes
    return dict(change.fields)


def test_a_posted_score_makes_one_change_and_none_of_its_trace() -> None:
    (change,) = post(
        {"id": "s", "name": "n", "value": 0.5, "traceId": "t", "timestamp": "2026-01-01T00:00:00Z"}
    ).changes
    assert (change.kind, change.project_id, change.trace_id, change.id) == ("score", PROJECT, "", "s")
    assert change.stamp[:3] == (AT_US, CREATE, "s")
    assert change.fields == {
        "timestamp": AT_US,
        "name": "n",
        "trace_id": "t",
        "data_type": "NUMERIC",
        "value": 0.5,
        "string_value": None,
        "long_string_value": None,
        "source": "API",
    }


@pytest.mark.parametrize(
    ("body", "stored"),
    [
        ({"value": 3}, ("NUMERIC", 3.0, None, None)),
        ({"value": "good"}, ("CATEGORICAL", 0.0, "good", None)),
        ({"value": 1, "dataType": "BOOLEAN"}, ("BOOLEAN", 1.0, "True", None)),
        ({"value": 0, "dataType": "BOOLEAN"}, ("BOOLEAN", 0.0, "False", None)),
        ({"value": "long", "dataType": "TEXT"}, ("TEXT", 0.0, "long", None)),
        ({"value": "corrected", "dataType": "CORRECTION"}, ("CORRECTION", 0.0, None, "corrected")),
    ],
)
def test_a_value_is_stored_by_its_data_type(body: dict[str, Any], stored: tuple[Any, ...]) -> None:
    fields = fields_of(body)
    assert (fields["data_type"], fields["value"], fields["string_value"], fields["long_string_value"]) == stored
    assert fields["name"] == ("output" if stored[0] == "CORRECTION" else "n")


def test_a_list_of_scores_keeps_the_good_and_rejects_the_bad() -> None:
    good = {"id": "s", "name": "n", "value": 1, "sessionId": "x"}
    bad = {"id": "b", "name": "n", "value": 1}
    mapped = post([good, bad, 3])
    assert (len(mapped.changes), mapped.events) == (1, 3)
    assert mapped.changes[0].fields["session_id"] == "x"
    assert [(reject.reason, reject.entity) for reject in mapped.rejects] == [
        ("invalid_event", "b"),
        ("invalid_event", None),
    ]
    assert json.loads(mapped.rejects[0].payload) == bad


def test_a_score_event_speaks_at_the_events_time() -> None:
    body = {"id": "s", "name": "n", "value": 1, "traceId": "t", "observationId": "o", "comment": None}
    (change,) = map_events(event("score-create", body)).changes
    assert change.stamp[:3] == (AT_US, CREATE, "event-of-s")
    assert (change.fields["timestamp"], change.fields["observation_id"], change.fields["comment"]) == (AT_US, "o", None)


def test_a_score_without_a_time_is_as_old_as_its_receipt_until_its_time_is_told() -> None:
    untimed = post({"id": "s", "name": "n", "value": 1, "traceId": "t"})
    timed = post({"id": "s", "name": "n", "value": 1, "traceId": "t", "timestamp": "2027-06-01T00:00:00Z"})
    assert folded(untimed, "score", "s")["timestamp"] == RECEIVED_US
    both = Mapped([*untimed.changes, *timed.changes], [], 2)
    assert folded(both, "score", "s")["timestamp"] == folded(timed, "score", "s")["timestamp"]


def test_a_score_without_an_id_has_the_same_id_whenever_it_comes() -> None:
    body = {"name": "n", "value": 1, "traceId": "t"}
    (first,), (again,), (other,) = post(body).changes, post(body).changes, post({**body, "value": 2}).changes
    assert first.id
    assert first.id == again.id != other.id


def test_a_null_or_empty_target_is_absent_and_a_null_comment_is_a_null() -> None:
    fields = fields_of({"observationId": None, "sessionId": "", "configId": None, "comment": None})
    assert not fields.keys() & {"observation_id", "session_id", "config_id"}
    assert fields["comment"] is None


def test_metadata_and_environment_of_a_score_are_as_those_of_a_trace() -> None:
    fields = fields_of({"metadata": [1], "environment": "Prod"})
    assert (fields["metadata"], fields["environment"]) == ({"metadata": "[1]"}, "prod")
    assert "metadata" not in fields_of({"metadata": None})


def test_the_name_of_a_score_is_cut_without_a_warning() -> None:
    fields = fields_of({"name": "n" * 1001})
    assert (fields["name"][:984], "warnings" in fields) == ("n" * 983 + "~", False)


def test_a_body_that_is_no_score_is_rejected() -> None:
    for payload in (b"", b"3", b"[", b'"text"'):
        mapped = map_record(headers("scores"), payload)
        assert (mapped.changes, mapped.events, len(mapped.rejects)) == ([], 1, 1)
        assert mapped.rejects[0].payload == payload


def test_spans_make_no_scores() -> None:
    assert {change.kind for change in map_spans(span()).changes} == {"observation", "trace"}


CONFIG = ConfigVersion(
    id="c",
    name="the config's name",
    data_type="CATEGORICAL",
    min_value=None,
    max_value=None,
    categories=(Category(label="good", value=2),),
    is_archived=False,
    effective_us=0,
    superseded_us=None,
)


def judge(config: ConfigVersion | None, **body: Any) -> Mapped:
    """What a config that is asked for as `c` leaves of a posted score."""
    mapped = post({"id": "s", "name": "n", "value": "good", "traceId": "t", "configId": "c", **body})
    return judge_scores(headers("scores"), mapped, {"c": config}.get)


def test_only_scores_that_name_a_config_are_to_be_judged() -> None:
    plain = {"id": "p", "name": "n", "value": 1, "traceId": "t", "configId": ""}
    named = {**plain, "id": "q", "configId": "c"}
    assert [one[::2] for one in post([plain, named]).configured] == [(1, "c")]
    trace = event("trace-create", {"id": "t"})
    mapped = map_events(trace, event("score-create", plain), event("score-create", named))
    (one,) = mapped.configured
    assert (mapped.changes[one.at].id, one.config_id) == ("q", "c")


def test_a_config_gives_a_score_its_name_its_type_and_the_number_of_its_category() -> None:
    (change,) = judge(CONFIG).changes
    fields = change.fields
    assert (fields["name"], fields["data_type"], fields["value"], fields["string_value"]) == (
        "the config's name",
        "CATEGORICAL",
        2,
        "good",
    )
    assert fields["config_id"] == "c"


def test_a_score_without_a_type_is_read_in_the_configs() -> None:
    boolean = msgspec.structs.replace(CONFIG, data_type="BOOLEAN", categories=())
    (change,) = judge(boolean, value=1).changes
    assert (change.fields["data_type"], change.fields["value"], change.fields["string_value"]) == (
        "BOOLEAN",
        1,
        "True",
    )


@pytest.mark.parametrize(
    ("config", "body", "reason"),
    [
        (None, {}, "there was no score config c when the score was received"),
        (msgspec.structs.replace(CONFIG, is_archived=True), {}, "is archived"),
        (CONFIG, {"value": "fine"}, "has no category 'fine'"),
        (CONFIG, {"value": 1}, "expected a string for a CATEGORICAL score"),
        (CONFIG, {"dataType": "TEXT"}, "asks for dataType CATEGORICAL, got TEXT"),
        (msgspec.structs.replace(CONFIG, data_type="BOOLEAN"), {"value": 2}, "expected 0 or 1"),
        (msgspec.structs.replace(CONFIG, data_type="TEXT"), {"value": "x" * 501}, "1 to 500 characters"),
    ],
)
def test_what_a_config_refuses_is_rejected_with_its_reason_and_its_bytes(
    config: ConfigVersion | None, body: dict[str, Any], reason: str
) -> None:
    mapped = judge(config, **body)
    assert (mapped.changes, mapped.events) == ([], 1)
    (reject,) = mapped.rejects
    assert (reject.reason, reject.entity) == ("refused_by_config", "s")
    assert reason in reject.detail
    assert json.loads(reject.payload)["configId"] == "c"


def test_a_deletion_says_only_that_a_score_is_deleted() -> None:
    mapped = map_record(headers("deletions", 2), b'{"scores":["a","b"]}')
    assert [(change.kind, change.trace_id, change.id, change.fields) for change in mapped.changes] == [
        ("score", "", "a", {"deleted": True}),
        ("score", "", "b", {"deleted": True}),
    ]
    assert (mapped.events, mapped.rejects) == (2, [])
