"""A replay of the log beside the live tables: equal where nothing is wrong, exact about what is, and put right when told to."""

import asyncio
import sys
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tailrace.admin import replay as command
from tailrace.admin.command import OperatorError
from tailrace.admin.shadow_compare import Comparison, compare
from tailrace.admin.shadow_swap import Swapped, Swapper
from tailrace.assembler import batch
from tailrace.assembler.mapping import Mapped, map_record
from tailrace.core.pricing import PriceTable
from tailrace.meter.windows import LiveWindows, Version, key_of
from tailrace.wire.topics import RawHeaders
from tests.admin.conftest import Outcome, Tailrace
from tests.admin.live import Live, open_live
from tests.events import Event, make_events
from tests.integration.worker import generation
from tests.own_models import write_model
from tests.score_configs import archive_config, write_config

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("kafka_bootstrap")]

TABLES = (
    "traces",
    "trace_bodies",
    "observations",
    "observation_bodies",
    "scores",
    "users",
    "sessions",
    "dead_letters",
    "cost_parts",
)


@pytest.fixture
async def live(tailrace: Tailrace, postgres_dsn: str, kafka_bootstrap: str, topic_prefix: str) -> AsyncGenerator[Live]:
    made = await asyncio.to_thread(tailrace, "topics")
    assert made.code == 0
    installation = await open_live(postgres_dsn, kafka_bootstrap, topic_prefix)
    yield installation
    await installation.pool.close()


class Replay:
    """Runs the command beside the test's loop."""

    def __init__(self, tailrace: Tailrace) -> None:
        self._tailrace = tailrace
        self.start = datetime.now(UTC) - timedelta(minutes=1)

    async def text(self, *arguments: str, start: datetime | None = None) -> Outcome:
        begin = (start or self.start).isoformat()
        return await asyncio.to_thread(self._tailrace, "replay", "--from", begin, "--into", "shadow", *arguments)

    async def __call__(self, *arguments: str, start: datetime | None = None) -> dict[str, Any]:
        """The report, with its exit code as `code` and its tables by name."""
        outcome = await self.text("--json", *arguments, start=start)
        assert outcome.out, outcome.err
        report = outcome.json
        tables = {table["table"]: table for table in report["comparison"]["tables"]}
        return {**report, "code": outcome.code, "tables": tables, "notCompared": report["comparison"]["notCompared"]}


@pytest.fixture
def replay(tailrace: Tailrace) -> Replay:
    return Replay(tailrace)


def differences(report: dict[str, Any]) -> dict[str, list[tuple[str, str, list[str]]]]:
    """What differs, by table."""
    return {
        name: [(one["row"], one["what"], one["columns"]) for one in table["first"]]
        for name, table in report["tables"].items()
        if table["first"]
    }


def score(number: int, **values: Any) -> Event:
    body = {"id": f"s{number}", "traceId": f"trace-1-{number}", "name": "quality", "value": number / 3} | values
    return {"id": f"es{number}", "type": "score-create", "timestamp": "2026-03-01T12:00:00Z", "body": body}


async def test_a_replay_of_everything_equals_what_is_stored(live: Live, replay: Replay) -> None:
    """Also the second time, and it leaves nothing behind."""
    await live.send([*make_events(1, traces=30), *map(score, range(5))])
    await live.send(make_events(1, traces=10), project_id="other")
    await live.send([{"id": "bad", "type": "nonsense", "body": {}}, score(9)])
    await live.settle()
    before = await live.rows()

    first, second = await replay(), await replay()

    assert differences(first) == differences(second) == {}
    assert (first["code"], first["differences"], second["code"]) == (0, 0, 0)
    assert set(first["tables"]) == set(TABLES)
    assert first["tables"]["traces"]["compared"] == 40
    assert all(first["tables"][table]["equal"] for table in TABLES if table != "dead_letters")
    assert set(first["notCompared"].values()) == {0}
    assert await live.rows() == before
    assert not await live.pool.fetchval("select count(*) from pg_namespace where nspname = 'shadow'")


