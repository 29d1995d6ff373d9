import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from tailrace.local import datadir
from tailrace.local.datadir import LockTakenError, lock_data_dir, open_data_dir, rotate_log
from tailrace.local.errors import StackError


def test_a_new_folder_becomes_a_data_folder_and_is_one_at_the_next_start(tmp_path: Path) -> None:
    first = open_data_dir(str(tmp_path / "data"))
    second = open_data_dir(str(tmp_path / "data"))

    assert first == second
    assert first.root.is_absolute()
    assert first.log("kafka").parent.is_dir()


def test_a_folder_with_other_things_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()

    with pytest.raises(StackError, match="neither empty nor a data folder of tailrace"):
        open_data_dir(str(tmp_path))


@pytest.mark.parametrize("path", ["file", "file/below"])
def test_a_file_in_its_place_is_refused(tmp_path: Path, path: str) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(StackError, match=r"a file.*: set TAILRACE_DATA_DIR to another path"):
        open_data_dir(str(tmp_path / path))


def test_a_marker_that_cannot_be_read_is_a_damaged_folder(tmp_path: Path) -> None:
    root = open_data_dir(str(tmp_path / "data")).root
    (root / "VERSION").write_text("{half")

    with pytest.raises(StackError, match=r"is damaged \(VERSION cannot be read"):
        open_data_dir(str(root))


def test_a_folder_of_a_newer_release_is_refused(tmp_path: Path) -> None:
    root = open_data_dir(str(tmp_path / "data")).root
    (root / "VERSION").write_text('{"format": 99}')

    with pytest.raises(StackError, match=r"made by a newer tailrace .*: upgrade tailrace"):
        open_data_dir(str(root))


def test_a_full_disk_is_said_before_anything_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nearly_full(_: Path) -> SimpleNamespace:
        return SimpleNamespace(free=2**20)

    monkeypatch.setattr(shutil, "disk_usage", nearly_full)

    with pytest.raises(StackError, match="has 1 MiB left, and Kafka and PostgreSQL need 512 MiB"):
        open_data_dir(str(tmp_path / "data"))


def test_a_server_whose_folder_is_gone_is_noticed_once_it_had_data(tmp_path: Path) -> None:
    data = open_data_dir(str(tmp_path / "data"))
    data.check_servers(["kafka", "postgres"])
    data.kafka.mkdir()
    data.postgres.mkdir()
    data.note_servers(["kafka", "postgres"])
    data.kafka.rmdir()

    with pytest.raises(StackError, match=r"is damaged \(kafka/ is gone\)"):
        data.check_servers(["kafka", "postgres"])
    data.check_servers(["postgres"])


def test_a_lock_is_held_by_one_and_free_when_its_file_is_closed(tmp_path: Path) -> None:
    data = open_data_dir(str(tmp_path / "data"))

    with lock_data_dir(data), pytest.raises(LockTakenError):
        lock_data_dir(data)
    lock_data_dir(data).close()


def test_a_log_past_its_limit_is_moved_and_its_writer_goes_on_in_the_emptied_file(tmp_path: Path) -> None:
    log = tmp_path / "sink.log"
    with log.open("a") as writer:
        writer.write("old" * 10)
        writer.flush()
        rotate_log(log, limit_bytes=10)
        writer.write("new")

    assert log.read_text() == "new"
    assert (tmp_path / "sink.log.1").read_text() == "old" * 10


def test_a_short_log_stays(tmp_path: Path) -> None:
    log = tmp_path / "sink.log"
    log.write_text("short")

    rotate_log(log)
    rotate_log(tmp_path / "absent.log")

    assert [file.name for file in tmp_path.iterdir()] == ["sink.log"]


def test_a_file_is_written_whole_with_its_mode(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_bytes(b"before")

    datadir.write_file(file, b"after", mode=0o600)

    assert file.read_bytes() == b"after"
    assert file.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["keys.json"]
