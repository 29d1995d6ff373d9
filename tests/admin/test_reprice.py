"""`tailrace reprice` from the command line to the rows: what it tells is what it does, to the last digit, and closed periods stay."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import orjson
import pytest

from tailrace.admin import appraisal, reprice_pace
from tailrace.admin.reprice_send import RawSender
from tailrace.core.pricing import PriceTable, load_price_table
from tailrace.runtime.resources import schemas
from tailrace.wire.repricing import Repricing
from tests.admin.conftest import Outcome, Tailrace
from tests.admin.live import Live, open_live
from tests.events import Event, make_events
from tests.integration.worker import generation
from tests.own_models import write_model

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("kafka_bootstrap")]

MODEL = "gpt-4o-mini"
MARCH = ("--from", "2026-03-01", "--to", "2026-04-01")
WHY = ("--reason", "the table was wrong", "--operator", "ada")


def wrong_table(factor: int = 2, *, unknown: bool = False) -> PriceTable:
    """The shipped table, where the model costs so many times as much, or is not known."""
    table = orjson.loads((schemas() / "prices.json").read_bytes())
    (wrong,) = [model for model in table["models"] if model["model"] == MODEL]
    for tier in (tier for price in wrong["prices"] for tier in price["tiers"]):
        tier["prices"] = {key: str(Decimal(price) * factor) for key, price in tier["prices"].items()}
    if unknown:
        table["models"].remove(wrong)
    return load_price_table(table)


@pytest.fixture
async def live(tailrace: Tailrace, postgres_dsn: str, kafka_bootstrap: str, topic_prefix: str) -> AsyncGenerator[Live]:
    """An installation that has priced by a wrong table so far."""
    for command in (("topics",), ("tenant", "create", "--org", "acme", "--project", "p")):
        assert (await asyncio.to_thread(tailrace, *command)).code == 0
    installation = await open_live(postgres_dsn, kafka_bootstrap, topic_prefix)
    installation.prices = wrong_table()
    yield installation
    await installation.pool.close()


class Reprice:
    """Runs the command beside the test's loop."""

    def __init__(self, tailrace: Tailrace) -> None:
        self._tailrace = tailrace

    async def other(self, *arguments: str) -> Outcome:
        return await asyncio.to_thread(self._tailrace, *arguments)

    async def text(self, *arguments: str) -> Outcome:
        return await self.other("reprice", "--model", MODEL, *arguments)

    async def __call__(self, *arguments: str) -> dict[str, Any]:
        """The report."""
        outcome = await self.text("--json", *arguments)
        assert outcome.code == 0, outcome.err
        return outcome.json


@pytest.fixture
def reprice(tailrace: Tailrace) -> Reprice:
    return Reprice(tailrace)


def of_user(trace: str, user: str) -> Event:
    body = {"id": trace, "userId": user, "timestamp": "2026-03-01T10:00:00Z"}
    return {"id": f"u-{trace}", "type": "trace-create", "timestamp": "2026-03-01T10:00:00Z", "body": body}


async def costs(live: Live) -> dict[tuple[str, Any], Decimal]:
    """All sums that a repricing must move alike: of observations, of traces, and of each kind of window, by user."""
    rows = await live.pool.fetch(
        """select 'observations' as what, t.user_id, sum(o.total_cost) as cost
           from observations o join traces t on t.project_id = o.project_id and t.id = o.trace_id where o.counted group by 2
           union all select 'traces', user_id, sum(total_cost) from traces group by 2
           union all select bucket, user_id, sum(cost) from cost_parts group by 1, 2"""
    )
    return {(row["what"], row["user_id"]): row["cost"] or Decimal(0) for row in rows}


