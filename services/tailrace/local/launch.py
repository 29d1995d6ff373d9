"""Becomes another program: arguments in, `execv` out. Run as a script, between the supervisor and each of its children.

It lets a child die with its supervisor (Linux), and lets a program that refuses to run as root run as somebody else. It is a
process of its own, because the code between fork and exec must not share a threaded parent. It imports nothing of tailrace
and returns only by failing.
"""

import ctypes
import os
import sys
from typing import NamedTuple

_PR_SET_PDEATHSIG = 1
_PR_SET_KEEPCAPS = 8
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_CAPABILITY_VERSION_3 = 0x20080522
_CAP_DAC_OVERRIDE = 1


class Account(NamedTuple):
    """Whom a child runs as; the supervisor's own user when `uid` is None.

    `pass_closed_folders` lets another user walk into folders that are closed to others, such as a venv below a root's home:
    it keeps that one capability, so that no permission of a folder is ever changed for its sake (Linux only).
    """

    uid: int | None = None
    gid: int | None = None
    pass_closed_folders: bool = False


def wrap_command(command: list[str], *, death_signal: int, account: Account) -> list[str]:
    """The command line that runs `command` as `account`, and sends it `death_signal` when this process dies (Linux only)."""
    terms = (os.getpid(), death_signal, account.uid, account.gid, account.pass_closed_folders)
    words = ["-" if term is None else str(int(term)) for term in terms]
    return [sys.executable, "-I", "-S", __file__, *words, *command]


def main(arguments: list[str]) -> None:
    supervisor_pid, death_signal, uid, gid, keep, *command = arguments
    if uid != "-":
        _become(int(uid), int(gid), pass_closed_folders=bool(int(keep)))
    if sys.platform == "linux":
        # After the change of user, which would clear it again.
        _libc().prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
    if os.getppid() != int(supervisor_pid):
        sys.exit("the supervisor is gone")
    try:
        os.execv(command[0], command)  # noqa: S606 (no shell is the point)
    except OSError as error:
        sys.exit(f"cannot run {command[0]}: {error.strerror}")


def _become(uid: int, gid: int, *, pass_closed_folders: bool) -> None:
    keep = pass_closed_folders and sys.platform == "linux"
    if keep:
        _libc().prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
    if keep:
        _keep_one_capability(_CAP_DAC_OVERRIDE)


def _keep_one_capability(capability: int) -> None:
    # Best effort: where a container withholds it, the program itself says which folder it could not enter.
    mask = 1 << capability
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    data = (ctypes.c_uint32 * 6)(mask, mask, mask, 0, 0, 0)
    libc = _libc()
    libc.capset(header, data)
    libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability, 0, 0)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


if __name__ == "__main__":
    main(sys.argv[1:])
