from pathlib import Path

import pytest

from tailrace.local.errors import StackError
from tailrace.local.keys import choose_keys, keep_keys
from tailrace.runtime.settings import Secret, Stack


def test_keys_are_made_once_and_kept_for_their_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    first = choose_keys(file, Stack())
    keep_keys(file, first)

    assert choose_keys(file, Stack()) == first
    assert first.public_key.startswith("pk-lf-")
    assert first.secret_key.startswith("sk-lf-")
    assert file.stat().st_mode & 0o777 == 0o600


def test_keys_of_the_settings_come_first_and_do_not_touch_what_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    kept = choose_keys(file, Stack())
    keep_keys(file, kept)

    chosen = choose_keys(
        file, Stack(init_project_public_key="pk-lf-mine", init_project_secret_key=Secret("sk-lf-mine-and-long-enough"))
    )

    assert (chosen.public_key, chosen.secret_key) == ("pk-lf-mine", "sk-lf-mine-and-long-enough")
    assert choose_keys(file, Stack()) == kept


def test_another_project_gets_keys_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    keep_keys(file, choose_keys(file, Stack()))

    other = choose_keys(file, Stack(init_project_id="other"))

    assert other.project_id == "other"
    assert other.public_key != choose_keys(file, Stack()).public_key


def test_a_key_file_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_text("{}")

    with pytest.raises(StackError, match=r"keys.json cannot be read .*: restore it, or remove it"):
        choose_keys(file, Stack())
