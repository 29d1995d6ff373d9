"""What a promise to keep every event needs of Kafka and Postgres, checked at start: the parts that are not so must be accepted in words.

Replicas: three of each raw partition, two in sync for a write, no unclean election. Postgres: a synchronous standby. A stack on one
machine has none of it, and says so by TAILRACE_ACCEPTED_RISKS.
"""

from typing import Any, Final, Literal, get_args

import asyncpg
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from tailrace.runtime.kafka import make_admin
from tailrace.runtime.settings import Kafka, SettingsError
from tailrace.wire.topics import topics_of

Risk = Literal["few-replicas", "no-standby"]
RISKS: Final[tuple[Risk, ...]] = get_args(Risk)

_MIN_REPLICAS: Final = 3
_MIN_IN_SYNC: Final = 2
_standby_names = (
    "select current_setting('synchronous_standby_names') <> '' and current_setting('synchronous_commit') <> 'off'"
)


def parse_risks(text: str) -> frozenset[Risk]:
    """The risks in a comma-separated list. Raises SettingsError naming those that do not exist."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    unknown = [word for word in words if word not in RISKS]
    if unknown:
        raise SettingsError([f"TAILRACE_ACCEPTED_RISKS: expected some of {', '.join(RISKS)}, got {', '.join(unknown)}"])
    return frozenset(risk for risk in RISKS if risk in words)


async def check_durability(settings: Kafka, pool: asyncpg.Pool, accepted: frozenset[Risk]) -> None:
    """Raises SettingsError with each way in which an acknowledged event could be lost that is not accepted; and KAFKA_ERRORS, OUTAGE_ERRORS."""
    problems: list[str] = []
    if "few-replicas" not in accepted:
        problems += await _topic_problems(settings)
    if "no-standby" not in accepted and not await pool.fetchval(_standby_names):
        problems.append(
            "Postgres has no synchronous standby: its loss would lose what was applied; set synchronous_standby_names, "
            "or accept it with TAILRACE_ACCEPTED_RISKS=no-standby"
        )
    if problems:
        raise SettingsError(problems)


async def _topic_problems(settings: Kafka) -> list[str]:
    topic = topics_of(settings.topic_prefix).raw
    admin: Any = make_admin(settings)
    try:
        await admin.start()
        (described,) = await admin.describe_topics([topic])
        responses = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    finally:
        await admin.close()
    replicas = min((len(partition["replicas"]) for partition in described["partitions"]), default=0)
    configs = {entry[0]: entry[1] for response in responses for resource in response.resources for entry in resource[4]}
    return _replica_problems(topic, replicas, configs)


def _replica_problems(topic: str, replicas: int, configs: dict[str, str]) -> list[str]:
    accept = "or accept it with TAILRACE_ACCEPTED_RISKS=few-replicas"
    problems: list[str] = []
    if replicas < _MIN_REPLICAS:
        problems.append(
            f"{topic} has {replicas} replicas of a partition, expected {_MIN_REPLICAS}: make the topic anew with more, {accept}"
        )
    if int(configs.get("min.insync.replicas", "1")) < _MIN_IN_SYNC:
        problems.append(
            f"{topic} takes a write with fewer than {_MIN_IN_SYNC} replicas: set min.insync.replicas, {accept}"
        )
    if configs.get("unclean.leader.election.enable", "false") == "true":
        problems.append(
            f"{topic} lets a replica lead that lacks records: set unclean.leader.election.enable=false, {accept}"
        )
    return problems
