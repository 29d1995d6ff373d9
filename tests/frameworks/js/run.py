"""Runs the npm packages of the catalogue against a fake model provider and records what their telemetry sends.

`python -m tests.frameworks.js [--only NAME] [--list]`. In: the stories beside this file. Out: tests/frameworks/records/js-<name> and the
table in README.md. The packages are installed from npm into the cache folder; the stories themselves reach nothing but this machine.
"""

import argparse
import json
import subprocess
from base64 import b64encode
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.request import urlopen

from tests.e2e.recorder import PUBLIC_KEY, SECRET_KEY, recording
from tests.frameworks.js.catalogue import FRAMEWORKS, Framework
from tests.frameworks.js.environment import StoryFailedError, install, installed_version, node, tell
from tests.frameworks.js.stable import Scrubber, write_record
from tests.frameworks.js.table import Row, write_table
from tests.payloads import Recorded

HERE: Final = Path(__file__).parent
RECORDS: Final = HERE.parent / "records"
PROVIDER_URL: Final = "http://provider"
RECEIVER_URL: Final = "http://tailrace"
"""What stands in records for the free ports of a run."""


class Told(NamedTuple):
    """What one story sent, what its provider billed, and from where it ran."""

    requests: list[Recorded]
    bills: list[dict[str, Any]]
    home: Path
    urls: dict[str, str]


def main(arguments: Sequence[str] | None = None) -> None:
    """Record what the catalogue names, and say what could not be."""
    parser = argparse.ArgumentParser(prog="python -m tests.frameworks.js", description=main.__doc__)
    parser.add_argument(
        "--only", action="append", metavar="NAME", choices=FRAMEWORKS, help="record just this; may be repeated"
    )
    parser.add_argument("--list", action="store_true", help="name what can be recorded, and do nothing")
    chosen = parser.parse_args(arguments)
    if chosen.list:
        print("\n".join(FRAMEWORKS))
        return
    rows = [record(FRAMEWORKS[name]) for name in chosen.only or FRAMEWORKS]
    print(write_table(HERE / "README.md", rows))
    if any(row.problem for row in rows):
        raise SystemExit(1)


def record(framework: Framework) -> Row:
    """One run, its record written; the row says what became of it."""
    print(f"{framework.name}: running", flush=True)
    version = ""
    try:
        home = install(framework)
        version = installed_version(framework, home)
        told = run_story(framework, home)
        size = keep(framework, version, told)
    except (StoryFailedError, ValueError) as error:
        print(f"{framework.name}: {error}", flush=True)
        return Row(framework.name, framework.package, version, problem=str(error).splitlines()[0])
    return Row(framework.name, framework.package, version, calls=len(told.bills), size=size)


def run_story(framework: Framework, home: Path) -> Told:
    """Tells the story to a provider and a receiver of its own."""
    with serving_provider() as provider, recording() as receiver:
        credentials = b64encode(f"{PUBLIC_KEY}:{SECRET_KEY}".encode()).decode()
        otlp = f"{receiver.url}/api/public/otel"
        variables = {
            "PROVIDER_URL": provider,
            "TAILRACE_OTLP_URL": otlp,
            "TAILRACE_AUTHORIZATION": f"Basic {credentials}",
            "LANGFUSE_BASE_URL": receiver.url,
            "LANGFUSE_BASEURL": receiver.url,
            "LANGFUSE_PUBLIC_KEY": PUBLIC_KEY,
            "LANGFUSE_SECRET_KEY": SECRET_KEY,
        }
        tell(framework, home, variables)
        with urlopen(f"{provider}/bills") as answer:
            bills = json.load(answer)
        posts = [each for each in receiver.requests if each.method == "POST" and each.status < 400]
        return Told(posts, bills, home, {provider: PROVIDER_URL, receiver.url: RECEIVER_URL})


@contextmanager
def serving_provider() -> Generator[str]:
    """The address of a started provider, which ends with its standard input."""
    command = [str(node()), str(HERE / "provider.mjs")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())["url"]
        finally:
            process.stdin.close()


def keep(framework: Framework, version: str, told: Told) -> int:
    """Writes the record and returns its size. Raises ValueError if there is nothing to keep."""
    if not told.requests:
        raise ValueError("it sent nothing")
    scrubber = Scrubber(told.home, told.urls)
    pins = json.loads((framework.folder / "package.json").read_text(encoding="utf-8"))["dependencies"]
    expected = {
        "packages": {framework.package: version} | pins,
        "requests": [],
        "calls": [_call(framework, bill) for bill in told.bills],
        "absent": _listed(framework.absent | {"given_cost": "it prices nothing"}),
        "untold": _listed(framework.untold),
    }
    return write_record(RECORDS / f"js-{framework.name}", [scrubber.request(each) for each in told.requests], expected)


def _listed(reasons: dict[str, str]) -> list[dict[str, str]]:
    return [{"field": field, "reason": reason} for field, reason in reasons.items()]


def _call(framework: Framework, bill: dict[str, Any]) -> dict[str, Any]:
    """A call of the bill, with what the package does not tell of it, and what it tells instead."""
    absent: dict[str, str] = {}
    instead: dict[str, int] = {}
    for hidden in framework.hidden:
        found = hidden.of(bill)
        absent |= found
        if found:
            instead |= hidden.instead
    return bill | ({"absent": absent} if absent else {}) | ({"told_instead": instead} if instead else {})
