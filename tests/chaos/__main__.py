"""`python -m tests.chaos`: attack a real stack with every fault, many seeds each, and print what was lost, duplicated or wrong.

A run is kept in a file and goes on where it was stopped. `--only kill --seed 7` replays one round.
"""

import argparse
import asyncio
import logging
import sys
import time
from pathlib import Path

from tests.chaos.cluster import Cluster, running_cluster
from tests.chaos.faults import SCENARIOS
from tests.chaos.report import Results, findings_of, table
from tests.chaos.rounds import Outcome, Scenario, run_round

ROUNDS_PER_CLUSTER = 12
FIRST_SEED = 1


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--only", nargs="+", metavar="FAULT", help="only these faults")
    parser.add_argument("--seed", type=int, nargs="+", help="only these seeds, also if they are done already")
    parser.add_argument("--rounds", type=int, help="so many seeds of each fault, instead of the planned number")
    parser.add_argument(
        "--results", type=Path, default=Path(".cache/chaos/results.jsonl"), help="where outcomes are kept"
    )
    parser.add_argument("--fresh", action="store_true", help="forget the outcomes of earlier runs")
    parser.add_argument("--list", action="store_true", help="list the faults")
    parser.add_argument("--keep", action="store_true", help="keep the logs of the processes")
    parser.add_argument("--minutes", type=float, default=1e9, help="begin no round after so long")
    arguments = parser.parse_args()
    scenarios = [one for one in SCENARIOS if not arguments.only or one.name in arguments.only]
    if arguments.list or not scenarios:
        for one in SCENARIOS:
            print(f"{one.name:24} {one.seeds:3} rounds of {one.seconds:3.0f} s  {one.meaning}")
        return 0 if arguments.list else 2
    if arguments.fresh:
        arguments.results.unlink(missing_ok=True)
    results = Results(arguments.results)
    plan = [
        (scenario, seed)
        for scenario in scenarios
        for seed in arguments.seed or range(FIRST_SEED, FIRST_SEED + (arguments.rounds or scenario.seeds))
        if arguments.seed or not results.has(scenario.name, seed)
    ]
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # a broker that is away is no news here
    asyncio.run(_run(plan, results, until=time.monotonic() + arguments.minutes * 60, keep=arguments.keep))
    print(table(results.outcomes, scenarios))
    return 0 if all(outcome.is_clean for outcome in results.outcomes) else 1


async def _run(plan: list[tuple[Scenario, int]], results: Results, *, until: float, keep: bool) -> None:
    """Every round of the plan; a cluster serves several, unless a round broke it or found something."""
    done = 0
    while done < len(plan) and time.monotonic() < until:
        async with running_cluster() as cluster:
            cluster.keep = keep
            for scenario, seed in plan[done : done + ROUNDS_PER_CLUSTER]:
                if time.monotonic() > until:
                    return
                outcome = await _one(cluster, scenario, seed)
                results.add(outcome)
                done += 1
                _tell(outcome, done, len(plan), cluster)
                cluster.keep |= not outcome.is_clean
                if scenario.breaks or not outcome.is_clean:
                    break


async def _one(cluster: Cluster, scenario: Scenario, seed: int) -> Outcome:
    try:
        return await run_round(cluster, scenario, seed)
    except Exception as error:
        print(f"{scenario.name} {seed}: the round itself failed; see {cluster.folder}", file=sys.stderr)
        raise RuntimeError(f"{scenario.name} --seed {seed} failed") from error


def _tell(outcome: Outcome, done: int, planned: int, cluster: Cluster) -> None:
    verdict = "clean" if outcome.is_clean else f"NOT CLEAN, logs in {cluster.folder}"
    print(
        f"[{done}/{planned}] {outcome.scenario} --seed {outcome.seed}: {verdict}; {sum(outcome.checked.values())} rows compared, "
        f"drained in {outcome.drained_seconds:g} s, {outcome.seconds:g} s in all; answers {outcome.answers}"
        + "".join(f"\n  note: {note}" for note in outcome.notes),
        flush=True,
    )
    if not outcome.is_clean:
        print(findings_of(outcome), flush=True)


if __name__ == "__main__":
    sys.exit(main())
