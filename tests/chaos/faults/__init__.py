"""Every fault of the suite, in the order of the report."""

from tests.chaos.faults import losses, processes, records, releases, rules, stores
from tests.chaos.rounds import Scenario

SCENARIOS: tuple[Scenario, ...] = (
    *processes.SCENARIOS,
    *stores.SCENARIOS,
    *rules.SCENARIOS,
    *records.SCENARIOS,
    *releases.SCENARIOS,
    *losses.SCENARIOS,
)
