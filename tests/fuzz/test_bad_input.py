"""A short and always equal part of the fuzz (`make fuzz` runs it for longer): whatever is sent, only its sender notices."""

import pytest

from tests.e2e.conftest import tell
from tests.fuzz.__main__ import faults_of
from tests.fuzz.campaign import REASONS, Report, run_campaign, table_of
from tests.fuzz.target import running_target

pytestmark = pytest.mark.e2e

EXAMPLES = 5


@pytest.fixture(scope="module")
def report(request: pytest.FixtureRequest) -> Report:
    with running_target() as target:
        report = run_campaign(target, examples=EXAMPLES, tell=lambda line: tell(request, line))
    tell(request, table_of(report))
    return report


def test_nothing_breaks_and_every_refusal_says_its_reason_in_json(report: Report) -> None:
    assert faults_of(report) == []
    assert report.verdict.requests > 300


def test_what_was_accepted_is_applied_or_a_dead_letter_with_a_known_reason(report: Report) -> None:
    assert report.conservation["holds"]
    for project, line in report.events.items():
        dead = report.dead_letters[project]
        assert line["accepted"] == line["applied"] + line["deadLettered"], line
        assert line["deadLettered"] == sum(dead.values())
        assert set(dead) <= REASONS
        assert line["accepted"] >= report.verdict.accepted[project]