async def test_what_a_dry_run_tells_is_what_the_run_does_and_a_second_run_finds_nothing(
    live: Live, reprice: Reprice
) -> None:
    await live.send(make_events(7, traces=40))
    await live.settle()
    before, rows = await costs(live), await live.rows()

    told = await reprice(*MARCH, "--dry-run")
    await live.settle()
    assert await live.rows() == rows
    done = await reprice(*MARCH, *WHY)
    await live.settle()
    after = await costs(live)
    again = await reprice(*MARCH, *WHY)

    by_user: dict[Any, Decimal] = {}
    for line in told["lines"]:
        by_user[line["user"]] = by_user.get(line["user"], Decimal(0)) + Decimal(line["difference"])
    assert len(by_user) > 3
    assert all(line["model"] == MODEL for line in told["lines"])
    for (what, user), cost in before.items():
        assert after[what, user] - cost == by_user.get(user, 0), (what, user)
    same = ("lines", "observations", "before", "after", "difference", "lookedAt", "stated")
    assert {name: told[name] for name in same} == {name: done[name] for name in same}
    assert Decimal(done["difference"]) == -Decimal(done["after"]) < 0
    assert told["stated"] > 0
    assert (told["records"], told["command"], again["observations"], again["records"]) == (0, None, 0, 0)
    assert (await reprice.other("conservation")).code == 0
    assert await live.sum_law() == {0}


async def test_the_log_folded_again_by_the_right_table_finds_no_difference(live: Live, reprice: Reprice) -> None:
    start = datetime.now(UTC) - timedelta(minutes=1)
    events = make_events(8, traces=20)
    for event in events:
        event["body"].pop("costDetails", None)
    await live.send(events)
    await live.settle()
    await reprice(*MARCH, *WHY)
    await live.settle()
    live.prices = wrong_table(5)
    late = {"id": "late", "type": "generation-update", "timestamp": "2026-03-02T00:00:00Z"}
    some = await live.pool.fetchrow("select trace_id, id from observations where model = $1 limit 1", MODEL)
    assert some is not None
    await live.send([{**late, "body": {"id": some["id"], "traceId": some["trace_id"], "usage": {"input": 10_000}}}])
    await live.settle()

    outcome = await reprice.other("replay", "--from", start.isoformat(), "--into", "shadow", "--json")

    cost: Decimal = await live.pool.fetchval("select total_cost from observations where id = $1", some["id"])
    assert cost == Decimal("0.0015")
    assert (outcome.code, outcome.json["differences"]) == (0, 0)


async def test_each_run_leaves_a_row_that_says_who_why_and_how_much(live: Live, reprice: Reprice) -> None:
    await live.send([of_user("t1", "ada"), generation("t1", "g1"), generation("t2", "g2", usage={"input": 3_000})])
    await live.settle()

    report = await reprice(*MARCH, *WHY, "--project", "p")

    row = await live.pool.fetchrow("select * from repricings")
    assert row is not None
    assert (row["project_id"], row["model"], row["operator"], row["reason"]) == ("p", MODEL, *WHY[3::-2])
    assert (row["observations"], row["cost_before"], row["cost_after"]) == (2, Decimal("0.0012"), Decimal("0.0006"))
    assert (row["from_start"], row["to_start"]) == (datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))
    assert (str(row["command"]), row["forced"], row["completed_at"] is None) == (report["command"], False, False)
    assert row["commanded_at"] <= row["completed_at"]


async def test_a_closed_period_stays_as_it_is_unless_it_is_forced(live: Live, reprice: Reprice) -> None:
    start = "2026-03-15T00:00:00Z"
    await live.send([generation("t1", "old", "2026-03-14T23:59:59.999999Z"), generation("t2", "new", start)])
    await live.settle()
    assert (await reprice.other("period", "close", "--project", "p", "--before", "2026-03-15")).code == 0

    left = await reprice(*MARCH, *WHY)
    refused = await reprice.other("period", "close", "--project", "p", "--before", "2026-03-20")
    await live.settle()
    frozen = await _cost_by_id(live)
    forced = await reprice(*MARCH, *WHY, "--force")
    await live.settle()

    assert (left["observations"], left["closedObservations"], left["closedDifference"]) == (1, 1, "-0.00015")
    assert frozen == {"old": Decimal("0.0003"), "new": Decimal("0.00015")}
    assert refused.err.startswith("tailrace: a repricing of p is not applied yet")
    assert (forced["observations"], forced["closedObservations"]) == (1, 0)
    assert await _cost_by_id(live) == {"old": Decimal("0.00015"), "new": Decimal("0.00015")}
    audited = await live.pool.fetch("select forced, observations, left_closed from repricings order by commanded_at")
    assert [tuple(row) for row in audited] == [(False, 1, 1), (True, 1, 0)]
    assert await live.sum_law() == {0}


