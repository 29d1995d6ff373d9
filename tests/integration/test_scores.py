"""Scores over a real Postgres: how their configs judge them, and what is left of those that are deleted."""

import itertools
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import asyncpg
import orjson
import pytest

from tests.events import Event
from tests.integration.partition import Partition, open_partition_pool, read_everything
from tests.score_configs import archive_config, write_config

pytestmark = pytest.mark.integration

AT = "2026-03-01T12:00:00Z"
CATEGORIES = [{"label": "good", "value": 2}, {"label": "bad", "value": -1}]


@pytest.fixture
async def pool(postgres_dsn: str) -> AsyncGenerator[asyncpg.Pool]:
    pool = await open_partition_pool(postgres_dsn)
    yield pool
    await pool.close()


def score(id_: str = "s", *, event: str = "", at: str = AT, **body: Any) -> Event:
    whole = {"id": id_, "traceId": "t", "name": "mine", "value": 0.5} | body
    return {"id": event or f"e-{id_}", "type": "score-create", "timestamp": at, "body": whole}


async def apply(partition: Partition, *, by: int = 1) -> None:
    """Fold and apply all that is on the raw log and was not yet, so many records at once."""
    if partition.folder is None:
        await partition.own()
    assert partition.folder is not None
    first = partition.folder.applied_seen + 1
    for at in range(first, len(partition.raw), by):
        await partition.fold(at, min(at + by, len(partition.raw)))
        await partition.apply()


async def scores(pool: asyncpg.Pool, *columns: str) -> list[tuple[Any, ...]]:
    rows = await pool.fetch(f"select {', '.join(columns)} from scores where not deleted order by project_id, id")
    return [tuple(row) for row in rows]


async def letters(pool: asyncpg.Pool) -> list[tuple[Any, ...]]:
    rows = await pool.fetch("select entity, reason, detail from dead_letters order by origin, sequence")
    return [tuple(row) for row in rows]


async def test_a_config_names_its_scores_and_gives_a_category_its_number(pool: asyncpg.Pool) -> None:
    await write_config(pool, "tone", name="tone", dataType="CATEGORICAL", categories=CATEGORIES)
    since_us = await write_config(pool, "fine", name="fine", dataType="BOOLEAN")
    partition = Partition(pool)
    judged = [score("a", configId="tone", value="bad"), score("b", configId="fine", value=1)]
    partition.append([*judged, score("c")], received_us=since_us)

    await apply(partition)

    assert await scores(pool, "id", "name", "data_type", "value", "string_value", "config_id") == [
        ("a", "tone", "CATEGORICAL", -1, "bad", "tone"),
        ("b", "fine", "BOOLEAN", 1, "True", "fine"),
        ("c", "mine", "NUMERIC", 0.5, None, None),
    ]
    assert await letters(pool) == []


async def test_what_a_config_refuses_is_a_dead_letter_and_its_neighbours_are_stored(pool: asyncpg.Pool) -> None:
    since_us = await write_config(pool, minValue=0, maxValue=1)
    partition = Partition(pool)
    partition.append([score("low", configId="c", value=-0.1), score("fits", configId="c")], received_us=since_us)
    partition.append([score("unknown", configId="other")], received_us=since_us)

    await apply(partition, by=2)

    assert await scores(pool, "id", "name") == [("fits", "quality")]
    assert await letters(pool) == [
        ("e-low", "refused_by_config", "the score config c asks for a value of at least 0.0, got -0.1"),
        ("e-unknown", "refused_by_config", "there was no score config other when the score was received"),
    ]
    counts = await pool.fetchrow("select accepted, applied, dead_lettered from event_counts")
    assert tuple(counts or ()) == (3, 1, 2)


async def test_a_refused_update_leaves_the_score_as_it_was(pool: asyncpg.Pool) -> None:
    since_us = await write_config(pool, maxValue=1)
    partition = Partition(pool)
    partition.append([score(configId="c", comment="first")], received_us=since_us)
    partition.append(
        [score(event="e2", at="2026-03-01T13:00:00Z", configId="c", value=7, comment="no")], received_us=since_us
    )

    await apply(partition)

    assert await scores(pool, "value", "comment") == [(0.5, "first")]


