"""`python -m tests.bench run|growth|floors|peers`: how fast it is on this machine, kept as JSON, tables and plots in docs/benchmarks.

run: the most that is taken and stored, what a span costs, and how soon it is readable. growth: the same, reads and the restart of a killed assembler, with up to ten million observations stored. floors: what the irreducible work of each stage costs. peers: the same load
against MLflow and Arize Phoenix, in turns with ours.
"""

import argparse
import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from tests.bench.floors import measure_floors
from tests.bench.growth import LEVELS, measure_growth
from tests.bench.machine import REPOSITORY, describe_machine
from tests.bench.maximum import measure_workload
from tests.bench.peers import measure_peers
from tests.bench.report import floors_page, growth_page, page, peers_page, plots
from tests.bench.tall import measure_tall
from tests.load.stack import end_by_signals, running_stack


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("what", choices=["run", "growth", "floors", "peers"])
    parser.add_argument("--spans", type=int, default=60_000, help="spans of each measurement of the maximum")
    parser.add_argument("--seconds", type=float, default=30, help="of each measurement of freshness")
    parser.add_argument("--levels", type=int, nargs="+", default=LEVELS, help="observations stored, for growth")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each tool, for peers")
    parser.add_argument("--peers-spans", type=int, default=4_000, help="spans of each turn of another tool")
    parser.add_argument("--into", type=Path, default=REPOSITORY / "docs/benchmarks", help="the folder of the results")
    arguments = parser.parse_args()
    end_by_signals()
    machine = describe_machine()
    command = f"python -m tests.bench {arguments.what} --spans {arguments.spans} --seconds {arguments.seconds:g}"
    if arguments.what == "run":
        workloads = [measure_workload(one, arguments.spans, arguments.seconds) for one in ("batches", "sdk")]
        found = {"command": command, "machine": machine, "workloads": workloads, "tall": measure_tall()}
        write(arguments.into, "bench.json", found, {"README.md": page(found), **plots(found)})
    elif arguments.what == "floors":
        with running_stack() as stack:
            floors = asyncio.run(measure_floors(stack, arguments.spans))
        found = {"command": command, "machine": machine, **floors}
        write(arguments.into, "floors.json", found, {"floors.md": floors_page(found)})
    elif arguments.what == "peers":
        tools = measure_peers(arguments.rounds, arguments.spans, arguments.peers_spans)
        found = {"command": f"{command} --rounds {arguments.rounds}", "machine": machine, "tools": tools}
        write(arguments.into, "peers.json", found, {"peers.md": peers_page(found)})
    else:
        levels = measure_growth(arguments.levels, arguments.spans, arguments.seconds)
        found = {"command": command, "machine": machine, "levels": levels}
        write(arguments.into, "growth.json", found, {"growth.md": growth_page(found)})
    return 0


def write(folder: Path, name: str, found: dict[str, Any], drawn: dict[str, str]) -> None:
    """Keep the figures and what was made of them, and print the page."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(found, indent=2) + "\n")
    for file, text in drawn.items():
        (folder / file).write_text(text)
        if file.endswith(".md"):
            print(text)


if __name__ == "__main__":
    sys.exit(main())
