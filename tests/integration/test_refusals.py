"""What cannot be folded, sent or stored: one dead letter with the sender's bytes, and everything after it goes on."""

import random
from collections.abc import Sequence
from datetime import datetime

import asyncpg
import orjson
import pytest

from tailrace.assembler import batch, encoding
from tailrace.assembler.mapping import Mapped, map_record
from tailrace.core.pricing import Price, PriceTable
from tailrace.runtime.settings import Processing
from tailrace.sink import repository
from tailrace.sink.tables import Rows, Table, rows_of
from tailrace.wire.records import AssembledRecord
from tailrace.wire.topics import RawHeaders
from tests.fakes import eventually
from tests.integration.partition import sum_law_differences
from tests.integration.worker import PRICES, Sink, Worker, World, generation

pytestmark = pytest.mark.integration


class BrittleTable(PriceTable):
    """A price table that breaks at a model, the first so many times."""

    def __init__(self, times: int) -> None:
        self.version = PRICES.version
        self._times = times

    def match(self, model: str, at: datetime) -> Price | None:
        if model == "brittle" and self._times:
            self._times -= 1
            raise ZeroDivisionError("a fault of our own")
        return PRICES.match(model, at)


async def _letters(world: World) -> list[tuple[int, int, str, bytes]]:
    rows = await world.pool.fetch("select origin, sequence, reason, payload from dead_letters order by 1, 2")
    return [tuple(row) for row in rows]


async def _run(world: World, worker: Worker) -> None:
    async with worker.running(), world.sink().running():
        await world.all_applied()


async def test_a_record_whose_fold_fails_twice_is_a_dead_letter_and_the_next_are_applied(world: World) -> None:
    world.topic.append([generation("t", "g0")])
    bad = world.topic.append([generation("t", "g1", model="brittle"), generation("t", "g2")])
    world.topic.append([generation("t", "g3")])
    worker = world.worker(prices=BrittleTable(times=10))
    await _run(world, worker)

    assert await _letters(world) == [(1, 0, "internal_error", bad.value), (1, 1, "internal_error", b"")]
    assert await world.counts() == (4, 2, 2)
    assert await world.pool.fetchval("select observation_count from traces") == 2
    assert set((await sum_law_differences(world.pool)).values()) == {0}


async def test_a_record_whose_fold_fails_once_is_folded_from_the_stored_state(world: World) -> None:
    world.topic.append([generation("t", "g0")])
    world.topic.append([generation("t", "g1"), generation("t", "g2", model="brittle")])
    worker = world.worker(prices=BrittleTable(times=1))
    await _run(world, worker)

    assert await world.counts() == (3, 3, 0)
    assert await world.pool.fetchval("select observation_count from traces") == 3


