"""Prompts in memory: who asks after a write was answered finds it, in whichever process, whatever becomes of the lines between them."""

import asyncio
import random
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import httpx
import pytest
from prometheus_client import REGISTRY

from tailrace.query.prompt_cache import PromptCache
from tailrace.query.prompt_line import LEASE_SECONDS, RENEW_SECONDS, SETTLE_SECONDS, PromptLine
from tests.query.prompts import PATH, add, create, prompt_process, read, until
from tests.query.proxy import line_to
from tests.query.seed import Seed

pytestmark = pytest.mark.integration


def from_postgres() -> float:
    """How many reads of prompts went to the database so far."""
    return REGISTRY.get_sample_value("tailrace_query_prompt_reads_total", {"source": "postgres"}) or 0.0


@asynccontextmanager
async def two_processes(dsn: str, seed: Seed) -> AsyncGenerator[tuple[httpx.AsyncClient, httpx.AsyncClient]]:
    """Both hold leases."""
    async with prompt_process(dsn, seed) as (one, first), prompt_process(dsn, seed) as (two, second):
        await until(lambda: first.cache.leased and second.cache.leased)
        yield one, two


def test_a_write_waits_longer_than_any_lease_and_leases_overlap() -> None:
    assert SETTLE_SECONDS > LEASE_SECONDS * 1.2
    assert RENEW_SECONDS * 2 < LEASE_SECONDS


async def test_a_second_read_is_answered_from_memory(module_postgres_dsn: str, seed: Seed) -> None:
    async with two_processes(module_postgres_dsn, seed) as (one, _):
        await create(one, labels=["production"])
        asked: list[dict[str, Any]] = [{}, {"version": 1}, {"label": "latest"}, {"resolve": "false"}]
        first = [await read(one, **each) for each in asked]
        before = from_postgres()

        assert [await read(one, **each) for each in asked] == first
        assert from_postgres() == before
        assert (await one.get(f"{PATH}/none")).json() == (await one.get(f"{PATH}/none")).json()
        assert from_postgres() == before + 1


async def test_who_asks_after_a_write_was_answered_finds_it_in_every_process(
    module_postgres_dsn: str, seed: Seed
) -> None:
    async with two_processes(module_postgres_dsn, seed) as pair:
        for n in range(25):
            writer, reader = random.sample(pair, 2)
            version = (await create(writer, prompt=f"{n}", labels=["production"]))["version"]
            for client in (reader, writer):
                assert (await read(client))["version"] == version
            moved = max(1, version - 1)
            assert (await add(reader, "greet", moved, "production")).status_code == 200
            assert (await read(writer))["version"] == moved
            assert (await writer.delete(f"{PATH}/greet", params={"version": version})).status_code == 204 or n == 0
            assert (await reader.get(f"{PATH}/greet", params={"version": version})).status_code == 404
            if version == 1:
                await create(writer, prompt="again")


async def test_readers_never_go_back_while_many_write_and_read(module_postgres_dsn: str, seed: Seed) -> None:
    """Each reader notes what was answered to writers before it asks, and finds at least that."""
    answered = 0

    async def write(client: httpx.AsyncClient) -> None:
        nonlocal answered
        for _ in range(15):
            made = await create(client, "hot", "x")
            answered = max(answered, made["version"])

    async def look(client: httpx.AsyncClient) -> int:
        looks = 0
        while not writing.done():
            known = answered
            response = await client.get(f"{PATH}/hot", params={"label": "latest"})
            assert response.status_code == 200 or known == 0
            if response.status_code == 200:
                assert response.json()["version"] >= known
            looks += 1
            await asyncio.sleep(0.005)
        return looks

    async with two_processes(module_postgres_dsn, seed) as (one, two):
        writing = asyncio.gather(write(one), write(two))
        looks = await asyncio.gather(*(look(client) for client in (one, two) * 3))
        await writing

    assert answered == 30
    assert sum(looks) > 100


async def test_an_included_prompt_that_changes_is_found_through_what_includes_it(
    module_postgres_dsn: str, seed: Seed
) -> None:
    async with two_processes(module_postgres_dsn, seed) as (one, two):
        await create(one, "part", "old", labels=["production"])
        await create(one, "whole", "@@@langfusePrompt:name=part|label=production@@@", labels=["production"])
        assert (await read(two, "whole"))["prompt"] == "old"

        await create(one, "part", "new", labels=["production"])

        assert (await read(two, "whole"))["prompt"] == "new"


