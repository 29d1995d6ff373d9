"""The one console script: `tailrace <command>`. Services are imported only when they are asked for."""

import argparse
import importlib
import os
import sys
from typing import NamedTuple

from tailrace import __version__
from tailrace.runtime.settings import SettingsError, load_settings


class Command(NamedTuple):
    """A command and the module that has its `add_arguments(parser)` and its `run(arguments, settings) -> exit code`.

    `is_operators`: on a machine with a running `tailrace up` it works on that stack, unless the settings name another.
    """

    name: str
    module: str
    help: str
    is_operators: bool = False


COMMANDS = (
    Command("up", "tailrace.local.up", "start everything on this machine: Kafka, Postgres and every service"),
    Command("down", "tailrace.local.down", "stop what `up --detach` started"),
    Command("status", "tailrace.local.status", "show each process of the local stack, its state and its lag"),
    Command("serve", "tailrace.local.origin", "run edge and query on one origin"),
    Command("edge", "tailrace.edge.main", "run the ingest edge"),
    Command("assembler", "tailrace.assembler.main", "run an assembler"),
    Command("meter", "tailrace.meter.main", "run a meter"),
    Command("sink", "tailrace.sink.main", "run a sink"),
    Command("query", "tailrace.query.main", "run the read API"),
    Command("auditor", "tailrace.auditor.main", "run the standing audit of events and money"),
    Command("migrate", "tailrace.admin.migrate", "bring the database to this release's schema", is_operators=True),
    Command(
        "topics", "tailrace.admin.topics", "create the Kafka topics and fix the partition count", is_operators=True
    ),
    Command(
        "tenant", "tailrace.admin.tenant", "create projects, suspend them, set what they may write", is_operators=True
    ),
    Command("key", "tailrace.admin.key", "create or revoke API keys", is_operators=True),
    Command(
        "dead-letters", "tailrace.admin.dead_letters", "list, show or replay what could not be used", is_operators=True
    ),
    Command(
        "replay",
        "tailrace.admin.replay",
        "rebuild tables from the log beside the live ones, compare, and swap",
        is_operators=True,
    ),
    Command(
        "reprice",
        "tailrace.admin.reprice",
        "give what is stored the prices of today, or tell what that would change",
        is_operators=True,
    ),
    Command(
        "period", "tailrace.admin.period", "close billing periods, which no repricing changes then", is_operators=True
    ),
    Command(
        "conservation",
        "tailrace.admin.conservation",
        "check that every event and every cent is accounted for",
        is_operators=True,
    ),
    Command(
        "partition", "tailrace.admin.partition", "show raw partitions; resume one that stands still", is_operators=True
    ),
    Command("config", "tailrace.admin.config", "list every setting with its meaning, unit and default"),
)


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns its exit code. 2: the call or the settings are wrong."""
    argv = sys.argv[1:] if argv is None else argv
    command = next((one for one in COMMANDS if argv and one.name == argv[0]), None)
    if command is None:
        return _general(argv)
    module = importlib.import_module(command.module)
    parser = argparse.ArgumentParser(
        prog=f"tailrace {command.name}", description=f"{command.help[0].upper()}{command.help[1:]}."
    )
    module.add_arguments(parser)
    arguments = parser.parse_args(argv[1:])
    try:
        settings = load_settings(os.environ)
        if command.is_operators and (settings.kafka.bootstrap_servers is None or settings.postgres.dsn is None):
            settings = importlib.import_module("tailrace.local.attach").attach(settings)
        code: int = module.run(arguments, settings)
        sys.stdout.flush()
    except SettingsError as error:
        print("tailrace: these settings cannot be used:", *error.problems, sep="\n  ", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of the output has gone; nothing more is to be said, also not at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


def _general(argv: list[str]) -> int:
    width = max(len(command.name) for command in COMMANDS)
    parser = argparse.ArgumentParser(
        prog="tailrace",
        usage="tailrace <command> [options]",
        description="LLM observability that keeps every event and counts every cent once.",
        epilog="commands:\n" + "\n".join(f"  {command.name:<{width}}  {command.help}" for command in COMMANDS),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"tailrace {__version__}")
    if argv and not argv[0].startswith("-"):
        parser.error(f"there is no command {argv[0]!r}")
    parser.parse_args(argv)
    parser.print_help()
    return 0 if argv else 2


if __name__ == "__main__":
    sys.exit(main())