async def test_a_record_that_cannot_be_read_for_a_fault_of_our_own_is_a_dead_letter(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail_at_g1(headers: RawHeaders, payload: bytes) -> Mapped:
        if b'"g1"' in payload:
            raise AttributeError("a fault of our own")
        return map_record(headers, payload)

    monkeypatch.setattr(batch, "map_record", fail_at_g1)
    world.topic.append([generation("t", "g0")])
    bad = world.topic.append([generation("t", "g1")])
    world.topic.append([generation("t", "g2")])
    await _run(world, world.worker())

    assert await _letters(world) == [(1, 0, "internal_error", bad.value)]
    assert await world.counts() == (3, 2, 1)


async def test_a_record_whose_state_cannot_be_loaded_is_a_dead_letter_and_its_neighbours_are_applied(
    world: World,
) -> None:
    world.topic.append([generation("t", "g0")])
    await _run(world, world.worker())
    await world.pool.execute("update observations set start_time = 'infinity'")
    worker = world.worker()
    worker.log.delivering = False
    records = [world.topic.append([generation(trace, span)]) for trace, span in (("u", "g"), ("t", "g0"), ("v", "g"))]
    async with worker.running(), world.sink().running():
        await eventually(lambda: worker.log.seeks == [0])
        worker.log.delivering = True
        worker.log.wake()
        await world.all_applied()

    assert await _letters(world) == [(2, 0, "internal_error", records[1].value)]
    assert await world.counts() == (4, 3, 1)


async def test_a_database_of_another_release_ends_the_assembler_and_buries_nothing(world: World) -> None:
    world.topic.append([generation("t", "g0")])
    await world.pool.execute("alter table observations rename column level to severity")
    worker = world.worker()
    async with worker.running():
        await eventually(worker.assembler.failed.done)

    assert isinstance(worker.assembler.failed.exception(), asyncpg.UndefinedColumnError)
    assert world.assembled == []


async def test_headers_that_no_edge_writes_are_a_dead_letter(world: World) -> None:
    good = dict(world.topic.append([generation("t", "g0")]).headers)
    for name, value in (("received", b"1" + b"0" * 30), ("received", b"-5"), ("events", b"-1"), ("events", b"0.5")):
        world.topic.append_raw({**good, name: value}, b"{}")
    world.topic.append([generation("t", "g1")])
    await _run(world, world.worker())

    assert [letter[2] for letter in await _letters(world)] == ["unknown_record_kind"] * 4
    assert await world.pool.fetchval("select observation_count from traces") == 2


@pytest.mark.parametrize("stated", [0, 1, 3])
async def test_a_record_with_another_number_of_events_than_its_headers_state_is_dead_and_counted_as_they_say(
    world: World, stated: int
) -> None:
    record = world.topic.append([generation("t", "g0"), generation("t", "g1")])
    world.topic.records[0] = record._replace(headers={**record.headers, "events": b"%d" % stated})
    world.topic.append([generation("t", "g2")])
    await _run(world, world.worker())

    assert await world.counts() == (stated + 1, 1, stated)
    assert await world.pool.fetchval("select observation_count from traces") == 1


async def test_a_record_too_large_to_be_sent_is_a_dead_letter(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding, "MAX_RECORD_BYTES", 160_000)
    world.topic.append([generation("t", "g0")])
    bad = world.topic.append([generation("t", "g1", metadata={"quotes": '"' * 50_000})])
    world.topic.append([generation("t", "g2")])
    await _run(world, world.worker())

    assert await _letters(world) == [(1, 0, "observation_too_large", bad.value)]
    assert await world.counts() == (3, 2, 1)


async def test_a_dead_letter_too_large_to_be_sent_goes_without_its_bytes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoding, "MAX_RECORD_BYTES", 100_000)
    world.topic.append([generation("t", "g0", input="x" * 200_000)])
    world.topic.append([generation("t", "g1")])
    await _run(world, world.worker())

    assert await _letters(world) == [(0, 0, "observation_too_large", b"")]
    assert await world.pool.fetchval("select detail like '%in the raw log only' from dead_letters")


async def test_what_postgres_refuses_is_one_dead_letter_with_its_bytes_and_the_next_records_are_applied(
    world: World,
) -> None:
    await world.pool.execute(
        """create function refuse() returns trigger language plpgsql as $$
           begin raise exception 'this id is refused'; end $$;
           create trigger refuse before insert on observations for each row when (new.id = 'g2') execute function refuse()"""
    )
    records = [world.topic.append([generation("t", f"g{number}")]) for number in range(5)]
    await _run(world, world.worker())

    assert await _letters(world) == [(2, 0, "refused_by_postgres", records[2].value)]
    assert await world.counts() == (5, 4, 1)
    rows = await world.pool.fetch("select id from observations order by id")
    assert [row["id"] for row in rows] == ["g0", "g1", "g3", "g4"]
    assert await world.pool.fetchval("select observation_count from traces") == 4
    assert set((await sum_law_differences(world.pool)).values()) == {0}


async def test_what_postgres_refuses_after_its_raw_record_has_expired_is_a_dead_letter_that_says_so(
    world: World,
) -> None:
    await world.pool.execute(
        """create function refuse() returns trigger language plpgsql as $$
           begin raise exception 'this id is refused'; end $$;
           create trigger refuse before insert on observations for each row when (new.id = 'g1') execute function refuse()"""
    )
    async with world.worker().running():
        for number in range(3):
            world.topic.append([generation("t", f"g{number}"), generation("t", f"h{number}")])
        await eventually(lambda: len(world.assembled) == 3)
        world.topic.expire(2)
        async with world.sink().running():
            await world.all_applied()

    assert await _letters(world) == [(1, 0, "refused_by_postgres", b"")]
    detail = await world.pool.fetchval("select detail from dead_letters")
    assert detail == "RaiseError: this id is refused; kept without its bytes: the raw log begins at 2"
    assert await world.counts() == (6, 4, 2)


