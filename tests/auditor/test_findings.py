"""What is broken is told once it has lasted."""

from tailrace.auditor.findings import Findings
from tests.fakes import Clock


def test_a_finding_is_told_after_the_grace_time_with_its_newest_amount() -> None:
    clock = Clock()
    findings: Findings[str, int] = Findings(60, clock=clock)

    findings.note("a", 1)
    clock.now = 59.9
    findings.note("a", 2)
    assert findings.confirmed() == {}
    clock.now = 60

    assert findings.confirmed() == {"a": 2}


def test_what_heals_begins_anew_when_it_breaks_again() -> None:
    clock = Clock()
    findings: Findings[str, int] = Findings(60, clock=clock)
    findings.note("a", 1)
    clock.now = 59
    findings.note("a", 0)
    findings.note("a", 1)
    clock.now = 118

    assert findings.confirmed() == {}
    assert list(findings) == ["a"]


def test_no_more_are_remembered_than_the_limit() -> None:
    findings: Findings[int, int] = Findings(0, limit=3)
    for key in range(5):
        findings.note(key, 1)

    assert len(findings) == 3
    assert findings.is_full
    findings.note(0, 0)
    findings.note(4, 1)
    assert set(findings.confirmed()) == {1, 2, 4}
