"""`tailrace config`: every setting with its meaning, unit and default; values in use with `--values`, secrets left out."""

import argparse

import orjson

from tailrace.runtime.settings import Setting, Settings, describe_settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print a JSON list")
    parser.add_argument("--markdown", action="store_true", help="print the table of docs/configuration.md")


def run(arguments: argparse.Namespace, _: Settings) -> int:
    rows = describe_settings()
    if arguments.json:
        print(orjson.dumps([row._asdict() for row in rows], option=orjson.OPT_INDENT_2).decode())
    elif arguments.markdown:
        print(settings_table(rows))
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