async def test_a_process_that_lost_its_line_asks_the_database_and_writers_wait_for_its_lease(
    module_postgres_dsn: str, seed: Seed
) -> None:
    port = urlsplit(module_postgres_dsn).port or 0
    async with line_to(port) as line:
        through = module_postgres_dsn.replace(f":{port}/", f":{line.port}/")
        async with (
            prompt_process(module_postgres_dsn, seed) as (one, first),
            prompt_process(module_postgres_dsn, seed, listen_dsn=through) as (two, second),
        ):
            await until(lambda: first.cache.leased and second.cache.leased)
            await create(one, prompt="old", labels=["production"])
            assert (await read(two))["prompt"] == "old"
            assert second.cache.size_bytes > 0

            await line.cut()
            await until(lambda: not second.cache.leased)
            assert second.cache.size_bytes == 0
            started = time.monotonic()
            await create(one, prompt="new", labels=["production"])
            assert time.monotonic() - started < SETTLE_SECONDS + 1
            before = from_postgres()
            assert [(await read(two))["prompt"] for _ in range(3)] == ["new"] * 3
            assert from_postgres() == before + 3

            await line.mend()
            await until(lambda: second.cache.leased)
            assert (await read(two))["prompt"] == "new"


class FreezableLine(PromptLine):
    """While it is frozen it hears nothing; all that was said is heard when it wakes."""

    def __init__(self) -> None:
        super().__init__(PromptCache())
        self.frozen = False
        self._unheard: list[object] = []

    def wake(self) -> None:
        self.frozen = False
        for payload in self._unheard:
            super()._hear(None, 0, "", payload)

    def _hear(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        if self.frozen:
            self._unheard.append(payload)
        else:
            super()._hear(_connection, _pid, _channel, payload)


async def test_a_frozen_process_does_not_answer_from_before_a_write_and_holds_writers_up_for_two_seconds_at_most(
    module_postgres_dsn: str, seed: Seed
) -> None:
    line = FreezableLine()
    async with (
        prompt_process(module_postgres_dsn, seed) as (one, _),
        prompt_process(module_postgres_dsn, seed, line=line) as (two, _),
    ):
        await until(lambda: line.cache.leased)
        await create(one, prompt="old", labels=["production"])
        assert (await read(two))["prompt"] == "old"

        line.frozen = True
        started = time.monotonic()
        await create(one, prompt="new", labels=["production"])
        waited = time.monotonic() - started

        assert SETTLE_SECONDS <= waited < SETTLE_SECONDS + 3
        assert not line.cache.leased
        assert (await read(two))["prompt"] == "new"
        line.wake()
        assert (await read(two))["prompt"] == "new"


async def test_without_a_line_every_read_asks_the_database(client: httpx.AsyncClient) -> None:
    await create(client, labels=["production"])
    before = from_postgres()
    for _ in range(3):
        await read(client)

    assert from_postgres() == before + 3


async def test_a_change_that_the_database_itself_makes_is_heard(
    module_postgres_dsn: str, seed: Seed, connection: "asyncpg.Connection[Any]"
) -> None:
    async with two_processes(module_postgres_dsn, seed) as (one, _):
        await create(one, prompt="old", labels=["production"])
        await read(one)
        await connection.execute("update prompt_versions set prompt = 'mended' where project_id = $1", seed.project_id)

        async with asyncio.timeout(10):
            while (await read(one))["prompt"] != "mended":  # noqa: ASYNC110 - what is awaited is the database's word
                await asyncio.sleep(0.01)


async def test_a_process_that_ends_is_waited_for_no_more(
    module_postgres_dsn: str, seed: Seed, connection: "asyncpg.Connection[Any]"
) -> None:
    async with two_processes(module_postgres_dsn, seed):
        known = {row["id"] for row in await connection.fetch("select id from prompt_caches")}
    left = {row["id"] for row in await connection.fetch("select id from prompt_caches")}
    assert len(known - left) == 2
