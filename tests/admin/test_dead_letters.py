"""Dead letters: listed, shown with their bytes, and sent through the raw log once more."""

import sys
from datetime import UTC, datetime, timedelta
from io import BytesIO, TextIOWrapper
from typing import Any

import orjson
import pytest

from tailrace.core.model import ProjectId
from tailrace.wire.topics import RawHeaders, decode_raw_headers
from tests.admin.conftest import PublishRaw, Query, ReadRaw, Tailrace

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("kafka_bootstrap")]

RECEIVED_US = 1_700_000_000_123_456
RECEIVED_AT = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=RECEIVED_US)
EVENT = b'{"id":"e1","type":"trace-create","timestamp":"2026-01-01T00:00:00Z","body":{"id":"t1"}}'
OTHER = EVENT.replace(b"e1", b"e2").replace(b"t1", b"t2")
BATCH = b'{"batch":[' + EVENT + b"," + OTHER + b"]}"
HEADERS = RawHeaders("ingestion", ProjectId("shop"), RECEIVED_US, 2, "python", "2.60.10")


@pytest.fixture(autouse=True)
def _topics(tailrace: Tailrace) -> None:
    assert tailrace("topics").code == 0


@pytest.fixture
def bury(query: Query) -> Any:
    """Writes a dead letter as the sink does."""

    def insert(**overrides: object) -> None:
        letter = {
            "project_id": "shop",
            "partition": 1,
            "origin": 0,
            "sequence": 0,
            "reason": "internal_error",
            "detail": "folding it failed unexpectedly",
            "entity": "t1",
            "content_kind": "ingestion",
            "payload": EVENT,
            "received_at": RECEIVED_AT,
        } | overrides
        places = ", ".join(f"${number}" for number in range(1, len(letter) + 1))
        query(f"insert into dead_letters ({', '.join(letter)}) values ({places})", *letter.values())

    return insert


def test_letters_are_listed_by_project_and_reason(tailrace: Tailrace, bury: Any) -> None:
    bury()
    bury(sequence=1, reason="invalid_event")
    bury(project_id="till", reason="invalid_event")

    assert len(tailrace("dead-letters", "list", "--json").json) == 3
    listed = tailrace("dead-letters", "list", "--project", "shop", "--reason", "invalid_event", "--json").json
    assert [one["letter"] for one in listed] == ["shop/1/0/1"]
    assert "1 of 3 dead letters; --limit shows more" in tailrace("dead-letters", "list", "--limit", "1").out
    assert "folding it failed unexpectedly" in tailrace("dead-letters", "list").out


def test_a_letter_is_shown_without_what_would_move_the_cursor(tailrace: Tailrace, bury: Any) -> None:
    bury(payload=b"\x1b[2Jcaf\xc3\xa9" + b"x" * 5000)

    shown = tailrace("dead-letters", "show", "shop/1/0/0").out

    assert "\x1b" not in shown
    assert "café" in shown
    assert "1009 bytes more; --raw writes all" in shown


