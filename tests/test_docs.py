"""The documents are true: links lead somewhere, and commands, settings, files and headings that they name exist."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tailrace.__main__ import COMMANDS
from tailrace.admin.config import settings_table
from tailrace.runtime.settings import describe_settings
from tests.chaos.faults import SCENARIOS

REPOSITORY = Path(__file__).parents[1]
TRACKED = [
    REPOSITORY / name
    for name in subprocess.run(
        ["git", "ls-files", "-z", "--cached"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    if name
]
DOCUMENTS = [path for path in TRACKED if path.suffix == ".md"]
RECORDS = sorted((REPOSITORY / "docs/decisions").glob("[0-9]*.md"))


def name_of(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


def anchors_of(document: Path) -> set[str]:
    """The anchors that a forge makes of the headings."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}


def code_of(document: Path) -> Iterator[str]:
    """What stands in code spans and code blocks."""
    text = document.read_text()
    yield from re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    yield from re.findall(r"`([^`\n]+)`", text)


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_link_leads_to_a_file_and_a_heading_that_exist(document: Path) -> None:
    for link in re.findall(r"\]\(([^)]+)\)", document.read_text()):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), link
        assert not anchor or anchor in anchors_of(target), link


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_command_in_a_document_exists(document: Path) -> None:
    commands = {command.name for command in COMMANDS}
    targets = set(re.findall(r"^([a-z0-9-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    for code in code_of(document):
        for target in re.findall(r"^(?:\$ )?make ([a-z0-9-]+)", code, re.MULTILINE):
            assert target in targets, target
        for command in re.findall(r"(?:^|bin/|-- )tailrace ([a-z][a-z-]*)(?=[\s`]|$)", code, re.MULTILINE):
            assert command in commands, command


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_setting_in_a_document_exists(document: Path) -> None:
    settings = {setting.variable for setting in describe_settings()}
    for name in re.findall(r"`(TAILRACE_[A-Z_]+)`", document.read_text()):
        assert name in settings or name.startswith("TAILRACE_TEST_") or name.endswith("_"), name


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_test_that_a_document_names_exists(document: Path) -> None:
    for file, test in re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", document.read_text()):
        assert (REPOSITORY / file).is_file(), file
        assert f"def {test}" in (REPOSITORY / file).read_text(), test


def test_every_fault_in_the_table_of_rules_exists_and_every_rule_that_has_one_is_in_it() -> None:
    rows = re.findall(
        r"^\|[^|]+\| (.+) \|$", (REPOSITORY / "docs/chaos.md").read_text().partition("## Rules")[2], re.MULTILINE
    )
    named = {name for row in rows for name in re.findall(r"`([a-z][a-z-]+)`", row)}
    faults = {scenario.name for scenario in SCENARIOS}
    assert named <= faults
    assert {name for name in faults if name.startswith("rule-")} <= named


def test_the_table_of_settings_is_what_the_code_says() -> None:
    text = (REPOSITORY / "docs/configuration.md").read_text()
    assert text.endswith("\n\n" + settings_table(describe_settings()) + "\n"), "run `make docs`"


def test_the_readme_has_the_two_commands_and_says_what_is_not_there() -> None:
    readme = (REPOSITORY / "README.md").read_text()
    assert re.findall(r"^make (\w+)", readme, re.MULTILINE) == ["up", "test"]
    assert "LANGFUSE_BASE_URL" in readme
    assert "## What it is not, yet" in readme


def test_make_lists_every_target_that_a_person_calls() -> None:
    listed = subprocess.run(["make"], cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    for target in (
        "setup",
        "fmt",
        "lint",
        "types",
        "imports",
        "unit",
        "integration",
        "e2e",
        "test",
        "check",
        "up",
        "down",
    ):
        assert re.search(rf"^  make {target} ", listed, re.MULTILINE), target


@pytest.mark.parametrize("record", RECORDS, ids=name_of)
def test_a_decision_record_has_its_four_parts_and_is_listed(record: Path) -> None:
    headings = re.findall(r"^## (.+)$", record.read_text(), re.MULTILINE)
    assert headings == ["Context", "Decision", "Alternatives", "Consequences"]
    assert f"]({record.name})" in (REPOSITORY / "docs/decisions/README.md").read_text()


def test_decision_records_are_numbered_without_a_gap() -> None:
    assert [int(record.name[:4]) for record in RECORDS] == list(range(1, len(RECORDS) + 1))


HOSTS = re.compile(
    rb"registry\.npmjs|pypi\.org|pythonhosted\.org|repo1?\.maven|proxy\.golang|docker\.io/|ghcr\.io/|quay\.io/|deb\.debian"
)
HOME_FOLDERS = re.compile(rb"/(?:root|home/\w+|Users/\w+)/")


def test_no_file_names_a_folder_of_somebodys_machine_or_the_host_of_a_registry() -> None:
    checkout = str(REPOSITORY).encode() + b"/"
    for path in TRACKED:
        content = path.read_bytes() if path.is_file() else b""
        for found in (HOSTS.search(content), HOME_FOLDERS.search(content)):
            assert found is None, f"{name_of(path)}: {found}"
        assert checkout not in content, name_of(path)
