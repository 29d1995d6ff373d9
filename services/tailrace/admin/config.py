"""`tailrace config`: every setting with its meaning, unit and default, or the values in use. A secret is never shown.

It also writes the table of docs/configuration.md, and checks that a file has it.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import msgspec
import orjson

from tailrace.runtime.settings import Secret, Setting, Settings, describe_settings, environment_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    forms = parser.add_mutually_exclusive_group()
    forms.add_argument("--values", action="store_true", help="print the values in use; a secret is only said to be set")
    forms.add_argument("--json", action="store_true", help="print a JSON list")
    forms.add_argument("--markdown", action="store_true", help="print the table of docs/configuration.md")
    forms.add_argument("--check", type=Path, metavar="FILE", help="fail unless FILE ends with that table")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    rows = describe_settings()
    if arguments.check is not None:
        return _check(arguments.check, settings_table(rows))
    if arguments.json:
        print(orjson.dumps([row._asdict() for row in rows], option=orjson.OPT_INDENT_2).decode())
    elif arguments.markdown:
        print(settings_table(rows))
    elif arguments.values:
        _print_values(values_in_use(settings))
    else:
        width = max(len(row.variable) for row in rows)
        for row in rows:
            print(f"{row.variable:<{width}}  {row.default or '-'} ({row.unit})\n{'':<{width}}  {row.meaning}")
    return 0


def settings_table(rows: list[Setting]) -> str:
    """The settings as a Markdown table."""
    lines = ["| Setting | Default | Unit | Meaning |", "|---|---|---|---|"]
    lines += [
        f"| `{row.variable}` | {f'`{row.default}`' if row.default else ''} | {row.unit} | {row.meaning} |"
        for row in rows
    ]
    return "\n".join(lines)


def values_in_use(settings: Settings) -> dict[str, str]:
    """Variable → its value; settings without one are left out."""
    shown: dict[str, Any] = {}
    for name in settings.__struct_fields__:
        part = getattr(settings, name)
        secrets = [field for field in part.__struct_fields__ if isinstance(getattr(part, field), Secret)]
        shown[name] = msgspec.structs.replace(part, **dict.fromkeys(secrets, Secret("(set, not shown)")))
    return environment_of(msgspec.structs.replace(settings, **shown))


def _print_values(values: dict[str, str]) -> None:
    for variable, value in values.items():
        print(f"{variable}={value}")


def _check(file: Path, table: str) -> int:
    try:
        text = file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        print(f"tailrace: {file} cannot be read: {error}", file=sys.stderr)
        return 1
    if text.endswith(f"\n\n{table}\n"):
        return 0
    print(f"tailrace: the table of settings in {file} is not what the code says: run `make docs`", file=sys.stderr)
    return 1
