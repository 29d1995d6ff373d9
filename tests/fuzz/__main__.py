"""`python -m tests.fuzz`: attack a real stack for as long as asked, and print what became of every attack."""

import argparse
import sys

from tests.fuzz.campaign import Report, run_campaign, table_of
from tests.fuzz.target import running_target


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600, help="how long to send; the round under way is finished")
    parser.add_argument("--examples", type=int, default=20, help="requests of each attack in a round")
    parser.add_argument("--seed", type=int, default=1, help="the seed of the first round; the next has the next")
    arguments = parser.parse_args()
    with running_target() as target:
        report = run_campaign(target, examples=arguments.examples, seconds=arguments.seconds, first_seed=arguments.seed)
    print(table_of(report))
    faults = faults_of(report)
    print("\n".join(faults) or "nothing was broken")
    return 1 if faults else 0


def faults_of(report: Report) -> list[str]:
    """What was broken, a text each."""
    broken = [f"{one.rule}: {one.attack}\n  {one.request}\n  {one.answer}" for one in report.verdict.violations]
    lost = [] if report.conservation["holds"] else [str(sentence) for sentence in report.conservation["violations"]]
    dead = [f"{name} is not what it was at the start, or not live" for name in report.dead_processes]
    return [*broken, *lost, *dead, *report.unreadable, *report.log_faults]


if __name__ == "__main__":
    sys.exit(main())
