"""What must be there before a service starts: the schema, the topics, the first organisation, project and key pair."""

from collections.abc import Callable

import asyncpg

from tailrace.admin.command import OperatorError, open_connection
from tailrace.admin.migrate import migrate
from tailrace.admin.tenant import Bootstrap, bootstrap_tenant
from tailrace.admin.topics import create_topics
from tailrace.local.datadir import DataDir
from tailrace.local.errors import StackError
from tailrace.local.keys import Keys, choose_keys, keep_keys
from tailrace.runtime.kafka import KAFKA_ERRORS
from tailrace.runtime.postgres import require_dsn
from tailrace.runtime.settings import Secret, Settings, Stack


async def set_up(settings: Settings, data: DataDir, announce: Callable[[str, str], None]) -> Keys:
    """Bring database and brokers to this release's state. Raises StackError when one of them refuses."""
    keys = choose_keys(data.keys, settings.stack)
    try:
        for name in await migrate(require_dsn(settings.postgres)):
            announce("schema", f"applied {name}")
        topics = await create_topics(settings)
        if topics.created:
            announce("topics", f"created {len(topics.created)} with {topics.partitions} partitions each")
        async with open_connection(settings.postgres) as connection:
            await bootstrap_tenant(connection, _bootstrap(settings.stack, keys))
    except OperatorError as error:
        raise StackError(str(error)) from error
    except asyncpg.PostgresError as error:
        raise StackError(f"Postgres refused the set-up: {error}") from error
    except KAFKA_ERRORS as error:
        raise StackError(f"Kafka did not answer during the set-up: {error or type(error).__name__}") from error
    keep_keys(data.keys, keys)
    return keys


def _bootstrap(stack: Stack, keys: Keys) -> Bootstrap:
    return Bootstrap(
        organization_id=stack.init_org_id,
        organization_name=stack.init_org_name,
        project_id=stack.init_project_id,
        project_name=stack.init_project_name,
        public_key=keys.public_key,
        secret_key=Secret(keys.secret_key),
        note="made by tailrace up",
    )
