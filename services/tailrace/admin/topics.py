"""`tailrace topics`: the topics of `schemas/topics.toml` and the settings in, topics on Kafka and the partition count in Postgres out.

The count is fixed by the first run: which partition a trace lives in follows from it, so it never changes, and a topic of another
count is refused. It never deletes a topic, and changes the configuration of an existing one only with `--alter`.
"""

import argparse
import asyncio
import tomllib
from typing import Any, Final, NamedTuple

import asyncpg
import msgspec
from aiokafka.admin import NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError, for_code

from tailrace.admin.command import QUERIES, OperatorError, open_admin, open_connection, run_command
from tailrace.runtime.resources import schemas
from tailrace.runtime.settings import Kafka, Settings

_DAY_MS: Final = 24 * 60 * 60 * 1000
_leader_wait_seconds = 30


class Topic(msgspec.Struct, frozen=True, kw_only=True):
    """A topic as it should be: its full name and its configuration."""

    name: str
    config: dict[str, str]


class TopicsReport(NamedTuple):
    """What `create_topics` found and did. `differing`: topic and setting, is, should be."""

    partitions: int
    created: list[str]
    existing: list[str]
    differing: list[tuple[str, str, str, str]]


class _TopicEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    meaning: str
    key: str
    partitioned_by: str
    retention: str
    config: dict[str, str] = {}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--alter", action="store_true", help="also bring the retention and limits of existing topics to the settings"
    )


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    return run_command(_create_and_print(settings, alter=arguments.alter))


async def create_topics(settings: Settings, *, alter: bool = False) -> TopicsReport:
    """Create what is missing and fix the partition count in Postgres; an existing topic keeps its configuration unless `alter`.

    Raises OperatorError when the counts of Postgres, a topic and the settings do not agree, or Kafka refuses a topic.
    """
    wanted = topics_wanted(settings.kafka)
    async with (
        open_connection(settings.postgres) as connection,
        open_admin(settings.kafka) as admin,
        connection.transaction(),
    ):
        existing = await _partition_counts(admin, wanted)
        partitions = await _fix_partitions(connection, settings.kafka, existing, wanted[0].name)
        created = await _create_missing(
            admin, [one for one in wanted if one.name not in existing], partitions, settings.kafka
        )
        counts = await _wait_for_leaders(admin, wanted)
        for name, count in counts.items():
            if count != partitions:
                raise OperatorError(f"the topic {name} has {count} partitions, Postgres says {partitions}")
        differing = await _differences(admin, [one for one in wanted if one.name not in created])
        if alter:
            await _alter(admin, wanted, {name for name, *_ in differing})
    return TopicsReport(partitions, created, [one.name for one in wanted if one.name not in created], differing)


def topics_wanted(settings: Kafka) -> list[Topic]:
    """The topics of this installation, the raw one first."""
    entries = msgspec.convert(tomllib.loads((schemas() / "topics.toml").read_text()), dict[str, _TopicEntry])
    common = {
        "retention.ms": str(settings.retention_days * _DAY_MS),
        "min.insync.replicas": "2" if settings.replication_factor >= 3 else "1",
        "unclean.leader.election.enable": "false",
    }
    topics = [
        Topic(name=settings.topic_prefix + entry.name, config=common | entry.config) for entry in entries.values()
    ]
    raw = settings.topic_prefix + entries["raw"].name
    return sorted(topics, key=lambda topic: topic.name != raw)


async def _create_and_print(settings: Settings, *, alter: bool) -> int:
    report = await create_topics(settings, alter=alter)
    for name in report.created:
        print(f"created {name} with {report.partitions} partitions")
    for name in report.existing:
        print(f"exists  {name} with {report.partitions} partitions")
    verb, was, remark = ("altered", "was", "") if alter else ("differs", "is", " (--alter changes it)")
    for name, key, present, wanted in report.differing:
        print(f"{verb} {name}: {key} {was} {present}, the settings say {wanted}{remark}")
    return 0


