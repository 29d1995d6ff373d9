import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from pathlib import Path

import msgspec
import pytest

from tailrace.local.launch import Account, wrap_command
from tailrace.local.processes import Identity, end, find_program, identify, identify_self, is_alive

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


@pytest.fixture
def sleeper() -> Generator["subprocess.Popen[bytes]"]:
    with subprocess.Popen(SLEEP) as process:
        yield process
        process.kill()


def identity_of(process: "subprocess.Popen[bytes]") -> Identity:
    identity = identify(process.pid, SLEEP)
    assert identity is not None
    return identity


def test_a_process_is_known_by_pid_start_and_command(sleeper: "subprocess.Popen[bytes]") -> None:
    identity = identity_of(sleeper)

    assert is_alive(identity)
    assert is_alive(identify_self())
    assert not is_alive(msgspec.structs.replace(identity, started=identity.started - 60))
    assert not is_alive(msgspec.structs.replace(identity, command=["postgres"]))
    assert not is_alive(msgspec.structs.replace(identity, pid=os.getpid()))


def test_a_number_that_came_round_again_is_never_ended(sleeper: "subprocess.Popen[bytes]") -> None:
    other = msgspec.structs.replace(identity_of(sleeper), started=1.0)

    assert not end(other, timeout_seconds=1)
    assert sleeper.poll() is None


def test_a_frozen_process_is_woken_to_end(sleeper: "subprocess.Popen[bytes]") -> None:
    identity = identity_of(sleeper)
    sleeper.send_signal(signal.SIGSTOP)

    assert end(identity, timeout_seconds=10)
    assert not is_alive(identity)
    assert sleeper.wait() == -signal.SIGTERM


def test_a_process_that_does_not_listen_is_killed() -> None:
    deaf = [
        sys.executable,
        "-c",
        "import signal, time; signal.signal(15, signal.SIG_IGN); print(1, flush=True); time.sleep(60)",
    ]
    with subprocess.Popen(deaf, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        identity = identify(process.pid, deaf)
        assert identity is not None

        assert end(identity, timeout_seconds=0.2)
        assert process.wait() == -signal.SIGKILL


def test_a_child_is_known_before_and_after_the_launcher_has_become_it() -> None:
    with subprocess.Popen(wrap_command(SLEEP, death_signal=signal.SIGTERM, account=Account())) as process:
        before = identity_of(process)
        wait_until(lambda: not is_launcher(process.pid))

        assert is_alive(before)
        process.kill()


def test_a_child_dies_with_the_process_that_started_it() -> None:
    parent = (
        "import signal, subprocess\n"
        "from tailrace.local.launch import Account, wrap_command\n"
        f"command = wrap_command({SLEEP!r}, death_signal=15, account=Account())\n"
        "child = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)\n"
        "print(child.pid, flush=True)\n"
        "signal.pause()"
    )
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        child = identify(int(process.stdout.readline()), SLEEP)
        assert child is not None
        wait_until(lambda: not is_launcher(child.pid))
        process.kill()

    wait_until(lambda: not is_alive(child))


def is_launcher(pid: int) -> bool:
    return find_program(pid, Path(sys.executable).name, "-I") is not None


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)
