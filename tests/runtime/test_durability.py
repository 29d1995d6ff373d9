"""What durability needs is checked at start, by name, and only a risk that is accepted in words passes."""

import asyncpg
import pytest

from tailrace.admin.topics import create_topics
from tailrace.runtime.durability import RISKS, check_durability, parse_risks
from tailrace.runtime.settings import Kafka, Postgres, Secret, Settings, SettingsError


def test_risks_are_read_by_name_and_unknown_ones_are_refused() -> None:
    assert parse_risks(" few-replicas , no-standby") == set(RISKS)
    assert parse_risks("") == frozenset()
    with pytest.raises(SettingsError, match="no-backup"):
        parse_risks("no-backup")


@pytest.mark.integration
async def test_one_host_is_refused_by_naming_every_risk_and_taken_when_all_are_accepted(
    kafka_bootstrap: str, postgres_dsn: str, topic_prefix: str
) -> None:
    kafka = Kafka(bootstrap_servers=kafka_bootstrap, topic_prefix=topic_prefix, partitions=2)
    await create_topics(Settings(kafka=kafka, postgres=Postgres(dsn=Secret(postgres_dsn))))
    async with asyncpg.create_pool(postgres_dsn, min_size=1, max_size=1) as pool:
        with pytest.raises(SettingsError) as refused:
            await check_durability(kafka, pool, frozenset())
        with pytest.raises(SettingsError, match="synchronous standby"):
            await check_durability(kafka, pool, frozenset({"few-replicas"}))

        await check_durability(kafka, pool, frozenset(RISKS))

    said = " ".join(refused.value.problems)
    assert all(
        word in said for word in ("1 replicas", "min.insync.replicas", "synchronous standby", "TAILRACE_ACCEPTED_RISKS")
    )
