"""`tailrace tenant quota`: what a project may write; every edge keeps to it at once, and goes on doing so while Postgres is away."""

import argparse
from typing import Any, Final

from tailrace.admin.command import QUERIES, OperatorError, add_action, no_project, open_connection, print_json
from tailrace.runtime.settings import Settings

NO_LIMIT: Final = 0
_NO_LIMIT_WORD: Final = "none"
_most_events_per_second = 2**31 - 1
_most_bytes = 2**63 - 1
_epilog = """\
At its quota a project hears 429 with Retry-After, and its SDKs send again later. A quota may be exceeded for a moment: ten seconds' worth
may come at once. `none` takes a limit away even where the installation has a default; --clear goes back to the default."""


def add_quota_action(actions: Any) -> None:
    """Add `quota` to the actions of `tailrace tenant`."""
    parser = add_action(actions, "quota", "limit what a project may write, or show its limits", epilog=_epilog)
    parser.add_argument("project", metavar="PROJECT", help="the project's id")
    parser.add_argument(
        "--events-per-second", metavar="N|none", help="spans, batch events and scores a second, or `none`"
    )
    parser.add_argument("--bytes-per-second", metavar="N|none", help="bytes of decompressed bodies a second, or `none`")
    parser.add_argument(
        "--max-body-bytes", metavar="N", help="its largest decompressed body; a larger one is answered 413"
    )
    parser.add_argument(
        "--clear", action="store_true", help="forget the project's own figures, but for those given with it"
    )
    parser.add_argument("--json", action="store_true", help="print a JSON object")


async def run_quota(arguments: argparse.Namespace, settings: Settings) -> int:
    """Set what is given, and print what stands then. Raises OperatorError."""
    figures = (
        _rate("--events-per-second", arguments.events_per_second, _most_events_per_second),
        _rate("--bytes-per-second", arguments.bytes_per_second, _most_bytes),
        _number("--max-body-bytes", arguments.max_body_bytes, _most_bytes),
    )
    async with open_connection(settings.postgres) as connection:
        changes = arguments.clear or any(figure is not None for figure in figures)
        row = await connection.fetchrow(
            QUERIES["set_quota" if changes else "find_quota"],
            arguments.project,
            *((*figures, arguments.clear) if changes else ()),
        )
    if row is None:
        raise no_project(arguments.project)
    if arguments.json:
        print_json({"project": arguments.project, "quota": quota_json(row)})
    else:
        print(
            f"{arguments.project}: {describe_quota(row) or 'no quota of its own, so the defaults of the installation'}"
        )
    return 0


def quota_json(row: Any) -> dict[str, int | None]:
    """A project's own figures: null is the installation's default, 0 no limit."""
    return {
        "eventsPerSecond": row["quota_events_per_second"],
        "bytesPerSecond": row["quota_bytes_per_second"],
        "maxBodyBytes": row["quota_max_body_bytes"],
    }


def describe_quota(row: Any) -> str:
    """The same in words, empty where the project has no figures of its own."""
    rates = (("events/s", row["quota_events_per_second"]), ("bytes/s", row["quota_bytes_per_second"]))
    words = [f"{_NO_LIMIT_WORD if rate == NO_LIMIT else rate} {unit}" for unit, rate in rates if rate is not None]
    if row["quota_max_body_bytes"] is not None:
        words.append(f"{row['quota_max_body_bytes']} bytes a body")
    return ", ".join(words)


def _rate(option: str, text: str | None, most: int) -> int | None:
    return NO_LIMIT if text == _NO_LIMIT_WORD else _number(option, text, most, f" or `{_NO_LIMIT_WORD}`")


def _number(option: str, text: str | None, most: int, otherwise: str = "") -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 20 and 1 <= int(text) <= most):
        raise OperatorError(f"expected {option} as a whole number from 1 to {most}{otherwise}, got {text[:50]!r}")
    return int(text)