async def test_a_model_that_nobody_knew_is_priced_and_a_stated_cost_is_not_touched(
    live: Live, reprice: Reprice
) -> None:
    live.prices = wrong_table(unknown=True)
    await live.send([generation("t1", "unknown"), generation("t2", "stated", costDetails={"input": 0.5})])
    await live.settle()
    assert await _cost_by_id(live) == {"unknown": None, "stated": Decimal("0.5")}

    report = await reprice(*MARCH, *WHY)
    await live.settle()

    assert (report["observations"], report["stated"], report["before"]) == (1, 1, "0")
    assert await _cost_by_id(live) == {"unknown": Decimal("0.00015"), "stated": Decimal("0.5")}
    model = await live.pool.fetchval("select model from cost_parts where bucket = 'day' and cost = 0.00015")
    assert model == MODEL


async def test_an_own_model_is_the_price_of_today_for_its_project_and_from_its_start(
    live: Live, reprice: Reprice
) -> None:
    live.prices = wrong_table(1)
    starts = {"before": "2026-03-14T23:00:00Z", "after": "2026-03-15T00:00:00Z"}
    events = [generation(span, span, at) for span, at in starts.items()]
    await live.send(events)
    await live.send(events, project_id="other")
    await live.settle()
    await write_model(live.pool, matchPattern=MODEL, startDate="2026-03-15T00:00:00Z", inputPrice=1)

    report = await reprice(*MARCH, *WHY)
    await live.settle()

    assert [(line["project"], line["model"], line["after"]) for line in report["lines"]] == [("p", "ours", "1000")]
    found = await live.pool.fetch("select project_id, id, total_cost from observations order by 1, 2")
    assert [tuple(row) for row in found] == [
        ("other", "after", Decimal("0.00015")),
        ("other", "before", Decimal("0.00015")),
        ("p", "after", 1_000),
        ("p", "before", Decimal("0.00015")),
    ]


