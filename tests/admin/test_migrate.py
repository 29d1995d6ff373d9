"""`tailrace migrate` reads its files strictly and tells what it does."""

from pathlib import Path

import pytest

from tailrace.admin.command import OperatorError
from tailrace.admin.migrate import read_migrations
from tests.admin.conftest import Tailrace


def test_migrations_are_read_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for name in ("0010_post_c.sql", "0002_pre_b.sql", "0001_pre_a.sql"):
        (tmp_path / name).write_text("select 1")

    assert [(one.version, one.phase) for one in read_migrations(tmp_path)] == [(1, "pre"), (2, "pre"), (10, "post")]


@pytest.mark.parametrize("name", ["1_pre_a.sql", "0001_initial.sql", "0001_pre_A.sql"])
def test_a_file_with_another_name_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("select 1")

    with pytest.raises(OperatorError, match="expected migrations named like 0001_pre_what"):
        read_migrations(tmp_path)


def test_a_number_that_stands_twice_is_refused(tmp_path: Path) -> None:
    for name in ("0001_pre_a.sql", "0001_post_b.sql"):
        (tmp_path / name).write_text("select 1")

    with pytest.raises(OperatorError, match="expected one migration for each number"):
        read_migrations(tmp_path)


@pytest.mark.integration
def test_a_dry_run_tells_and_changes_nothing(tailrace: Tailrace, empty_postgres_dsn: str) -> None:
    told = tailrace("migrate", "--dry-run", TAILRACE_POSTGRES_DSN=empty_postgres_dsn)
    done = tailrace("migrate", TAILRACE_POSTGRES_DSN=empty_postgres_dsn)
    after = tailrace("migrate", TAILRACE_POSTGRES_DSN=empty_postgres_dsn)

    assert told.out.splitlines()[0] == "would apply 0001_pre_initial"
    assert done.out.splitlines()[0] == "applied 0001_pre_initial"
    assert after.out == "nothing to apply: the schema is this release's\n"
