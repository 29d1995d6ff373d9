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


class Terms(NamedTuple):
    """How a child runs: as whom, and what it is sent when its supervisor is gone."""

    supervisor_pid: int
    death_signal: int
    uid: int | None = None
    gid: int | None = None
    pass_closed_folders: bool = False  # for a venv or a data folder below a home that is closed to others


def wrap_command(terms: Terms, command: list[str]) -> list[str]:
    """The command line that makes this script run `command` on these terms."""
    words = ["-" if value is None else str(int(value)) for value in terms]
    return [sys.executable, "-I", "-S", __file__, *words, *command]


def main(arguments: list[str]) -> None:
    words, command = arguments[: len(Terms._fields)], arguments[len(Terms._fields) :]
    numbers = [None if word == "-" else int(word) for word in words]
    terms = Terms(numbers[0] or 0, numbers[1] or 0, numbers[2], numbers[3], bool(numbers[4]))
    if terms.uid is not None and terms.gid is not None:
        _become(terms.uid, terms.gid, pass_closed_folders=terms.pass_closed_folders)
    if sys.platform == "linux":
        # After the change of user: that would clear it again.
        _libc().prctl(_PR_SET_PDEATHSIG, terms.death_signal, 0, 0, 0)
    if os.getppid() != terms.supervisor_pid:
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