async def test_a_run_that_was_interrupted_can_be_started_again(
    live: Live, reprice: Reprice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In pages of three, it dies on its second one."""
    monkeypatch.setattr(appraisal, "PAGE_ROWS", 3)
    await live.send([generation(f"t{number}", f"g{number}") for number in range(10)])
    await live.settle()
    send, sent = RawSender.send, list[Repricing]()

    async def die(sender: RawSender, project_id: str, record: Repricing) -> tuple[int, int]:
        sent.append(record)
        if len(sent) > 4:
            raise OSError("killed")
        return await send(sender, project_id, record)

    with monkeypatch.context() as patch:
        patch.setattr(RawSender, "send", die)
        assert (await reprice.text(*MARCH, *WHY)).code == 1
    with monkeypatch.context() as patch:
        patch.setattr(reprice_pace, "PATIENCE_SECONDS", 0.3)
        waiting = await reprice.text(*MARCH, *WHY)
    running = asyncio.create_task(reprice(*MARCH, *WHY))
    await asyncio.sleep(0.2)
    await live.settle()
    rest = await running
    await live.settle()

    assert waiting.err.startswith("tailrace: an earlier repricing is not applied yet")
    assert 6 <= rest["observations"] <= 7
    assert set((await _cost_by_id(live)).values()) == {Decimal("0.00015")}
    audited = await live.pool.fetch("select observations, completed_at is null from repricings order by commanded_at")
    assert [tuple(row) for row in audited] == [(3, True), (rest["observations"], False)]
    assert await live.sum_law() == {0}


async def test_it_runs_no_further_ahead_than_the_processors_can_follow_and_gives_up_where_they_do_not(
    live: Live, reprice: Reprice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(appraisal, "PAGE_ROWS", 2)
    monkeypatch.setattr(reprice_pace, "MOST_OBSERVATIONS", 2)
    monkeypatch.setattr(reprice_pace, "PATIENCE_SECONDS", 0.5)
    await live.send([generation(f"t{number}", f"g{number}") for number in range(10)])
    await live.settle()

    stuck = await reprice.text(*MARCH, *WHY)
    sent_alone = await live.pool.fetchval("select sum(observations) from repricings")
    monkeypatch.setattr(reprice_pace, "PATIENCE_SECONDS", 60.0)
    await live.settle()
    running = asyncio.create_task(reprice(*MARCH, *WHY))
    while not running.done():
        await live.settle()
        await asyncio.sleep(0.05)
    await live.settle()

    assert (stuck.code, sent_alone) == (1, 2)
    assert stuck.err.startswith("tailrace: nothing that was sent is being applied")
    assert (await running)["observations"] == 8
    assert set((await _cost_by_id(live)).values()) == {Decimal("0.00015")}


async def test_usage_that_is_told_twice_is_repriced_and_counts_once(live: Live, reprice: Reprice) -> None:
    inner = generation("t", "inner", parentObservationId="outer")
    await live.send([generation("t", "outer"), inner])
    await live.settle()

    report = await reprice(*MARCH, *WHY)
    await live.settle()

    assert (report["observations"], report["repeats"], report["difference"]) == (1, 1, "-0.00015")
    assert set((await _cost_by_id(live)).values()) == {Decimal("0.00015")}
    assert await live.sum_law() == {0}


async def test_a_table_says_it_in_words(live: Live, reprice: Reprice) -> None:
    await live.send([of_user("t1", "ada"), generation("t1", "g1")])
    await live.settle()

    outcome = await reprice.text(*MARCH, "--dry-run")

    heading, line, _, told = outcome.out.splitlines()
    assert heading.split() == [
        "PROJECT",
        "USER",
        "MODEL",
        "OBSERVATIONS",
        "BEFORE",
        "USD",
        "AFTER",
        "USD",
        "DIFFERENCE",
        "USD",
    ]
    assert line.split() == ["p", "ada", MODEL, "1", "0.0003", "0.00015", "-0.00015"]
    assert told == "would change 1 of 1 observations: 0.0003 USD to 0.00015 USD, a difference of -0.00015 USD"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (MARCH, "expected either --dry-run, or a --reason in words"),
        ((*MARCH, "--dry-run", *WHY), "expected either --dry-run, or a --reason in words"),
        ((*MARCH, "--reason", " "), "expected a --reason in words, got nothing"),
        (("--from", "2026-04-01", "--to", "2026-04-01", "--dry-run"), "expected --from before --to"),
        ((*MARCH, "--dry-run", "--project", "q"), "there is no project q"),
        ((*MARCH, "--dry-run", "--project", "q\x00"), "expected texts without U+0000"),
    ],
)
async def test_what_makes_no_sense_is_refused_in_a_sentence(
    live: Live, reprice: Reprice, arguments: tuple[str, ...], complaint: str
) -> None:
    outcome = await reprice.text(*arguments)

    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.startswith(f"tailrace: {complaint}")


async def test_one_command_at_a_time(live: Live, reprice: Reprice) -> None:
    connection: Any
    async with live.pool.acquire() as connection:
        await connection.execute("select pg_advisory_lock($1)", 0x7461696C_0020)
        for command in (
            ("reprice", "--model", MODEL, *MARCH, *WHY),
            ("period", "close", "--project", "p", "--before", "2026-01-01"),
        ):
            outcome = await reprice.other(*command)
            assert outcome.err.startswith("tailrace: a `tailrace reprice` or `tailrace period` is under way")
        await connection.execute("select pg_advisory_unlock_all()")


async def _cost_by_id(live: Live) -> dict[str, Decimal | None]:
    return {row["id"]: row["total_cost"] for row in await live.pool.fetch("select id, total_cost from observations")}