async def test_a_row_changed_by_hand_is_exactly_what_differs_and_a_swap_puts_it_right(
    live: Live, replay: Replay
) -> None:
    await live.send(make_events(1, traces=20))
    await live.settle()
    before = await live.rows()
    await live.pool.execute("update traces set name = 'wrong', bookmarked = true where id = 'trace-1-3'")
    await live.pool.execute(
        "update observations set total_cost = 99 where ctid in (select ctid from observations where total_cost > 0 limit 1)"
    )

    compared = await replay()
    swapped = await replay("--swap", "--reason", "a bad update", "--operator", "ada")
    again = await replay()

    found = differences(compared)
    assert compared["code"] == 1
    assert found["traces"] == [("p/trace-1-3", "different", ["name"])]
    assert [columns for _, _, columns in found["observations"]] == [["total_cost"]]
    assert set(found) == {"traces", "observations"}
    assert (swapped["code"], again["code"], differences(again)) == (0, 0, {})
    assert sum(one["traces"] for one in swapped["swapped"]) == 2
    assert await live.sum_law() == {0}
    kept = await live.pool.fetchval("update traces set bookmarked = false where bookmarked returning id")
    assert kept == "trace-1-3"
    assert await live.rows() == before


async def test_wrong_costs_are_put_right_to_the_last_digit(live: Live, replay: Replay) -> None:
    """An observation that is gone, one that never was, a trace of another user, a part that is off."""
    await live.send(make_events(3, traces=30))
    await live.settle()
    before = await live.rows()
    await live.pool.execute(
        "update cost_parts set cost = cost + 0.0000001 where ctid in (select ctid from cost_parts where cost > 0 limit 1)"
    )
    await live.pool.execute("delete from observations where trace_id = 'trace-3-4'")
    await live.pool.execute("delete from traces where id = 'trace-3-5'")
    await live.pool.execute(
        """insert into observations select (jsonb_populate_record(o, '{"id": "ghost"}')).* from observations o
           where trace_id = 'trace-3-6' limit 1"""
    )

    compared = await replay()
    swapped = await replay("--swap", "--reason", "found by the audit")

    assert {"observations", "traces", "cost_parts"} <= set(differences(compared))
    assert compared["tables"]["observations"]["onlyLive"] == 1
    assert compared["tables"]["traces"]["onlyShadow"] == 1
    assert swapped["code"] == 0
    assert await live.rows() == before
    assert await live.sum_law() == {0}


async def test_a_swap_is_recorded_and_needs_a_reason_and_makes_the_owner_start_over(live: Live, replay: Replay) -> None:
    await live.send([generation("t1", "g1")])
    await live.settle()
    epochs = await live.pool.fetch("select partition, epoch from stream_progress order by 1")
    await live.pool.execute("update traces set name = 'wrong'")

    refused = await replay.text("--swap")
    assert (refused.code, refused.err) == (1, "tailrace: expected a --reason in words with --swap, got nothing\n")
    assert (await replay("--swap", "--reason", "why not", "--operator", "ada"))["code"] == 0

    row = await live.pool.fetchrow("select * from replay_swaps")
    assert row is not None
    assert (row["operator"], row["reason"], row["traces"], row["left_traces"]) == ("ada", "why not", 1, 0)
    assert row["announced_at"] is not None
    fenced = await live.pool.fetch("select partition, epoch, owner from stream_progress order by 1")
    changed = [now for now, was in zip(fenced, epochs, strict=True) if now["epoch"] > was["epoch"]]
    assert [(one["partition"], one["owner"]) for one in changed] == [(row["partition"], None)]


