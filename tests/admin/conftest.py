"""Operator commands as their operator meets them: arguments and environment in, exit code and text out."""

import logging
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

import asyncpg
import orjson
import pytest

from tailrace.__main__ import main
from tailrace.admin.raw_log import RawRecord, open_raw_log
from tailrace.runtime.kafka import make_producer
from tailrace.runtime.settings import Kafka
from tailrace.wire.topics import RawHeaders, topics_of
from tests.stack import run_async


class Outcome(NamedTuple):
    """What a command left: its exit code and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return orjson.loads(self.out)


class Tailrace(Protocol):
    """Runs `tailrace …` against the test's own Postgres and topics."""

    def __call__(self, *arguments: str, **environment: str) -> Outcome: ...


class Query(Protocol):
    """Runs one statement on the test's database and returns its rows."""

    def __call__(self, statement: str, *values: object) -> list[dict[str, Any]]: ...


@pytest.fixture
def tailrace(
    postgres_dsn: str,
    topic_prefix: str,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> Tailrace:
    """A command line whose Kafka is only started for tests that ask for `kafka_bootstrap`."""
    monkeypatch.setenv("TAILRACE_POSTGRES_DSN", postgres_dsn)
    monkeypatch.setenv("TAILRACE_TOPIC_PREFIX", topic_prefix)
    monkeypatch.setenv("TAILRACE_PARTITIONS", "2")
    if "kafka_bootstrap" in request.fixturenames:
        monkeypatch.setenv("TAILRACE_KAFKA_BOOTSTRAP_SERVERS", request.getfixturevalue("kafka_bootstrap"))

    def run(*arguments: str, **environment: str) -> Outcome:
        capfd.readouterr()
        with pytest.MonkeyPatch.context() as patch, _own_logging():
            for name, value in environment.items():
                patch.setenv(name, value)
            code = main(list(arguments))
        printed = capfd.readouterr()
        return Outcome(code, printed.out, printed.err)

    return run


@contextmanager
def _own_logging() -> Generator[None]:
    """A command may set the process's logging up; what comes after it must not write to its stderr."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)


class PublishRaw(Protocol):
    """Publishes one raw record and returns its offset."""

    def __call__(self, partition: int, value: bytes, headers: RawHeaders | None) -> int: ...


@pytest.fixture
def publish_raw(kafka_bootstrap: str, topic_prefix: str) -> PublishRaw:
    """What an edge does; without headers, what no edge does."""
    settings = Kafka(bootstrap_servers=kafka_bootstrap)
    topic = topics_of(topic_prefix).raw

    async def publish(partition: int, value: bytes, headers: RawHeaders | None) -> int:
        producer = make_producer(settings, client_id="test-edge")
        await producer.start()
        try:
            encoded = [] if headers is None else headers.encode()
            sent = await producer.send_and_wait(topic, value, partition=partition, headers=encoded)
        finally:
            await producer.stop()
        return sent.offset

    return lambda partition, value, headers: run_async(publish(partition, value, headers))


class ReadRaw(Protocol):
    """Reads all records of one partition of the raw topic."""

    def __call__(self, partition: int) -> list[RawRecord]: ...


@pytest.fixture
def read_raw(kafka_bootstrap: str, topic_prefix: str) -> ReadRaw:
    """What the log holds."""
    settings = Kafka(bootstrap_servers=kafka_bootstrap, topic_prefix=topic_prefix)

    async def read(partition: int) -> list[RawRecord]:
        async with open_raw_log(settings) as log:
            return [record async for record in log.read(await log.bounds([partition]))]

    return lambda partition: run_async(read(partition))


@pytest.fixture
def query(postgres_dsn: str) -> Query:
    """What the test's database holds."""

    async def fetch(statement: str, values: tuple[object, ...]) -> list[dict[str, Any]]:
        connection = await asyncpg.connect(postgres_dsn)
        try:
            return [dict(row) for row in await connection.fetch(statement, *values)]
        finally:
            await connection.close()

    def run(statement: str, *values: object) -> list[dict[str, Any]]:
        return run_async(fetch(statement, values))

    return run
