"""The lists of `docs/mapping.md` are those of the code."""

import re
from pathlib import Path
from typing import Any

import pytest

from tailrace.assembler.mapping import precedence
from tailrace.assembler.mapping.rules import Rule
from tailrace.core.usage import TOTAL_COSTS

TEXT = (Path(__file__).parents[3] / "docs/mapping.md").read_text()
LISTS: dict[str, tuple[Rule[Any], ...]] = {
    "Type": precedence.TYPES,
    "Name": precedence.NAMES,
    "Model": precedence.MODELS,
    "Model parameters": precedence.PARAMETERS,
    "Input and output": precedence.BODIES,
    "Tool definitions": precedence.TOOLS,
    "Repeats": precedence.REPEATS,
    "Prompt link": precedence.PROMPTS,
    "Completion start": precedence.COMPLETION_STARTS,
    "Level": precedence.LEVELS,
    "Status message": precedence.STATUS_MESSAGES,
}


def rows_under(heading: str) -> list[list[str]]:
    """The cells of the table under a heading, without its head."""
    section = re.split(rf"^##+ {re.escape(heading)}$", TEXT, flags=re.MULTILINE)[1].partition("\n#")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def names_in(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def where(rule: Rule[Any]) -> list[str]:
    """What a row has to name."""
    scope = [] if rule.scope is None else [rule.scope]
    return scope + [f"{name}*" if name.endswith(".") else name for name in rule.names]


def test_the_conventions_of_the_document_are_those_of_the_code() -> None:
    assert [row[0] for row in rows_under("Conventions")] == list(precedence.CONVENTIONS)


@pytest.mark.parametrize("heading", LISTS)
def test_the_order_of_the_document_is_that_of_the_code(heading: str) -> None:
    told = [(convention, names_in(place)) for _, convention, place, _ in rows_under(heading)]
    assert told == [(rule.convention, where(rule)) for rule in LISTS[heading]]
    assert [row[0] for row in rows_under(heading)] == [str(number + 1) for number in range(len(told))]


@pytest.mark.parametrize("heading", LISTS)
def test_every_rule_is_of_a_convention_and_a_scope_that_are_listed(heading: str) -> None:
    for rule, row in zip(LISTS[heading], rows_under(heading), strict=True):
        assert rule.convention in precedence.CONVENTIONS
        assert rule.scope is None or rule.scope in precedence.SCOPES
        assert ("scope" in row[2], "span events" in row[2]) == (rule.scope is not None, rule.of_events)


def test_the_names_of_a_cost_in_the_document_are_those_of_the_code() -> None:
    section = TEXT.partition("\n### Cost\n")[2].partition("\n#")[0]
    assert tuple(names_in(section))[1:] == TOTAL_COSTS


def test_the_names_of_the_identity_in_the_document_are_those_of_the_code() -> None:
    told = {row[0]: tuple(names_in(row[1])) for row in rows_under("User, session, tags, environment")}
    assert told == {
        "User": precedence.USER_IDS,
        "Session": precedence.SESSION_IDS,
        "Tags": precedence.TAGS,
        "Environment": precedence.ENVIRONMENTS,
    }
