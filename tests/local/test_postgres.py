"""What PostgreSQL's folder goes through before a start; no server runs here."""

import os
from pathlib import Path

import pytest

from tailrace.local.errors import StackError
from tailrace.local.postgres import LocalPostgres


@pytest.fixture
def postgres(tmp_path: Path) -> LocalPostgres:
    folder = tmp_path / "postgres"
    folder.mkdir()
    (folder / "PG_VERSION").write_text("18\n")
    (tmp_path / "postgres.password").write_text("secret")
    return LocalPostgres(folder=folder, port=5432)


def test_a_pid_file_whose_number_belongs_to_another_program_is_cleared(postgres: LocalPostgres, tmp_path: Path) -> None:
    pid_file = postgres.folder / "postmaster.pid"
    pid_file.write_text(f"{os.getpid()}\n{postgres.folder}\n")

    postgres.prepare(tmp_path / "log")

    assert not pid_file.exists()


def test_a_database_of_another_major_release_is_refused(postgres: LocalPostgres, tmp_path: Path) -> None:
    (postgres.folder / "PG_VERSION").write_text("16\n")

    with pytest.raises(StackError, match="was made by PostgreSQL 16, this is 18: "):
        postgres.prepare(tmp_path / "log")


def test_the_server_listens_on_this_machine_only_and_waits_for_the_disk(postgres: LocalPostgres) -> None:
    assert {"listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=on"} <= set(postgres.command)
    assert postgres.dsn() == "postgresql://tailrace:secret@127.0.0.1:5432/tailrace"
