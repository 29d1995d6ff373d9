import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tailrace.local.errors import StackError
from tailrace.local.jars import Fetch, Jar, Progress, provide_jars, read_lock

CONTENTS = {"kafka-1.jar": b"broker", "slf4j-2.jar": b"log"}


def make_jars() -> list[Jar]:
    return [
        Jar(hashlib.sha256(content).hexdigest(), len(content), "org.example", *name.removesuffix(".jar").split("-"))
        for name, content in CONTENTS.items()
    ]


class Repository:
    """A repository in memory that can fail, lie and be slow."""

    def __init__(self, *, failures: int = 0, content: dict[str, bytes] = CONTENTS) -> None:
        self.fetched: list[str] = []
        self._failures = failures
        self._content = content
        self._lock = threading.Lock()

    def __call__(self, folder: Path, progress: Progress) -> Fetch:
        def fetch(jar: Jar) -> Path:
            with self._lock:
                self.fetched.append(jar.filename)
                failing = self._failures > 0
                self._failures -= failing
            folder.mkdir(exist_ok=True)
            file = folder / jar.filename
            if failing:
                file.write_bytes(b"hal")
                raise ConnectionResetError
            with progress.count(jar.filename, jar.size_bytes) as add:
                add(jar.size_bytes)
            file.write_bytes(self._content[jar.filename])
            return file

        return fetch


def test_the_pinned_jars_are_the_broker_its_dependencies_and_a_logger() -> None:
    jars = read_lock()

    assert {"kafka_2.13-4.1.0.jar", "kafka-clients-4.1.0.jar", "slf4j-simple-1.7.36.jar"} <= {
        jar.filename for jar in jars
    }
    assert len({jar.filename for jar in jars}) == len(jars)
    assert all(len(jar.sha256) == 64 and jar.size_bytes > 0 for jar in jars)


def test_a_download_announces_its_progress_and_a_second_call_downloads_nothing(tmp_path: Path) -> None:
    said: list[str] = []
    repository = Repository()

    first = provide_jars(tmp_path, said.append, jars=make_jars(), open_repository=repository)
    second = provide_jars(tmp_path, said.append, jars=make_jars(), open_repository=repository)

    assert first == second
    assert sorted(file.name for file in first.iterdir()) == sorted(CONTENTS)
    assert sorted(repository.fetched) == sorted(CONTENTS)
    assert said[0] == "downloading Kafka 4.1.0: 2 files, 0 MB"
    assert said[-1] == "downloaded 0 of 0 MB"


def test_a_broken_connection_is_tried_again_and_its_half_file_is_not_used(tmp_path: Path) -> None:
    folder = provide_jars(tmp_path, print, jars=make_jars(), open_repository=Repository(failures=2))

    assert {file.name: file.read_bytes() for file in folder.iterdir()} == CONTENTS


def test_a_network_that_stays_broken_is_one_sentence_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(
        StackError, match=r"cannot download .*jar from Maven Central .ConnectionResetError.: check the network"
    ):
        provide_jars(tmp_path, print, jars=make_jars(), open_repository=Repository(failures=99))

    assert list(tmp_path.iterdir()) == []


def test_a_jar_with_another_checksum_is_never_used(tmp_path: Path) -> None:
    forged = Repository(content=CONTENTS | {"slf4j-2.jar": b"bad"})

    with pytest.raises(StackError, match=r"slf4j-2.jar .*its checksum is not the pinned one"):
        provide_jars(tmp_path, print, jars=make_jars(), open_repository=forged)

    assert list(tmp_path.iterdir()) == []


def test_a_jar_that_was_cut_off_in_the_cache_is_downloaded_again(tmp_path: Path) -> None:
    folder = provide_jars(tmp_path, print, jars=make_jars(), open_repository=Repository())
    (folder / "kafka-1.jar").write_bytes(b"bro")

    again = provide_jars(tmp_path, print, jars=make_jars(), open_repository=Repository())

    assert (again / "kafka-1.jar").read_bytes() == b"broker"


def test_two_downloads_at_once_both_end_with_the_whole_folder(tmp_path: Path) -> None:
    def download(_: int) -> Path:
        return provide_jars(tmp_path, print, jars=make_jars(), open_repository=Repository())

    with ThreadPoolExecutor(4) as pool:
        folders = set(pool.map(download, range(4)))

    assert len(folders) == 1
    assert [file.name for file in tmp_path.iterdir()] == [folder.name for folder in folders]


def test_a_cancelled_download_stops_and_leaves_nothing_behind(tmp_path: Path) -> None:
    cancelled = threading.Event()
    cancelled.set()

    with pytest.raises(StackError, match="broken off"):
        provide_jars(tmp_path, print, jars=make_jars(), open_repository=Repository(), cancelled=cancelled)

    assert list(tmp_path.iterdir()) == []


def test_a_cache_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()

    with pytest.raises(StackError, match=r"cannot write to the cache folder .*: set TAILRACE_CACHE_DIR"):
        provide_jars(file / "below", print, jars=make_jars(), open_repository=Repository())
