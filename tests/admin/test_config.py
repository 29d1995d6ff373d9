"""`tailrace config` lists every setting and shows no secret."""

from pathlib import Path

import orjson
import pytest

from tailrace.__main__ import main
from tailrace.admin.config import settings_table, values_in_use
from tailrace.runtime.settings import describe_settings, load_settings

REPOSITORY = Path(__file__).parents[2]


def test_every_setting_has_a_meaning_and_a_unit(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "--json"]) == 0

    rows = orjson.loads(capsys.readouterr().out)
    assert {"TAILRACE_PORT", "TAILRACE_POSTGRES_DSN"} <= {row["variable"] for row in rows}
    assert all(row["meaning"].endswith(".") and row["unit"] for row in rows)


def test_the_values_in_use_name_a_secret_only_as_set() -> None:
    settings = load_settings({"TAILRACE_POSTGRES_DSN": "postgresql://eve:hush@db/x", "TAILRACE_PORT": "4000"})

    values = values_in_use(settings)

    assert values["TAILRACE_PORT"] == "4000"
    assert values["TAILRACE_POSTGRES_DSN"] == "(set, not shown)"
    assert "TAILRACE_INIT_PROJECT_SECRET_KEY" not in values


def test_the_configuration_page_is_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "configuration.md"

    page.write_text(f"# Configuration\n\n{settings_table(describe_settings())}\n")
    assert main(["config", "--check", str(page)]) == 0
    page.write_text("# Configuration\n\n| Setting |\n")
    assert main(["config", "--check", str(page)]) == 1
    assert main(["config", "--check", str(tmp_path / "missing.md")]) == 1
    assert capsys.readouterr().err.count("\n") == 2


def test_the_shipped_page_is_current() -> None:
    assert main(["config", "--check", str(REPOSITORY / "docs" / "configuration.md")]) == 0
