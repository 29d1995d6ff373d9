"""What the audits tell Prometheus: figures by project, and what is broken by name, under the cap of label sets."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from tailrace.auditor.ledger import Move, Snapshot
from tailrace.auditor.tally import Tally
from tailrace.auditor.walk import Broken
from tailrace.runtime import metrics


def sum_states(snapshot: Snapshot, moves: Sequence[Move], tallies: Mapping[int, Tally]) -> dict[str, Counter[str]]:
    """Events by state and project, over all partitions. Accepted is the sum of what the log said, the others where it went."""
    states: dict[str, Counter[str]] = {
        state: Counter() for state in ("accepted", "applied", "dead_lettered", "in_flight", "given_up")
    }
    for (project, _), counted in snapshot.counts.items():
        states["applied"][project] += counted.applied
        states["dead_lettered"][project] += counted.dead_lettered
    for (project, _), audited in snapshot.audited.items():
        states["accepted"][project] += audited.accepted + audited.given_up
        states["given_up"][project] += audited.given_up
    for move in moves:
        states["accepted"] += move.accepted + move.given_up
        states["given_up"] += move.given_up
    for number, tally in tallies.items():
        in_flight = tally.count(snapshot.applied.get(number, -1) + 1, tally.next)
        states["accepted"] += in_flight
        states["in_flight"] += in_flight
    return states


def export_events(states: Mapping[str, Counter[str]], broken: Mapping[tuple[str, int], int], max_series: int) -> None:
    """Events by project and state; and by how many the law is broken, by project and partition: 0, without a partition, where it holds."""
    projects = {project for events in states.values() for project in events}
    cap, off_by = metrics.LabelCap(max_series), Counter[tuple[str, ...]]()
    # The broken ones first, so that it is their names that fit under the cap.
    for (project, partition), events in sorted(broken.items()):
        off_by[cap.admit(project, str(partition))] += events
    for project in sorted(projects - {project for project, _ in broken}):
        off_by[cap.admit(project, "")] += 0
    metrics.conservation_broken_events.clear()
    for labels, events in off_by.items():
        metrics.conservation_broken_events.labels(*labels).set(events)
    cap, figures = metrics.LabelCap(max_series), Counter[tuple[str, str]]()
    for project in sorted(projects):
        (label,) = cap.admit(project)
        for state, events in states.items():
            figures[label, state] += events[project]
    metrics.conservation_events.clear()
    for (label, state), events in figures.items():
        metrics.conservation_events.labels(label, state).set(events)


def export_costs(projects: Iterable[str], broken: Mapping[Broken, Decimal], max_series: int) -> None:
    """By how many USD windows and observations differ, by project; 0 where they agree."""
    by_law: dict[tuple[str, int], Decimal] = {}
    for one, usd in broken.items():
        by_law[one.project, one.law] = by_law.get((one.project, one.law), Decimal(0)) + abs(usd)
    off_by: dict[str, Decimal] = {}
    for (project, _), usd in sorted(by_law.items()):
        # A wrong window breaks the law to its left and the one to its right: the same money.
        off_by[project] = max(off_by.get(project, Decimal(0)), usd)
    cap = metrics.LabelCap(max_series)
    metrics.conservation_broken_usd.clear()
    for project in (*sorted(off_by), *sorted(set(projects) - off_by.keys())):
        metrics.conservation_broken_usd.labels(*cap.admit(project)).inc(float(off_by.get(project, Decimal(0))))
