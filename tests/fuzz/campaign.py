"""The whole of it: attacks in, a report out. A good neighbour sends all the while; in the end everything is counted and read."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any, NamedTuple, get_args
from zlib import crc32

from hypothesis import HealthCheck, Phase, given, seed, settings

from tailrace.core.model import DiscardReason
from tests.e2e.stack import Credentials
from tests.fuzz.attacks import Attack, all_attacks
from tests.fuzz.grpc_client import Call, exchange_call
from tests.fuzz.http import Request, exchange
from tests.fuzz.neighbour import PROJECT, Neighbour
from tests.fuzz.readback import Readback
from tests.fuzz.target import Target, basic
from tests.fuzz.verdict import Verdict

APPLIED_SECONDS = 600
REASONS: frozenset[str] = frozenset(get_args(DiscardReason))

Tell = Callable[[str], None]


class Report(NamedTuple):
    """What became of a campaign. Everything but the counts must be empty, and `conservation` hold."""

    verdict: Verdict
    events: dict[str, dict[str, Any]]
    dead_letters: dict[str, Counter[str]]
    conservation: dict[str, Any]
    unreadable: list[str]
    reads: int
    log_faults: list[str]
    dead_processes: list[str]
    peak_memory: dict[str, int]


def run_campaign(
    target: Target, *, examples: int, seconds: float = 0, first_seed: int = 0, tell: Tell = print
) -> Report:
    """Send `examples` of each attack (more or fewer by its weight), and again with the next seed until `seconds` have passed."""
    attacks = all_attacks()
    projects = target.create_projects([PROJECT, *(attack.project for attack in attacks)])
    verdict, started = Verdict(), time.monotonic()
    neighbour = Neighbour(target.port, target.grpc_port, projects[PROJECT])
    neighbour.start()
    for number in range(first_seed, first_seed + 1_000_000):
        for attack in attacks:
            _send(attack, target, projects[attack.project], verdict, (number, examples))
        tell(f"seed {number}: {verdict.requests} requests, {len(verdict.violations)} violations")
        if time.monotonic() - started >= seconds:
            break
    neighbour.finish()
    conservation = _when_applied(target)
    neighbour.check()
    return _report(target, projects, verdict, conservation, most=20 if seconds else 2)


def _send(attack: Attack, target: Target, credentials: Credentials, verdict: Verdict, size: tuple[int, int]) -> None:
    number, examples = size
    authorization = basic(credentials)

    @seed(crc32(f"{number} {attack.project}".encode()))
    @settings(
        max_examples=max(1, round(examples * attack.weight)),
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
    )
    @given(attack.requests)
    def send(request: Request | Call) -> None:
        if isinstance(request, Call):
            verdict.judge_call(attack, request, exchange_call(target.grpc_port, request, authorization=authorization))
        else:
            verdict.judge(attack, request, exchange(target.port, request, authorization=authorization))

    send()


def _when_applied(target: Target) -> dict[str, Any]:
    """What conservation says once nothing is in flight. Raises AssertionError when that takes too long."""
    deadline = time.monotonic() + APPLIED_SECONDS
    while True:
        found = json.loads(
            target.stack.tailrace("conservation", "--json", codes=(0, 1), seconds=300), parse_float=Decimal
        )
        if not found["inFlight"]:
            return found
        assert time.monotonic() < deadline, f"still in flight: {found['inFlight']}; not live: {target.not_live()}"
        time.sleep(0.5)


def _report(
    target: Target, projects: dict[str, Credentials], verdict: Verdict, conservation: dict[str, Any], *, most: int
) -> Report:
    attacked = [credentials for name, credentials in projects.items() if name != PROJECT]
    readbacks = [Readback(target.read_port, each, most_pages=most, most_details=most + 1).run() for each in attacked]
    pids = target.pids()
    gone = [name for name, pid in target.pids_at_start.items() if pids.get(name) != pid]
    return Report(
        verdict=verdict,
        events={line["project"]: line for line in conservation["events"]},
        dead_letters=target.dead_letters(),
        conservation=conservation,
        unreadable=[fault for each in readbacks for fault in each.faults],
        reads=sum(each.reads for each in readbacks),
        log_faults=target.faults_in_logs(),
        dead_processes=gone + target.not_live(),
        peak_memory=target.peak_memory(),
    )


def table_of(report: Report) -> str:
    """For each endpoint and class of attack: requests, statuses, events, dead letters by reason."""
    head = ("endpoint", "attack", "requests", "answers", "accepted", "applied", "dead letters")
    rows = [head, *(_row(attack, report) for attack in all_attacks())]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    memory = ", ".join(f"{name} {size // 1024**2} MiB" for name, size in report.peak_memory.items())
    return "\n".join([*lines, f"{report.reads} reads; most memory: {memory}"])


def _row(attack: Attack, report: Report) -> tuple[str, ...]:
    statuses = report.verdict.statuses[attack.endpoint, attack.name]
    events = report.events.get(attack.project, {})
    return (
        attack.endpoint,
        attack.name,
        str(statuses.total()),
        _counts(sorted(statuses.items())),
        str(events.get("accepted", 0)),
        str(events.get("applied", 0)),
        _counts(report.dead_letters[attack.project].items()),
    )


def _counts(items: Iterable[tuple[str, int]]) -> str:
    return " ".join(f"{name}:{count}" for name, count in items) or "-"