async def test_the_same_log_is_judged_alike_after_its_configs_have_changed(pool: asyncpg.Pool) -> None:
    """A score is judged by what held when it was received, whenever it is folded, and by whom."""
    made_us = await write_config(pool)
    archived_us = await archive_config(pool)
    partition = Partition(pool)
    for number, received_us in enumerate((made_us - 1, made_us, archived_us - 1, archived_us)):
        partition.append([score(f"s{number}", configId="c")], received_us=received_us)

    await apply(partition)

    assert await scores(pool, "id") == [("s1",), ("s2",)]
    assert [entity for entity, *_ in await letters(pool)] == ["e-s0", "e-s3"]


async def test_a_config_judges_its_own_projects_scores_only(pool: asyncpg.Pool) -> None:
    await write_config(pool, maxValue=1)
    since_us = await write_config(pool, project_id="other", name="theirs", maxValue=100)
    await write_config(pool, "mine", project_id="p")
    partition = Partition(pool)
    for project_id in ("p", "other"):
        events = [score("a", configId="c", value=5), score("b", configId="mine", value=1)]
        partition.append(events, project_id=project_id, received_us=since_us + 1_000_000)

    await apply(partition)

    assert await scores(pool, "project_id", "id", "name") == [("other", "a", "theirs"), ("p", "b", "quality")]
    assert [entity for entity, *_ in await letters(pool)] == ["e-a", "e-b"]


async def test_a_deleted_score_leaves_its_id_and_nothing_of_its_content(pool: asyncpg.Pool) -> None:
    partition = Partition(pool)
    partition.append([score(comment="secret", metadata={"hidden": "secret"}), score("kept")])
    partition.append_deletion("s")

    await apply(partition)

    assert await scores(pool, "id") == [("kept",)]
    row = await pool.fetchrow("select * from scores where id = 's'")
    assert row is not None
    assert (row["deleted"], row["trace_id"], row["comment"], row["metadata"]) == (True, None, None, None)
    assert not {"secret", "hidden", "mine", "t"} & {str(value) for value in row.values()}
    assert "secret" not in str(row)
    assert "hidden" not in str(row)
    assert tuple(await pool.fetchrow("select accepted, applied, dead_lettered from event_counts") or ()) == (3, 3, 0)


ORDERS: Sequence[Sequence[str]] = [*itertools.permutations(("create", "update", "delete", "create"))]


@pytest.mark.parametrize("order", sorted(set(ORDERS)))
async def test_no_order_of_events_brings_a_deleted_score_back(pool: asyncpg.Pool, order: Sequence[str]) -> None:
    """Also where each event finds nothing in memory, and an update speaks later than the deletion."""
    partition = Partition(pool)
    for step in order:
        if step == "delete":
            partition.append_deletion("s")
        elif step == "create":
            partition.append([score()])
        else:
            partition.append([score(event="e2", at="2099-01-01T00:00:00Z", value=1)])
        await partition.own()
        await apply(partition)

    assert await scores(pool, "id") == []
    (row,) = (await read_everything(pool))["scores"]
    assert orjson.loads(row) == orjson.loads(row) | {"deleted": True, "name": "", "value": 0, "stamps": {"w": []}}


async def test_a_score_of_another_project_is_not_deleted_with_it(pool: asyncpg.Pool) -> None:
    partition = Partition(pool)
    partition.append([score()])
    partition.append([score()], project_id="other")
    partition.append_deletion("s", project_id="other")

    await apply(partition, by=3)

    assert await scores(pool, "project_id") == [("p",)]


async def test_deleting_what_is_not_there_is_remembered(pool: asyncpg.Pool) -> None:
    """A score may come after its deletion: they come by different ways."""
    partition = Partition(pool)
    partition.append_deletion("s")
    partition.append([score()])

    await apply(partition)

    assert await scores(pool, "id") == []
