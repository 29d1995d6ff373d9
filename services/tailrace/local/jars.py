"""Kafka's jars: a pinned list in, a folder for the class path out.

Every jar is checked against the SHA-256 in `jars.lock` before it is used. Downloads go to a folder of their own that is renamed
when complete, so two of them at once, or one that is cut off, never leave half a folder behind.
"""

import hashlib
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tailrace.local.errors import StackError, missing_extra

KAFKA_VERSION = "4.1.0"

_lock_file = Path(__file__).with_name("jars.lock")
_parallel_downloads = 8
_tries = 3
_abandoned_seconds = 3600


class Jar(NamedTuple):
    """One line of `jars.lock`."""

    sha256: str
    size_bytes: int
    group: str
    artifact: str
    version: str

    @property
    def filename(self) -> str:
        return f"{self.artifact}-{self.version}.jar"


def read_lock(lock_file: Path = _lock_file) -> list[Jar]:
    """The pinned jars. Each line: SHA-256, size in bytes, group:artifact:version."""
    jars: list[Jar] = []
    for line in lock_file.read_text().splitlines():
        if line and not line.startswith("#"):
            sha256, size_bytes, coordinates = line.split()
            jars.append(Jar(sha256, int(size_bytes), *coordinates.split(":")))
    return jars


def default_cache_dir() -> Path:
    """Where the user's cached files lie."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "tailrace"


def provide_jars(
    cache_dir: Path,
    announce: Callable[[str], None],
    *,
    jars: list[Jar] | None = None,
    cancelled: threading.Event | None = None,
    open_repository: "OpenRepository | None" = None,
) -> Path:
    """The folder that holds every pinned jar, downloaded first if it is not in `cache_dir` yet.

    `announce` gets a line for each quarter of a download. Raises StackError when a jar cannot be had, or soon after `cancelled`
    is set.
    """
    jars = read_lock() if jars is None else jars
    digest = hashlib.sha256("".join(jar.sha256 for jar in jars).encode()).hexdigest()[:8]
    folder = cache_dir / f"kafka-{KAFKA_VERSION}-{digest}"
    if _is_complete(folder, jars):
        return folder
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(cache_dir)
        partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=cache_dir))
    except OSError as error:
        raise StackError(
            f"cannot write to the cache folder {cache_dir} ({error.strerror}): set TAILRACE_CACHE_DIR to another folder"
        ) from error
    try:
        progress = Progress(jars, announce, cancelled or threading.Event())
        fetch = (open_repository or open_maven_central)(partial / "repository", progress)
        _download_all(jars, partial, fetch)
        _put_in_place(partial, folder, jars)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def _is_complete(folder: Path, jars: list[Jar]) -> bool:
    return all((path := folder / jar.filename).is_file() and path.stat().st_size == jar.size_bytes for jar in jars)


def _remove_abandoned(cache_dir: Path) -> None:
    for folder in cache_dir.glob(".partial-*"):
        if time.time() - folder.stat().st_mtime > _abandoned_seconds:
            shutil.rmtree(folder, ignore_errors=True)


def _put_in_place(partial: Path, folder: Path, jars: list[Jar]) -> None:
    ready = partial / "ready"
    ready.mkdir()
    for jar in jars:
        (partial / jar.filename).rename(ready / jar.filename)
    if folder.exists() and not _is_complete(folder, jars):
        shutil.rmtree(folder)
    try:
        ready.rename(folder)
    except OSError:
        if not _is_complete(folder, jars):  # else somebody else's download came first, which is as good
            raise


class Progress:
    """Counts the bytes of all downloads together, announces each quarter, and breaks the downloads off when cancelled."""

    def __init__(self, jars: list[Jar], announce: Callable[[str], None], cancelled: threading.Event) -> None:
        self._lock = threading.Lock()
        self._total_bytes = sum(jar.size_bytes for jar in jars)
        self._done_bytes = 0
        self._announced_quarters = 0
        self._announce = announce
        self._cancelled = cancelled
        announce(f"downloading Kafka {KAFKA_VERSION}: {len(jars)} files, {_megabytes(self._total_bytes)} MB")

    @contextmanager
    def count(self, _filename: str, _size_bytes: int) -> Generator[Callable[[int], None]]:
        yield self._add

    def _add(self, size_bytes: int) -> None:
        if self._cancelled.is_set():
            raise StackError("the download was broken off")
        with self._lock:
            self._done_bytes += size_bytes
            quarters = min(4, 4 * self._done_bytes // self._total_bytes)
            if quarters > self._announced_quarters:
                self._announced_quarters = quarters
                self._announce(f"downloaded {_megabytes(self._done_bytes)} of {_megabytes(self._total_bytes)} MB")


Fetch = Callable[[Jar], Path]
"""Downloads a jar, or raises OSError or RuntimeError."""

OpenRepository = Callable[[Path, Progress], Fetch]


def _megabytes(size_bytes: int) -> int:
    return round(size_bytes / 1_000_000)


def _download_all(jars: list[Jar], target: Path, fetch: Fetch) -> None:
    with ThreadPoolExecutor(_parallel_downloads) as pool:
        tasks = [pool.submit(_download, jar, target, fetch) for jar in jars]
        try:
            for task in tasks:
                task.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def open_maven_central(folder: Path, progress: Progress) -> Fetch:
    """Fetches jars into `folder`. Raises StackError when jgo is not installed."""
    try:
        from jgo.maven import MavenContext, PythonResolver  # noqa: PLC0415 (an extra that only this module needs)
    except ImportError as error:
        raise missing_extra("jgo", "downloads Kafka") from error
    maven = MavenContext(
        resolver=PythonResolver(progress_callback=progress.count), repo_cache=folder, local_repos=[], timeout=30
    )
    return lambda jar: maven.project(jar.group, jar.artifact).at_version(jar.version).artifact().resolve()


def _download(jar: Jar, target: Path, fetch: Fetch) -> None:
    reason = ""
    for _ in range(_tries):
        try:
            fetched = fetch(jar)
        except (OSError, RuntimeError) as error:
            reason = f"{type(error).__name__}"
            _discard(target, jar)
            continue
        if _sha256_of(fetched) == jar.sha256:
            fetched.rename(target / jar.filename)
            return
        reason = "its checksum is not the pinned one"
        fetched.unlink()
    raise StackError(
        f"cannot download {jar.filename} from Maven Central ({reason}): check the network or the proxy and start again"
    )


def _discard(target: Path, jar: Jar) -> None:
    # The resolver takes a file that a failed download left behind for a good one.
    for partial in (target / "repository").rglob(jar.filename):
        partial.unlink()


def _sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