async def test_the_meters_are_told_of_swapped_costs_also_when_a_replay_dies_before_it_could(
    live: Live, replay: Replay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What meters sum is what is stored then."""
    await live.send([generation("t1", "g1"), generation("t1", "g2"), generation("t2", "g3")])
    await live.settle()
    await live.pool.execute("delete from observations where id = 'g1'")
    await live.pool.execute("update traces set contributions = '[]' where id = 't1'")
    await live.pool.execute("update cost_parts set cost = cost + 1, epoch = epoch + 1 where model is not null")

    calls: list[int] = []

    async def die_after_the_swap(*_: object) -> None:
        calls.append(1)
        if len(calls) > 1:
            raise OperatorError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(command, "_announce", die_after_the_swap)
        assert (await replay.text("--swap", "--reason", "costs")).err == "tailrace: killed\n"
    assert await live.cost_records() == []
    untold = await live.pool.fetchval("select count(*) from replay_swaps where announced_at is null")
    assert untold > 0
    assert (await replay("--swap", "--reason", "again"))["code"] == 0

    windows = LiveWindows(1000)
    for record in await live.cost_records():
        for part in record.parts:
            windows.load(key_of(part), [])
            windows.merge(record.partition, Version(record.epoch, record.origin), part)
            stored = await live.pool.fetchval(
                """select cost from cost_parts where partition = $1 and user_id is null and model is not distinct from $2
                   and bucket = $3 and bucket_start = $4""",
                record.partition,
                part.model,
                part.bucket,
                part.bucket_start,
            )
            assert part.cost == stored
    assert len(windows) > 0
    assert not await live.pool.fetchval("select count(*) from replay_swaps where announced_at is null")
    assert await live.sum_law() == {0}


async def test_a_swap_that_fails_on_the_way_has_told_the_meters_what_it_did(
    live: Live, replay: Replay, monkeypatch: pytest.MonkeyPatch
) -> None:
    await live.send(make_events(4, traces=20))
    await live.settle()
    await live.pool.execute("update cost_parts set cost = cost + 1")
    swap, done = Swapper.swap, list[int]()

    async def swap_one(self: Swapper, partition: int, *arguments: Any) -> Swapped:
        if done:
            raise OperatorError("the second partition is locked")
        done.append(partition)
        return await swap(self, partition, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Swapper, "swap", swap_one)
        failed = await replay.text("--swap", "--reason", "costs")

    assert (failed.code, failed.err) == (1, "tailrace: the second partition is locked\n")
    told = await live.pool.fetch("select partition, announced_at is not null as is_told from replay_swaps")
    assert [tuple(row) for row in told] == [(done[0], True)]
    assert {record.partition for record in await live.cost_records()} == set(done)
    assert (await replay("--swap", "--reason", "again"))["code"] == 0
    assert await live.sum_law() == {0}


async def test_a_trace_that_changes_between_the_comparison_and_the_swap_is_left_and_named(
    live: Live, replay: Replay, monkeypatch: pytest.MonkeyPatch
) -> None:
    await live.send([generation("t1", "g1"), generation("t2", "g2")])
    await live.settle()
    await live.pool.execute("update traces set name = 'wrong'")
    loop = asyncio.get_running_loop()

    async def more() -> None:
        await live.send([generation("t1", "late")])
        await live.settle()

    async def compare_and_go_on(*arguments: Any) -> Comparison:
        compared = await compare(*arguments)
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(more(), loop))
        return compared

    monkeypatch.setattr(command, "compare", compare_and_go_on)
    swapped = await replay("--swap", "--reason", "names")

    assert swapped["code"] == 1
    assert [name for one in swapped["swapped"] for name in one["left"]] == ["trace p/t1"]
    names = await live.pool.fetch("select id, name, observation_count from traces order by 1")
    assert [(row["id"], row["name"], row["observation_count"]) for row in names] == [
        ("t1", None, 2),
        ("t2", None, 1),
    ]
    assert await live.sum_law() == {0}
    assert await live.pool.fetchval("select sum(left_traces) from replay_swaps") == 1


async def test_a_replay_that_is_killed_in_the_middle_is_run_again(live: Live, replay: Replay) -> None:
    await live.send(make_events(8, traces=60), at_once=1)
    await live.settle()
    command_line = [sys.executable, "-m", "tailrace", "replay", "--from", replay.start.isoformat(), "--into", "shadow"]
    child = await asyncio.create_subprocess_exec(*command_line, stdout=asyncio.subprocess.DEVNULL)
    while not await live.pool.fetchval("select to_regclass('shadow.replay_spans') is not null"):
        assert child.returncode is None
        await asyncio.sleep(0.02)
    child.kill()
    await child.wait()

    assert await live.pool.fetchval("select to_regclass('shadow.traces') is not null")
    again = await replay()
    assert (again["code"], again["tables"]["traces"]["equal"]) == (0, 60)


async def test_one_senders_odd_records_do_not_make_this_release_a_bad_measure(
    live: Live, replay: Replay, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail_for_odd(headers: RawHeaders, payload: bytes) -> Mapped:
        if headers.project_id == "odd":
            raise AttributeError("a fault of our own")
        return map_record(headers, payload)

    monkeypatch.setattr(batch, "map_record", fail_for_odd)
    await live.send(make_events(1, traces=10))
    for part in range(2):
        await live.send([generation("t", f"g{part}-{number}") for number in range(15)], project_id="odd", at_once=1)
        await live.settle()

    found = await replay()

    assert (found["code"], found["differences"]) == (0, 0)
    assert found["tables"]["dead_letters"]["equal"] == 30


async def test_only_the_chosen_project_is_replayed_and_swapped(live: Live, replay: Replay, tailrace: Tailrace) -> None:
    refused = await replay.text("--project", "shop")
    assert (refused.code, refused.err) == (
        1,
        "tailrace: there is no project shop: `tailrace tenant list` shows them\n",
    )
    for project in ("shop", "till"):
        await asyncio.to_thread(tailrace, "tenant", "create", "--org", "o", "--project", project)
        await live.send(make_events(2, traces=6), project_id=project)
    await live.settle()
    await live.pool.execute("update traces set name = 'wrong' where id = 'trace-2-2'")

    compared = await replay("--project", "shop")
    await replay("--project", "shop", "--swap", "--reason", "theirs only")

    assert differences(compared) == {"traces": [("shop/trace-2-2", "different", ["name"])]}
    assert compared["tables"]["traces"]["compared"] == 6
    names = await live.pool.fetch("select project_id, name from traces where id = 'trace-2-2' order by 1")
    assert [row["name"] == "wrong" for row in names] == [False, True]
    assert differences(await replay()) == {"traces": [("till/trace-2-2", "different", ["name"])]}


async def test_a_range_that_cuts_through_traces_leaves_those_out_and_says_so(live: Live, replay: Replay) -> None:
    """What is older, what moves on behind the range; what lies in it is compared, and its users' shared parts are not."""
    events = make_events(5, traces=12)
    cut = {f"trace-5-{number}" for number in range(4)}

    def belongs(event: Event) -> str:
        return event["body"].get("traceId") or event["body"]["id"]

    old = [event for event in events if belongs(event) in cut]
    inside = [event for event in events if belongs(event) not in cut]
    await live.send(old[: len(old) // 2])
    await asyncio.sleep(0.01)
    start = datetime.now(UTC)
    await asyncio.sleep(0.01)
    await live.send([*old[len(old) // 2 :], *inside])
    await asyncio.sleep(0.01)
    end = datetime.now(UTC)
    await asyncio.sleep(0.01)
    await live.send([generation("trace-5-7", "late"), generation("trace-new", "g")])
    await live.settle()

    whole = await replay()
    assert differences(whole) == {}
    part = await replay("--to", end.isoformat(), start=start)

    assert differences(part) == {}
    assert part["tables"]["traces"]["compared"] >= 7
    out = part["notCompared"]
    assert out["olderTraces"] > 0
    assert out["movedTraces"] == 1
    assert out["costParts"] > 0

    await live.pool.execute("update traces set name = 'wrong' where id = any ('{trace-5-1, trace-5-7, trace-5-9}')")
    await live.pool.execute(
        "update observations set total_cost = 5 where trace_id = 'trace-5-9'",
    )
    swapped = await replay("--to", end.isoformat(), "--swap", "--reason", "a part", start=start)
    assert [one["row"] for one in swapped["tables"]["traces"]["first"]] == ["p/trace-5-9"]
    left = await live.pool.fetch("select id from traces where name = 'wrong' order by 1")
    assert [row["id"] for row in left] == ["trace-5-1", "trace-5-7"]
    assert await live.sum_law() == {0}


async def test_live_traffic_is_no_difference(live: Live, replay: Replay) -> None:
    await live.send(make_events(6, traces=30))
    await live.settle()
    await live.pool.execute("update traces set name = 'wrong' where id = 'trace-6-11'")
    running = asyncio.create_task(replay("--swap", "--reason", "under traffic"))
    number = 0
    while not running.done():
        number += 1
        await live.send([generation("trace-6-2", f"late-{number}"), generation(f"more-{number}", "g")])
        await live.settle()
        await asyncio.sleep(0.05)
    swapped = running.result()

    assert differences(swapped) == {"traces": [("p/trace-6-11", "different", ["name"])]}
    assert number > 1
    await live.settle()
    assert differences(await replay()) == {}
    assert await live.sum_law() == {0}


async def test_a_changed_price_shows_in_what_it_prices_and_a_swap_reprices_that(live: Live, replay: Replay) -> None:
    """The live rows are of a table without some price; this release's table has it."""
    await live.send(
        [
            generation("t1", "g1", userId="ada"),
            generation("t2", "g2", model="a-model-nobody-knows"),
            {
                "id": "u",
                "type": "trace-create",
                "timestamp": "2026-03-01T10:00:00Z",
                "body": {"id": "t1", "userId": "ada"},
            },
        ]
    )
    known, live.prices = live.prices, _Unknowing(live.prices)
    await live.settle()
    live.prices = known

    compared = await replay()
    await replay("--swap", "--reason", "the price was missing")

    found = differences(compared)
    assert [row for row, _, _ in found["observations"]] == ["p/t1/g1/2026-03-01"]
    assert "price_version" not in found["observations"][0][2]
    assert {"total_cost", "cost_details"} <= set(found["observations"][0][2])
    assert compared["comparison"]["repriced"] == [{"live": "nobody", "rebuilt": known.version, "observations": 1}]
    assert await live.sum_law() == {0}
    assert await live.pool.fetchval("select sum(cost) from cost_parts where bucket = 'day' and user_id = 'ada'") > 0
    assert differences(await replay()) == {}


async def test_a_replay_prices_by_the_own_models_of_the_time(live: Live, replay: Replay) -> None:
    """Whatever was changed since; what the live tables have of it is not asked."""
    await write_model(live.pool, "m", matchPattern="^of-our-own$")
    await live.send([generation("t1", "g1", model="of-our-own")])
    await live.settle()
    await write_model(live.pool, "m", matchPattern="^of-our-own$", inputPrice=2)

    compared = await replay()

    assert await live.pool.fetchval("select total_cost from observations") == 1000
    assert (compared["code"], differences(compared)) == (0, {})
    assert compared["tables"]["observations"]["equal"] == 1


class _Unknowing(PriceTable):
    """A price table without a model."""

    def __init__(self, table: PriceTable) -> None:
        self.version = table.version

    def match(self, model: str, at: datetime) -> None:
        return None


async def test_a_kept_shadow_is_dropped_by_the_next_replay_and_a_foreign_schema_is_left_alone(
    live: Live, replay: Replay
) -> None:
    await live.send(make_events(8, traces=5))
    await live.settle()
    kept = await replay("--keep")
    assert kept["code"] == 0
    await live.pool.execute("delete from shadow.traces; drop table shadow.scores")
    assert (await replay())["code"] == 0
    await live.pool.execute("create schema shadow")

    refused = await replay.text()

    assert refused.err == "tailrace: the schema shadow was not made by a replay: name another --into\n"
    assert await live.pool.fetchval("select count(*) from pg_namespace where nspname = 'shadow'") == 1


async def test_a_part_of_the_log_that_is_gone_is_refused(live: Live, replay: Replay) -> None:
    await live.send(make_events(9, traces=3))
    await live.settle()
    await live.pool.execute(
        "insert into stream_commands (partition, command, operator, reason, applied_origin_before, applied_origin_after) "
        "values (0, 'accept-loss', 'ada', 'disk', 5, -1)"
    )

    assert "was let go on at another place of the log" in (await replay.text()).err
    assert "expected --from before --to" in (await replay.text("--to", "2020-01-01")).err


async def test_a_replay_judges_scores_as_they_were_judged_and_brings_no_deleted_one_back(
    live: Live, replay: Replay
) -> None:
    """Although the config is archived since, and although the deletion lies before a range in which the score was sent again."""
    await write_config(live.pool, maxValue=1)
    await asyncio.sleep(0.6)
    await live.send([score(1, configId="c"), score(4, configId="c"), score(2)])
    await live.delete_score("s2")
    await live.settle()
    await archive_config(live.pool)
    await asyncio.sleep(0.6)
    middle = datetime.now(UTC)
    await live.send([score(2)])
    await live.settle()
    before = await live.rows()

    whole = await replay("--swap", "--reason", "all of it")
    part = await replay("--swap", "--reason", "a part", start=middle)

    assert differences(whole) == differences(part) == {}
    assert whole["tables"]["scores"]["compared"] == 2
    assert part["notCompared"]["olderScores"] == 1
    assert await live.rows() == before
    assert [tuple(row) for row in await live.pool.fetch("select id from scores where not deleted")] == [("s1",)]
    assert await live.pool.fetchval("select reason from dead_letters") == "refused_by_config"
