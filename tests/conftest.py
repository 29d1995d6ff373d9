"""What integration tests stand on: one real Kafka and one real PostgreSQL for the whole run, started when a test first asks."""

import uuid
from collections.abc import Callable, Generator

import pytest

from tailrace.admin.migrate import migrate
from tailrace.local.postgres import LocalPostgres
from tests.stack import create_database, drop_database, run_async, running_kafka, running_postgres


@pytest.fixture(scope="session")
def kafka_bootstrap() -> Generator[str]:
    """The address of a broker; topics are not made by themselves there."""
    with running_kafka() as kafka:
        yield kafka.bootstrap_servers


@pytest.fixture(scope="session")
def postgres_server() -> Generator[LocalPostgres]:
    """A server that forgets everything with the run."""
    with running_postgres() as postgres:
        yield postgres


@pytest.fixture(scope="session")
def postgres_server_dsn(postgres_server: LocalPostgres) -> str:
    """A superuser's DSN of its `postgres` database, to make databases and look at sessions."""
    return postgres_server.dsn("postgres")


@pytest.fixture(scope="session")
def make_database(postgres_server: LocalPostgres) -> Callable[[], str]:
    """Makes a fresh migrated database and returns its DSN; for fixtures of a wider scope than `postgres_dsn`."""
    template = create_database(postgres_server)
    run_async(migrate(template))
    name = template.rpartition("/")[2]
    return lambda: create_database(postgres_server, template=name)


@pytest.fixture
def postgres_dsn(postgres_server: LocalPostgres, make_database: Callable[[], str]) -> Generator[str]:
    """A fresh migrated database for one test."""
    dsn = make_database()
    yield dsn
    drop_database(postgres_server, dsn)


@pytest.fixture(scope="module")
def module_postgres_dsn(postgres_server: LocalPostgres, make_database: Callable[[], str]) -> Generator[str]:
    """A fresh migrated database for the tests of one module together."""
    dsn = make_database()
    yield dsn
    drop_database(postgres_server, dsn)


@pytest.fixture
def empty_postgres_dsn(postgres_server: LocalPostgres) -> Generator[str]:
    """A fresh database without a table."""
    dsn = create_database(postgres_server)
    yield dsn
    drop_database(postgres_server, dsn)


@pytest.fixture
def topic_prefix() -> str:
    """A prefix that no other test's topics and groups have."""
    return f"t{uuid.uuid4().hex[:8]}."


@pytest.fixture(scope="module")
def module_topic_prefix() -> str:
    """The same for the tests of one module together."""
    return f"t{uuid.uuid4().hex[:8]}."
