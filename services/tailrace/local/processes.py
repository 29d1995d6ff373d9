"""Knows a process again: pid, start time and command line in, "is it still that one?" out.

A pid alone is reused after a crash or a reboot. Nothing here ever ends a process that it does not recognise by all three.
"""

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import Any

import msgspec

from tailrace.local.errors import missing_extra

# Start times are derived from the boot time, which a correction of the clock moves a little.
_same_start_seconds = 2.0
_poll_seconds = 0.05


class Identity(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One process for ever: the command may stand behind the launcher's words until the launcher has become it."""

    pid: int
    started: float
    command: list[str]


def identify(pid: int, command: list[str]) -> Identity | None:
    """The identity of the live process `pid` that runs, or is about to run, `command`."""
    psutil = _psutil()
    try:
        return Identity(pid=pid, started=psutil.Process(pid).create_time(), command=command)
    except psutil.NoSuchProcess:
        return None


def identify_self() -> Identity:
    this = _psutil().Process(os.getpid())
    return Identity(pid=this.pid, started=this.create_time(), command=this.cmdline())


def is_alive(identity: Identity) -> bool:
    return _find(identity) is not None


def end(identity: Identity, *, timeout_seconds: float, gentle: signal.Signals = signal.SIGTERM) -> bool:
    """Ask the process to end, and kill it after `timeout_seconds`. False if it was not there any more."""
    process = _find(identity)
    if process is None:
        return False
    with contextlib.suppress(_psutil().NoSuchProcess):
        process.send_signal(gentle)
        process.resume()  # a frozen one cannot end
        if not _wait_gone(identity, timeout_seconds):
            process.kill()
            _wait_gone(identity, timeout_seconds)
    return True


def _wait_gone(identity: Identity, timeout_seconds: float) -> bool:
    # Gone is also who waits, dead, for a parent that may never ask.
    deadline = time.monotonic() + timeout_seconds
    while is_alive(identity):
        if time.monotonic() > deadline:
            return False
        time.sleep(_poll_seconds)
    return True


def find_program(pid: int, program: str, argument: str) -> Identity | None:
    """The process `pid`, if it is a `program` that was given `argument`."""
    psutil = _psutil()
    try:
        process = psutil.Process(pid)
        command = process.cmdline()
        if not command or Path(command[0]).name != program or argument not in command:
            return None
        return Identity(pid=pid, started=process.create_time(), command=command)
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return None


def _find(identity: Identity) -> Any:
    psutil = _psutil()
    try:
        process = psutil.Process(identity.pid)
        command = process.cmdline()
        same = (
            process.status() != psutil.STATUS_ZOMBIE
            and abs(process.create_time() - identity.started) < _same_start_seconds
            # Empty for the moment in which the launcher becomes the program.
            and (not command or command[-len(identity.command) :] == identity.command)
        )
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return None
    return process if same else None


def _psutil() -> Any:
    # Part of the `local` extra: who only reads what runs, or installed less, must be able to import this module.
    try:
        import psutil  # noqa: PLC0415
    except ImportError as error:
        raise missing_extra("psutil", "recognises processes") from error
    return psutil
