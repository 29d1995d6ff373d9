"""`python -m tests.bench`: how fast it is on this machine, kept as JSON, a table and plots in docs/benchmarks."""

import argparse
import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from tests.bench.machine import REPOSITORY, describe_machine
from tests.bench.maximum import measure_workload
from tests.bench.report import page, plots
from tests.load.stack import running_stack
from tests.load.templates import Workload


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--spans", type=int, default=60_000, help="spans of each workload at the maximum")
    parser.add_argument("--seconds", type=float, default=30, help="of each part of the maximum, for freshness")
    parser.add_argument("--into", type=Path, default=REPOSITORY / "docs/benchmarks", help="the folder of the results")
    parser.add_argument("--json", action="store_true", help="print the JSON and write nothing")
    arguments = parser.parse_args()
    with running_stack() as stack:
        machine = asyncio.run(describe_machine(stack))
    workloads: tuple[Workload, ...] = ("batches", "sdk")
    found: dict[str, Any] = {
        "command": f"python -m tests.bench --spans {arguments.spans} --seconds {arguments.seconds:g}",
        "machine": machine,
        "workloads": [measure_workload(one, arguments.spans, arguments.seconds) for one in workloads],
    }
    if arguments.json:
        print(json.dumps(found, indent=2))
        return 0
    write(found, arguments.into)
    print(page(found))
    return 0


def write(found: dict[str, Any], folder: Path) -> None:
    """Keep it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "bench.json").write_text(json.dumps(found, indent=2) + "\n")
    (folder / "README.md").write_text(page(found))
    for name, svg in plots(found).items():
        (folder / name).write_text(svg)


if __name__ == "__main__":
    sys.exit(main())
