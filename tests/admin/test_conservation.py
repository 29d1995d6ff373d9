"""The conservation check holds when everything is accounted for, and names each breach."""

from decimal import Decimal

import pytest

from tailrace.core.model import ProjectId
from tailrace.wire.topics import RawHeaders
from tests.admin.conftest import PublishRaw, Query, Tailrace

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("kafka_bootstrap")]


def make_headers(project: str = "shop", events: int = 1) -> RawHeaders:
    return RawHeaders("ingestion", ProjectId(project), 1_700_000_000_000_000, events)


class World:
    """A log and what Postgres counted of it."""

    def __init__(self, publish_raw: PublishRaw, query: Query) -> None:
        self._publish_raw = publish_raw
        self._query = query

    def accept(self, *events: int, project: str = "shop", partition: int = 0) -> None:
        for count in events:
            self._publish_raw(partition, b"{}", make_headers(project, count))

    def apply(self, origin: int, *, applied: int, dead: int = 0, accepted: int | None = None) -> None:
        self._query("update stream_progress set applied_origin = $1 where partition = 0", origin)
        self._query(
            "insert into event_counts (project_id, partition, accepted, applied, dead_lettered) values ('shop', 0, $1, $2, $3)",
            applied + dead if accepted is None else accepted,
            applied,
            dead,
        )

    def spend(self, cost: str, *, counted: bool = True, windows: str | None = None) -> None:
        self._query(
            "insert into observations (project_id, day, trace_id, id, partition, type, start_time, stamps, created_at,"
            " updated_at, total_cost, counted) values ('shop', current_date, 't', $1, 0, 'GENERATION', now(), '{}', now(),"
            " now(), $2, $3)",
            f"o-{cost}-{counted}",
            Decimal(cost),
            counted,
        )
        for bucket in ("minute", "hour", "day") if counted else ():
            self._query(
                "insert into cost_parts values ('shop', null, null, $1, now(), 0, $2, 0, 0, 0, 1, 0, 0, 1, 0)",
                bucket,
                Decimal(windows or cost),
            )


@pytest.fixture
def world(tailrace: Tailrace, publish_raw: PublishRaw, query: Query) -> World:
    assert tailrace("topics").code == 0
    return World(publish_raw, query)


def test_an_empty_installation_holds(tailrace: Tailrace, world: World) -> None:
    found = tailrace("conservation")

    assert found.code == 0
    assert found.out.startswith("HOLDS")


def test_accepted_is_applied_plus_dead_lettered_plus_in_flight(tailrace: Tailrace, world: World) -> None:
    world.accept(5, 2, 3)
    world.accept(4, project="till", partition=1)
    world.apply(1, applied=6, dead=1)

    found = tailrace("conservation", "--json")

    assert found.code == 0
    assert found.json["inFlight"] == 7
    assert [tuple(line.values()) for line in found.json["events"]] == [
        ("shop", 10, 6, 1, 3, 0, 0, "whole"),
        ("till", 4, 0, 0, 4, 0, 0, "whole"),
    ]


@pytest.mark.parametrize(
    ("counted", "sentence"),
    [
        ({"applied": 6}, "the log holds 7 events up to the applied origin, Postgres counted 6"),
        ({"applied": 8}, "the log holds 7 events up to the applied origin, Postgres counted 8"),
        ({"applied": 6, "accepted": 7}, "7 events were accepted, but 6 applied and 0 dead-lettered"),
    ],
)
def test_an_event_that_is_lost_or_counted_twice_breaks_the_law(
    tailrace: Tailrace, world: World, counted: dict[str, int], sentence: str
) -> None:
    world.accept(5, 2)
    world.apply(1, **counted)

    found = tailrace("conservation")

    assert found.code == 1
    assert f"BROKEN  project shop, partition 0: {sentence}" in found.out


def test_a_breach_shows_even_while_something_is_in_flight(tailrace: Tailrace, world: World) -> None:
    world.accept(5, 2, 1)
    world.apply(1, applied=6)

    found = tailrace("conservation", "--json")

    assert found.code == 1
    assert found.json["inFlight"] == 1
    assert found.json["events"][0]["difference"] == 1


def test_a_record_that_no_edge_wrote_is_one_event(tailrace: Tailrace, world: World, publish_raw: PublishRaw) -> None:
    publish_raw(0, b"garbage", None)

    assert [tuple(line.values()) for line in tailrace("conservation", "--json").json["events"]] == [
        ("", 1, 0, 0, 1, 0, 0, "whole")
    ]


def test_what_an_operator_gave_up_is_told_and_breaks_nothing(tailrace: Tailrace, world: World, query: Query) -> None:
    world.accept(5, 2, 3)
    world.apply(1, applied=5)
    query(
        "insert into stream_commands (partition, command, operator, reason, applied_origin_before, applied_origin_after)"
        " values (0, 'accept-loss', 'eve', 'broken record', 0, 1)"
    )

    found = tailrace("conservation", "--json")

    assert found.code == 0
    assert [tuple(line.values()) for line in found.json["events"]] == [("shop", 10, 5, 0, 3, 2, 0, "whole")]


def test_a_log_that_took_the_place_of_another_counts_from_where_the_operator_let_it_go_on(
    tailrace: Tailrace, world: World, query: Query
) -> None:
    world.accept(5, 2, 3)
    world.apply(1, applied=70)
    query(
        "insert into stream_commands (partition, command, operator, reason, applied_origin_before, applied_origin_after)"
        " values (0, 'accept-other-log', 'eve', 'Kafka was lost', 0, 1)"
    )

    found = tailrace("conservation", "--json")

    assert found.code == 0
    assert [tuple(line.values()) for line in found.json["events"]] == [("shop", 80, 70, 0, 3, 7, 0, "partial")]


def test_a_quick_check_reads_only_what_is_in_flight_and_says_so(tailrace: Tailrace, world: World) -> None:
    world.accept(5, 2)
    world.apply(0, applied=4)

    found = tailrace("conservation", "--quick", "--json")

    assert found.code == 0
    assert found.json["events"][0]["log"] == "partial"
    assert found.json["inFlight"] == 2


def test_a_log_that_is_shorter_than_what_is_applied_is_a_breach(tailrace: Tailrace, world: World) -> None:
    world.accept(5)
    world.apply(3, applied=5)

    assert "partition 0: 3 is applied, but the log ends at 1" in tailrace("conservation").out


def test_windows_that_hold_the_cost_of_counted_observations_hold(tailrace: Tailrace, world: World) -> None:
    world.spend("0.000000123456789012345678901")
    world.spend("12.5", counted=False)

    found = tailrace("conservation", "--json")

    assert found.code == 0
    assert found.json["costs"][0]["observations"] == "0.000000123456789012345678901"
    assert found.json["costs"][0]["day"] == "0.000000123456789012345678901"


def test_a_difference_in_the_last_digit_breaks_the_sum_law(tailrace: Tailrace, world: World) -> None:
    world.spend("1.000000000000000000000001", windows="1.000000000000000000000002")

    found = tailrace("conservation")

    assert found.code == 1
    assert "-0.000000000000000000000001" in found.out
    assert "BROKEN  project shop: its counted observations cost 1.000000000000000000000001 USD" in found.out
