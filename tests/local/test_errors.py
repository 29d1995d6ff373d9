from pathlib import Path

from tailrace.local.errors import last_line


def test_the_last_line_that_tells_of_an_error_is_preferred_to_the_very_last(tmp_path: Path) -> None:
    log = tmp_path / "kafka.log"
    log.write_text("INFO up\nERROR the disk is full\nINFO going down\n\n")

    assert last_line(log) == "ERROR the disk is full"


def test_a_log_without_errors_gives_its_last_line_and_a_missing_one_nothing(tmp_path: Path) -> None:
    log = tmp_path / "kafka.log"
    log.write_text("one\ntwo\n\n")

    assert last_line(log) == "two"
    assert last_line(tmp_path / "absent.log") == ""