async def _fix_partitions(
    connection: "asyncpg.Connection[Any]", settings: Kafka, existing: dict[str, int], raw: str
) -> int:
    stored = await connection.fetchval(QUERIES["find_stream_partitions"])
    if stored is None and existing.get(raw, settings.partitions) != settings.partitions:
        raise OperatorError(
            f"the topic {raw} has {existing[raw]} partitions, TAILRACE_PARTITIONS says {settings.partitions} and Postgres nothing: "
            "set it to the topic's count if that topic is to be used"
        )
    await connection.execute(QUERIES["fix_stream_partitions"], settings.partitions)
    partitions: int = await connection.fetchval(QUERIES["find_stream_partitions"])
    await connection.execute(QUERIES["add_progress"], partitions)
    for name, count in existing.items():
        if count != partitions:
            raise OperatorError(
                f"the topic {name} has {count} partitions, Postgres says {partitions}: "
                "the count is fixed at creation, so one of them belongs to another installation"
            )
    return partitions


async def _partition_counts(admin: Any, topics: list[Topic]) -> dict[str, int]:
    names = {topic.name for topic in topics}
    # All topics are asked for: asking for one by name lets a broker create it with settings of its own.
    described = await admin.describe_topics()
    return {one["topic"]: len(one["partitions"]) for one in described if one["topic"] in names}


async def _create_missing(admin: Any, missing: list[Topic], partitions: int, settings: Kafka) -> list[str]:
    if not missing:
        return []
    requests = [
        NewTopic(one.name, partitions, settings.replication_factor, topic_configs=one.config) for one in missing
    ]
    response = await admin.create_topics(requests)
    created: list[str] = []
    for name, code, message in response.topic_errors:
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:
            raise OperatorError(f"Kafka refused the topic {name}: {message or error.__name__}")
        if not code:
            created.append(name)
    return created


async def _wait_for_leaders(admin: Any, topics: list[Topic]) -> dict[str, int]:
    names = {topic.name for topic in topics}
    try:
        async with asyncio.timeout(_leader_wait_seconds):
            while True:
                described = [one for one in await admin.describe_topics() if one["topic"] in names]
                leaders = [part["leader"] for one in described for part in one["partitions"]]
                if len(described) == len(names) and leaders and min(leaders) >= 0:
                    return {one["topic"]: len(one["partitions"]) for one in described}
                await asyncio.sleep(0.2)
    except TimeoutError:
        raise OperatorError(
            f"some partitions of {', '.join(sorted(names))} have no leader after {_leader_wait_seconds} s: are all brokers up?"
        ) from None


async def _differences(admin: Any, topics: list[Topic]) -> list[tuple[str, str, str, str]]:
    present = await _configurations(admin, topics)
    return [
        (topic.name, key, present[topic.name].get(key, ("", False))[0], value)
        for topic in topics
        for key, value in topic.config.items()
        if present[topic.name].get(key, ("", False))[0] != value
    ]


async def _alter(admin: Any, topics: list[Topic], names: set[str]) -> None:
    changing = [topic for topic in topics if topic.name in names]
    present = await _configurations(admin, changing)
    resources: list[ConfigResource] = []
    for topic in changing:
        # The request replaces the whole configuration: what an operator set beside ours must be in it.
        own = {key: value for key, (value, is_own) in present[topic.name].items() if is_own}
        resources.append(ConfigResource(ConfigResourceType.TOPIC, topic.name, own | topic.config))
    responses: list[Any] = await admin.alter_configs(resources) if resources else []
    for response in responses:
        for code, message, _kind, name, *_ in response.resources:
            if code:
                raise OperatorError(f"Kafka refused the configuration of {name}: {message or for_code(code).__name__}")


_TOPIC_SOURCE = 1
"""Kafka's number for a value that was set on the topic itself."""


async def _configurations(admin: Any, topics: list[Topic]) -> dict[str, dict[str, tuple[str, bool]]]:
    """For each topic: key → (value, whether it was set on the topic itself)."""
    if not topics:
        return {}
    responses = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, one.name) for one in topics])
    found: dict[str, dict[str, tuple[str, bool]]] = {}
    for response in responses:
        for code, message, _kind, name, entries in response.resources:
            if code:
                raise OperatorError(
                    f"Kafka does not tell the configuration of {name}: {message or for_code(code).__name__}"
                )
            found[name] = {entry[0]: (entry[1], entry[3] == _TOPIC_SOURCE) for entry in entries}
    return found
