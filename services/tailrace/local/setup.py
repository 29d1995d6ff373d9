"""What must be there before a service starts: the schema, the topics, the first organisation, project and key pair."""

from collections.abc import Callable

from tailrace.admin.command import OperatorError
from tailrace.admin.migrate import migrate
from tailrace.local.datadir import DataDir
from tailrace.local.errors import StackError
from tailrace.local.keys import Keys, provide_keys
from tailrace.runtime.postgres import require_dsn
from tailrace.runtime.settings import Settings


async def set_up(settings: Settings, data: DataDir, announce: Callable[[str, str], None]) -> Keys:
    """Bring database and brokers to this release's state. Raises StackError when one of them refuses."""
    keys = provide_keys(data.keys, settings.stack)
    try:
        for name in await migrate(require_dsn(settings.postgres)):
            announce("schema", f"applied {name}")
    except OperatorError as error:
        raise StackError(str(error)) from error
    return keys
