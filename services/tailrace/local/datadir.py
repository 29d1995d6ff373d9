"""The data folder of `tailrace up`: a path in, a checked and locked layout out.

`VERSION` has the folder's format and which servers of ours have data in it; `lock` is held by the running supervisor;
`processes.json` tells the supervisor and its children as they are now; `keys.json` (mode 0600) the development keys;
`kafka/`, `postgres/` and `postgres.password` belong to the servers; `logs/` has one file for each process.
"""

import contextlib
import fcntl
import os
import pwd
import shutil
from pathlib import Path
from typing import IO

import msgspec

from tailrace.local.errors import StackError

_format_version = 1
_least_free_bytes = 512 * 1024 * 1024
_rotate_bytes = 20 * 1024 * 1024


class _Marker(msgspec.Struct, frozen=True, kw_only=True):
    format: int
    servers: tuple[str, ...] = ()


class DataDir(msgspec.Struct, frozen=True):
    """Where everything lies below `root`, an absolute path."""

    root: Path

    @staticmethod
    def at(path: str) -> "DataDir":
        """The layout below `path`, which need not exist."""
        return DataDir(Path(path).expanduser().absolute())

    @property
    def kafka(self) -> Path:
        return self.root / "kafka"

    @property
    def postgres(self) -> Path:
        return self.root / "postgres"

    @property
    def keys(self) -> Path:
        return self.root / "keys.json"

    @property
    def lock(self) -> Path:
        return self.root / "lock"

    @property
    def processes(self) -> Path:
        return self.root / "processes.json"

    def log(self, name: str) -> Path:
        return self.root / "logs" / f"{name}.log"

    def note_servers(self, names: list[str]) -> None:
        """Remember that these servers of ours have data here, so that its loss is noticed."""
        marker = _read_marker(self.root)
        _write_marker(self.root, _Marker(format=_format_version, servers=tuple(sorted({*marker.servers, *names}))))

    def check_servers(self, names: list[str]) -> None:
        """Raises StackError if one of these servers had data here and its folder is gone."""
        for name in names:
            if name in _read_marker(self.root).servers and not (self.root / name).is_dir():
                raise StackError(
                    f"the data folder {self.root} is damaged ({name}/ is gone): restore it from a backup, "
                    "or remove the whole folder to start afresh"
                )


def open_data_dir(path: str) -> DataDir:
    """The data folder at `path`, made if need be. Raises StackError if it cannot serve as one."""
    data = DataDir.at(path)
    root = data.root
    try:
        root.mkdir(parents=True, exist_ok=True)
        _check(root)
        (root / "logs").mkdir(exist_ok=True, mode=0o700)
    except FileExistsError as error:
        raise StackError(f"{root} is a file, not a data folder: set TAILRACE_DATA_DIR to another path") from error
    except NotADirectoryError as error:
        raise StackError(f"{root} lies below a file: set TAILRACE_DATA_DIR to another path") from error
    except OSError as error:
        raise StackError(
            f"cannot use the data folder {root} as user {_user_name(os.geteuid())}: {error.strerror}"
        ) from error
    return data


def _check(root: Path) -> None:
    if not os.access(root, os.R_OK | os.W_OK | os.X_OK):
        owner = _user_name(root.stat().st_uid)
        raise StackError(
            f"the data folder {root} belongs to {owner}: start tailrace as {owner}, or set TAILRACE_DATA_DIR"
        )
    if not any(root.iterdir()):
        _write_marker(root, _Marker(format=_format_version))
    marker = _read_marker(root)
    if marker.format > _format_version:
        raise StackError(
            f"the data folder {root} was made by a newer tailrace (format {marker.format}, this one reads {_format_version}): "
            "upgrade tailrace"
        )
    free_bytes = shutil.disk_usage(root).free
    if free_bytes < _least_free_bytes:
        raise StackError(
            f"the disk of {root} has {free_bytes // 1024**2} MiB left, and Kafka and PostgreSQL need "
            f"{_least_free_bytes // 1024**2} MiB: free some, or set TAILRACE_DATA_DIR to another disk"
        )


def _read_marker(root: Path) -> _Marker:
    file = root / "VERSION"
    try:
        return msgspec.json.decode(file.read_bytes(), type=_Marker)
    except FileNotFoundError:
        raise StackError(
            f"{root} is neither empty nor a data folder of tailrace (no VERSION file): set TAILRACE_DATA_DIR to another path"
        ) from None
    except msgspec.DecodeError as error:
        raise StackError(
            f"the data folder {root} is damaged ({file.name} cannot be read: {error}): restore it from a backup, "
            "or remove the whole folder to start afresh"
        ) from error


def _write_marker(root: Path, marker: _Marker) -> None:
    write_file(root / "VERSION", msgspec.json.encode(marker) + b"\n")


def write_file(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Write the whole file or nothing of it."""
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.new")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
    unfinished.replace(path)


class LockTakenError(Exception):
    """Another supervisor holds the data folder."""


def lock_data_dir(data: DataDir) -> IO[bytes]:
    """Take the folder for this process until the file is closed; the system frees it when the process dies, however it dies.

    Raises LockTakenError.
    """
    file = data.lock.open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise LockTakenError from error
    return file


def rotate_log(log: Path, *, limit_bytes: int = _rotate_bytes) -> None:
    """Move a log that has grown past the limit to `.1`. Its writer appends, and goes on in the emptied file."""
    if not log.exists() or log.stat().st_size <= limit_bytes:
        return
    with contextlib.suppress(OSError):  # no room for the old one: the new one matters more
        shutil.copyfile(log, log.with_name(log.name + ".1"))
    os.truncate(log, 0)


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