@pytest.mark.parametrize("value", [2**63, "\ud800", ()])
async def test_what_the_driver_cannot_write_is_refused_alone(
    world: World, monkeypatch: pytest.MonkeyPatch, value: object
) -> None:
    for number in range(3):
        world.topic.append([generation("t", f"g{number}")])
    _give_out(monkeypatch, "g1", value)
    await _run(world, world.worker())

    assert [(origin, reason) for origin, _, reason, _ in await _letters(world)] == [(1, "refused_by_postgres")]
    assert await world.counts() == (3, 2, 1)


async def test_a_value_error_of_our_own_code_buries_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async with world.worker().running():
        world.topic.append([generation("t", "g0")])
        await eventually(lambda: len(world.assembled) == 1)

    def fail(*_: object) -> list[object]:
        raise ValueError("a fault of our own")

    monkeypatch.setattr(repository, "rows_of", fail)
    with pytest.raises(ValueError, match="a fault of our own"):
        await world.sink().apply()

    assert await _letters(world) == []
    assert (await world.progress())["applied_origin"] == -1


def _give_out(monkeypatch: pytest.MonkeyPatch, span: str, value: object) -> None:
    """Let the sink read `value` as the name or the tokens of the observation `span`."""

    def rows_with_value(table: Table, records: Sequence[AssembledRecord]) -> Rows:
        return Rows(*([_with_value(table, row) for row in rows] for rows in rows_of(table, records)))

    def _with_value(table: Table, row: tuple[object, ...]) -> tuple[object, ...]:
        if table.name != "observations" or row[table.columns.index("id")] != span:
            return row
        at = table.columns.index("name" if isinstance(value, str) else "total_tokens")
        return (*row[:at], value, *row[at + 1 :])

    monkeypatch.setattr(repository, "rows_of", rows_with_value)


async def test_an_index_entry_that_is_too_long_is_refused_alone(world: World) -> None:
    noise = random.Random(1).randbytes(6000).hex()
    world.topic.append([generation("t", "g0")])
    await world.pool.execute("create index long on observations (project_id, status_message)")
    world.topic.append([generation("t", "g1", statusMessage=noise)])
    world.topic.append([generation("t", "g2")])
    await _run(world, world.worker())

    assert [(origin, reason) for origin, _, reason, _ in await _letters(world)] == [(1, "refused_by_postgres")]
    assert await world.counts() == (3, 2, 1)


async def test_a_database_of_another_release_buries_nothing(world: World) -> None:
    for number in range(3):
        world.topic.append([generation("t", f"g{number}")])
    async with world.worker().running():
        await eventually(lambda: len(world.assembled) == 3)
    await world.pool.execute("alter table observations rename column level to severity")
    sink: Sink = world.sink()
    with pytest.raises(Exception, match="level"):
        await sink.apply()

    assert (await world.progress())["applied_origin"] == -1
    assert await _letters(world) == []


async def test_more_observations_than_a_trace_may_hold_are_dead_letters_that_can_be_replayed(world: World) -> None:
    events = [generation("t", f"g{number}") for number in range(5)]
    record = world.topic.append(events)
    world.topic.append([events[0], generation("t", "g9"), generation("u", "g0")])
    await _run(world, world.worker(limits=Processing(max_spans_per_trace=3)))

    letters = await _letters(world)
    assert [letter[:3] for letter in letters] == [
        (0, 0, "too_many_spans"),
        (0, 1, "too_many_spans"),
        (1, 0, "too_many_spans"),
    ]
    assert letters[0][3] == record.value
    assert orjson.loads(letters[2][3])["batch"][1]["body"]["id"] == "g9"
    assert await world.counts() == (8, 5, 3)
    assert await world.pool.fetchval("select observation_count from traces where id = 't'") == 3
    assert set((await sum_law_differences(world.pool)).values()) == {0}
