"""Where partitions stand, and an operator's word that lets one go on."""

import pytest

from tailrace.core.model import ProjectId
from tailrace.wire.topics import RawHeaders, fingerprint_of
from tests.admin.conftest import PublishRaw, Query, Tailrace

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("kafka_bootstrap")]

HEADERS = RawHeaders("ingestion", ProjectId("shop"), 1_700_000_000_000_000, 1)


@pytest.fixture(autouse=True)
def _topics(tailrace: Tailrace) -> None:
    assert tailrace("topics").code == 0


def test_lag_is_what_the_log_holds_beyond_the_applied_origin(
    tailrace: Tailrace, publish_raw: PublishRaw, query: Query
) -> None:
    for _ in range(3):
        publish_raw(1, b"{}", HEADERS)
    query("update stream_progress set applied_origin = 0 where partition = 1")

    shown = tailrace("partition", "show", "--json").json

    assert [(one["partition"], one["appliedOrigin"], one["logEnd"], one["lag"]) for one in shown] == [
        (0, -1, 0, 0),
        (1, 0, 3, 2),
    ]


def test_a_partition_that_stands_still_is_resumed_and_the_word_is_recorded(tailrace: Tailrace, query: Query) -> None:
    query("update stream_progress set halted_reason = 'the log is shorter' where partition = 0")
    assert "stands still: the log is shorter" in tailrace("partition", "show").out

    resumed = tailrace("partition", "resume", "--partition", "0", "--reason", "restored the log", "--operator", "eve")

    assert resumed.code == 0
    row = query("select halted_reason, applied_origin, epoch from stream_progress where partition = 0")[0]
    assert row == {"halted_reason": None, "applied_origin": -1, "epoch": 0}
    command = query("select * from stream_commands")[0]
    assert (command["command"], command["operator"], command["reason"]) == ("resume", "eve", "restored the log")
    assert (command["applied_origin_before"], command["applied_origin_after"]) == (-1, -1)


def test_accepting_a_loss_moves_the_origin_and_fences_the_owner(
    tailrace: Tailrace, publish_raw: PublishRaw, query: Query
) -> None:
    publish_raw(0, b"{}", HEADERS)
    query(
        "update stream_progress set halted_reason = 'the log is another', applied_origin = 90, epoch = 7,"
        " applied_fingerprint = 'x', owner = gen_random_uuid() where partition = 0"
    )

    resume = ("partition", "resume", "--partition", "0", "--reason", "disk lost", "--accept-loss", "--applied-origin")
    refused = tailrace(*resume, "5")
    accepted = tailrace(*resume, "-1")

    assert "expected --applied-origin from -1 (apply all that the log has) to 0" in refused.err
    assert accepted.code == 0
    row = query(
        "select halted_reason, applied_origin, applied_fingerprint, owner, epoch from stream_progress where partition = 0"
    )[0]
    assert tuple(row.values()) == (None, -1, None, None, 8)
    command = query("select command, applied_origin_before, applied_origin_after from stream_commands")
    assert [tuple(one.values()) for one in command] == [("accept-other-log", 90, -1)]


@pytest.mark.parametrize(
    ("fingerprint", "command"),
    [(fingerprint_of(dict(HEADERS.encode()), b"{}"), "accept-loss"), ("00", "accept-other-log")],
)
def test_a_loss_is_told_from_another_log_by_the_record_that_was_applied_last(
    tailrace: Tailrace, publish_raw: PublishRaw, query: Query, fingerprint: str, command: str
) -> None:
    for _ in range(3):
        publish_raw(0, b"{}", HEADERS)
    query(
        "update stream_progress set halted_reason = 'a record that cannot be applied', applied_origin = 0,"
        f" applied_fingerprint = decode('{fingerprint}', 'hex') where partition = 0"
    )

    resumed = tailrace(
        "partition", "resume", "--partition", "0", "--reason", "go on", "--accept-loss", "--applied-origin", "1"
    )

    assert resumed.code == 0
    assert [one["command"] for one in query("select command from stream_commands")] == [command]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--partition", "0", "--reason", "x"), "partition 0 does not stand still"),
        (("--partition", "9", "--reason", "x"), "there is no partition 9"),
        (("--partition", "0", "--reason", " "), "expected a --reason in words"),
        (
            ("--partition", "0", "--reason", "x", "--accept-loss"),
            "expected --accept-loss and --applied-origin together",
        ),
        (("--partition", "0", "--reason", "x", "--applied-origin", "1"), "expected --accept-loss and --applied-origin"),
    ],
)
def test_what_makes_no_sense_is_refused_and_recorded_nowhere(
    tailrace: Tailrace, query: Query, arguments: tuple[str, ...], sentence: str
) -> None:
    refused = tailrace("partition", "resume", *arguments)

    assert refused.code == 1
    assert sentence in refused.err
    assert query("select * from stream_commands") == []


def test_without_topics_the_way_out_is_named(tailrace: Tailrace) -> None:
    refused = tailrace("partition", "show", TAILRACE_TOPIC_PREFIX="nowhere.")

    assert refused.err == "tailrace: there is no topic nowhere.observations.raw: run `tailrace topics`\n"
