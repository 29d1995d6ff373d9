"""What a run of chaos found: outcomes in a file of JSON lines, so that a run can be taken up again; a table of them for people."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from tests.chaos.rounds import Outcome, Scenario

SHOWN_FINDINGS = 5


class Results:
    """The outcomes of a run so far, in a file. Of a round that was done again the last one counts."""

    def __init__(self, file: Path) -> None:
        self._file = file
        lines = file.read_bytes().splitlines() if file.exists() else []
        self._outcomes: dict[tuple[str, int], Outcome] = {}
        for line in lines:
            self._note(msgspec.json.decode(line, type=Outcome))

    @property
    def outcomes(self) -> list[Outcome]:
        return list(self._outcomes.values())

    def add(self, outcome: Outcome) -> None:
        """Keep an outcome, also if the run dies now."""
        self._note(outcome)
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.open("ab") as file:
            file.write(msgspec.json.encode(outcome) + b"\n")

    def has(self, scenario: str, seed: int) -> bool:
        """Whether this round is done."""
        return (scenario, seed) in self._outcomes

    def _note(self, outcome: Outcome) -> None:
        self._outcomes[outcome.scenario, outcome.seed] = outcome


def table(outcomes: Sequence[Outcome], scenarios: Iterable[Scenario]) -> str:
    """Fault → rounds, rows compared, lost, duplicated, wrong; one line each, and a sum."""
    lines = [
        "| fault | what happens | rounds | acknowledged | rows compared | lost | duplicated | wrong |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for scenario in scenarios:
        its = [outcome for outcome in outcomes if outcome.scenario == scenario.name]
        if its:
            lines.append(_line(scenario.name, scenario.meaning, its))
    lines.append(_line("all", "", outcomes))
    return "\n".join(lines)


def findings_of(outcome: Outcome) -> str:
    """The first findings of a round, a line each."""
    kinds = (("lost", outcome.lost), ("duplicated", outcome.duplicated), ("wrong", outcome.wrong))
    return "\n".join(
        f"  {kind}: {text}" for kind, found in kinds for text in [*found[:SHOWN_FINDINGS], *_more(len(found))]
    )


def _more(count: int) -> list[str]:
    return [f"… and {count - SHOWN_FINDINGS} more"] if count > SHOWN_FINDINGS else []


def _line(name: str, meaning: str, outcomes: Sequence[Outcome]) -> str:
    figures = (
        len(outcomes),
        sum(outcome.acknowledged for outcome in outcomes),
        sum(sum(outcome.checked.values()) for outcome in outcomes),
        sum(len(outcome.lost) for outcome in outcomes),
        sum(len(outcome.duplicated) for outcome in outcomes),
        sum(len(outcome.wrong) for outcome in outcomes),
    )
    return f"| {name} | {meaning} | " + " | ".join(f"{figure:,}" for figure in figures) + " |"
