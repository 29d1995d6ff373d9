"""Records what the instrumentation packages send: `python -m tests.frameworks`, `--only NAME …`, `--list`, `--pin`, `--table`."""

import argparse
import sys
import time

from tests.frameworks.catalogue import CATALOGUE, Run
from tests.frameworks.environments import RunFailedError, pin
from tests.frameworks.providers import Providers, serving
from tests.frameworks.readme import matrix, write_tables
from tests.frameworks.recording import tell, write_record


def main() -> int:
    arguments = _parse()
    runs = [CATALOGUE[name] for name in arguments.only or CATALOGUE]
    if arguments.list:
        for run in runs:
            print(f"{run.name:32} {' '.join(f'{name} {version}' for name, version in run.versions().items())}")
        return 0
    if arguments.table:
        write_tables()
        return 0
    with serving() as providers:
        failed = [run.name for run in runs if not _record(run, providers, with_pin=arguments.pin)]
    write_tables()
    print(matrix())
    print(f"{len(runs) - len(failed)} recorded, {len(failed)} failed: {' '.join(failed)}".rstrip(": "))
    return 1 if failed else 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.frameworks", description=__doc__)
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=CATALOGUE, help="these runs instead of all")
    parser.add_argument("--list", action="store_true", help="only say which runs there are")
    parser.add_argument("--pin", action="store_true", help="take the newest versions first, and pin them")
    parser.add_argument(
        "--table", action="store_true", help="only write the tables of README.md and of docs/frameworks.md"
    )
    return parser.parse_args()


def _record(run: Run, providers: Providers, *, with_pin: bool) -> bool:
    """Whether it could be recorded; why not is printed."""
    started = time.monotonic()
    try:
        if with_pin:
            pin(run)
        told = tell(run, providers)
        write_record(run, told)
    except RunFailedError as error:
        print(f"{run.name}: FAILED\n{error}", file=sys.stderr, flush=True)
        return False
    size = sum(len(request.body) for request in told.requests)
    seconds = time.monotonic() - started
    calls, requests = len(told.calls), len(told.requests)
    print(f"{run.name}: {calls} calls billed, {requests} requests, {size} bytes, {seconds:.0f} s", flush=True)
    return True


if __name__ == "__main__":
    sys.exit(main())