def test_the_raw_bytes_are_written_unchanged(tailrace: Tailrace, bury: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    bury(payload=b"\x00\xff\r\n")
    stdout = TextIOWrapper(BytesIO())
    monkeypatch.setattr(sys, "stdout", stdout)

    tailrace("dead-letters", "show", "shop/1/0/0", "--raw")

    assert stdout.buffer.getvalue() == b"\x00\xff\r\n"


def test_a_letter_that_is_not_there_is_one_sentence(tailrace: Tailrace) -> None:
    refused = tailrace("dead-letters", "show", "shop/1/0/0")

    assert refused.err == ("tailrace: there is no dead letter shop/1/0/0: `tailrace dead-letters list` names them\n")


def test_a_replayed_letter_is_a_raw_record_of_its_partition_project_and_time_and_only_once(
    tailrace: Tailrace, bury: Any, read_raw: ReadRaw
) -> None:
    bury()

    first = tailrace("dead-letters", "replay", "--project", "shop")
    second = tailrace("dead-letters", "replay", "--all")
    again = tailrace("dead-letters", "replay", "shop/1/0/0", "--again")

    assert [one.out for one in (first, second, again)] == [
        "replayed 1 dead letters in 1 records\n",
        "replayed 0 dead letters in 0 records\n",
        "replayed 1 dead letters in 1 records\n",
    ]
    records = read_raw(1)
    assert len(records) == 2
    headers = decode_raw_headers(records[0].headers)
    assert headers[:4] == ("ingestion", "shop", RECEIVED_US, 1)
    assert orjson.loads(records[0].value) == {"batch": [orjson.loads(EVENT)]}
    assert read_raw(0) == []


def test_only_the_chosen_letters_are_replayed(tailrace: Tailrace, bury: Any, read_raw: ReadRaw) -> None:
    bury()
    bury(sequence=1, reason="invalid_event")
    bury(project_id="till", origin=5)

    tailrace("dead-letters", "replay", "--project", "shop", "--reason", "internal_error")

    listed = tailrace("dead-letters", "list", "--json").json
    assert {one["letter"] for one in listed if one["replayedAt"]} == {"shop/1/0/0"}
    assert len(read_raw(1)) == 1


def test_a_letter_that_comes_while_letters_are_replayed_waits_for_the_next_time(
    tailrace: Tailrace, bury: Any, read_raw: ReadRaw
) -> None:
    bury()
    bury(origin=1, created_at=datetime.now(UTC) + timedelta(hours=1))

    assert tailrace("dead-letters", "replay", "--all").out == "replayed 1 dead letters in 1 records\n"
    assert len(read_raw(1)) == 1


def test_a_record_that_died_whole_is_replayed_once_for_all_its_events(
    tailrace: Tailrace, bury: Any, publish_raw: PublishRaw, read_raw: ReadRaw
) -> None:
    origin = publish_raw(1, BATCH, HEADERS)
    bury(origin=origin, payload=BATCH)
    bury(origin=origin, sequence=1, payload=b"")

    replayed = tailrace("dead-letters", "replay", "--all")

    assert replayed.out == "replayed 2 dead letters in 1 records\n"
    assert [(one.value, decode_raw_headers(one.headers)) for one in read_raw(1)] == [(BATCH, HEADERS)] * 2


def test_without_the_log_its_kept_bytes_speak_for_all_its_events(
    tailrace: Tailrace, bury: Any, read_raw: ReadRaw
) -> None:
    bury(origin=77, payload=BATCH)
    bury(origin=77, sequence=1, payload=b"")

    assert tailrace("dead-letters", "replay", "--all").out == "replayed 2 dead letters in 1 records\n"
    assert [decode_raw_headers(one.headers).events for one in read_raw(1)] == [2]


def test_a_letter_without_bytes_is_replayed_from_the_log_while_that_is_kept(
    tailrace: Tailrace, bury: Any, publish_raw: PublishRaw, read_raw: ReadRaw
) -> None:
    origin = publish_raw(1, BATCH, HEADERS)
    bury(origin=origin, reason="too_many_spans", payload=b"")
    bury(origin=99, reason="too_many_spans", payload=b"")

    replayed = tailrace("dead-letters", "replay", "--reason", "too_many_spans")

    assert replayed.code == 1
    assert "replayed 1 dead letters in 1 records" in replayed.out
    assert "left shop/1/99/0: neither its bytes nor what the raw log still has" in replayed.out
    assert len(read_raw(1)) == 2


def test_a_record_of_another_project_or_time_at_that_origin_is_never_replayed(
    tailrace: Tailrace, bury: Any, publish_raw: PublishRaw, read_raw: ReadRaw
) -> None:
    origins = [
        publish_raw(1, BATCH, HEADERS._replace(project_id=ProjectId("till"))),
        publish_raw(1, BATCH, HEADERS._replace(received_at_us=1)),
    ]
    for origin in origins:
        bury(origin=origin, reason="too_many_spans", payload=b"")

    assert tailrace("dead-letters", "replay", "--all").code == 1
    assert len(read_raw(1)) == 2


def test_what_still_cannot_be_read_is_left_and_stays_unreplayed(
    tailrace: Tailrace, bury: Any, read_raw: ReadRaw
) -> None:
    bury(payload=b'{"id":')
    bury(origin=1, content_kind="otlp-protobuf", payload=b"\xff\xff")

    replayed = tailrace("dead-letters", "replay", "--all")

    assert replayed.code == 1
    assert replayed.out.count("left shop/1/") == 2
    assert read_raw(1) == []
    assert not any(one["replayedAt"] for one in tailrace("dead-letters", "list", "--json").json)


def test_a_replay_must_be_told_what_to_take(tailrace: Tailrace) -> None:
    assert "expected --project, --reason, one letter, or --all" in tailrace("dead-letters", "replay").err
    assert "without other filters" in tailrace("dead-letters", "replay", "--all", "--project", "shop").err
    assert "without other filters" in tailrace("dead-letters", "replay", "a/0/0/0", "--project", "shop").err


@pytest.mark.parametrize("name", ["shop", "shop/1/2", "shop/1/2/x", "shop/-1/2/3"])
def test_a_malformed_name_of_a_letter_is_refused(tailrace: Tailrace, name: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        tailrace("dead-letters", "show", name)

    assert stopped.value.code == 2
