"""The supervisor with tiny programs: no Kafka, no PostgreSQL."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from tailrace.local.child import Program, plain_environment
from tailrace.local.datadir import DataDir, open_data_dir
from tailrace.local.errors import StackError
from tailrace.local.services import why_not_live
from tailrace.local.state import read_record
from tailrace.local.supervisor import Supervisor
from tailrace.runtime.probes import Health, serve_probes
from tests.fakes import eventually

Announced = list[tuple[str, str]]


def make_program(data: DataDir, name: str = "sink", code: str = "import time; time.sleep(60)") -> Program:
    async def ready_at_once() -> None:
        return None

    return Program(
        name=name,
        command=[sys.executable, "-c", code],
        log=data.log(name),
        environment=plain_environment(),
        why_not_ready=ready_at_once,
    )


def supervise(data: DataDir, announced: Announced, *names: str) -> Supervisor:
    return Supervisor(data, stop_order=names or ("sink",), announce=lambda name, text: announced.append((name, text)))


async def wait_until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(15):
        while not holds():  # noqa: ASYNC110 (what it waits for is outside of this process)
            await asyncio.sleep(0.02)


@pytest.fixture
def data(tmp_path: Path) -> DataDir:
    return open_data_dir(str(tmp_path / "data"))


def pid_of(data: DataDir, name: str = "sink") -> int | None:
    record = read_record(data.processes)
    assert record is not None
    identity = next(child.identity for child in record.children if child.name == name)
    return identity.pid if identity else None


async def test_children_are_stopped_in_the_order_of_the_flow_whatever_the_order_of_their_start(data: DataDir) -> None:
    announced: Announced = []
    async with supervise(data, announced, "edge", "sink", "kafka") as supervisor:
        await supervisor.start(make_program(data, "kafka"))
        await supervisor.start(make_program(data, "sink"), make_program(data, "edge"))
        supervisor.settle()

    assert [name for name, text in announced if text.startswith("stopped after")] == ["edge", "sink", "kafka"]
    record = read_record(data.processes)
    assert record is not None
    assert {record.state, *(child.state for child in record.children)} == {"stopped"}


async def test_a_child_that_died_is_said_and_started_again(data: DataDir) -> None:
    announced: Announced = []
    async with supervise(data, announced) as supervisor:
        await supervisor.start(make_program(data))
        first = pid_of(data)
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await wait_until(lambda: any(text.startswith("ready again") for _, text in announced))

        assert ("sink", f"exited with -9, restarting (see {data.log('sink')})") in announced
        assert pid_of(data) not in (first, None)


async def test_a_child_that_is_not_live_for_long_is_ended_and_started_again(data: DataDir) -> None:
    announced: Announced = []
    answers = ["no progress of raw/0"] * 2 + [None] + ["no progress of raw/0"] * 3

    async def why_not_live() -> str | None:
        return answers.pop(0) if answers else None

    program = msgspec.structs.replace(
        make_program(data), why_not_live=why_not_live, live_poll_seconds=0.01, dead_polls=3
    )
    async with supervise(data, announced) as supervisor:
        await supervisor.start(program)
        first = pid_of(data)
        await wait_until(lambda: any(text.startswith("ready again") for _, text in announced))

        assert pid_of(data) not in (first, None)
    log = data.log("sink")
    assert ("sink", f"is not live, so it is ended: no progress of raw/0 (see {log})") in announced
    assert answers == []


async def test_a_frozen_child_is_killed_and_started_again(data: DataDir) -> None:
    announced: Announced = []

    async def why_not_live() -> str | None:
        identity = pid_of(data)
        with open(f"/proc/{identity}/stat") as stat:  # noqa: ASYNC230, PTH123 (a moment)
            return "no HTTP answer" if stat.read().rsplit(")", 1)[1].split()[0] == "T" else None

    program = msgspec.structs.replace(
        make_program(data), why_not_live=why_not_live, live_poll_seconds=0.05, dead_polls=2, stop_seconds=0.2
    )
    async with supervise(data, announced) as supervisor:
        await supervisor.start(program)
        first = pid_of(data)
        assert first is not None
        os.kill(first, signal.SIGSTOP)
        await wait_until(lambda: any(text.startswith("ready again") for _, text in announced))

        assert pid_of(data) not in (first, None)


async def test_a_process_says_itself_what_does_not_move() -> None:
    now = 0.0
    health = Health("sink", stall_seconds=60, clock=lambda: now)
    async with serve_probes(health, host="127.0.0.1", port=0) as server:
        await eventually(lambda: server.started)
        port = server.servers[0].sockets[0].getsockname()[1]
        health.started()
        health.report_progress("raw/0", position=1, lagging=True)
        assert await why_not_live(port) is None
        now = 61.0
        assert await why_not_live(port) == "no progress of raw/0"
        blocked = asyncio.create_task(asyncio.to_thread(asyncio.run, why_not_live(port)))
        await asyncio.sleep(0)
        time.sleep(2.5)  # noqa: ASYNC251 (a loop that is blocked is what this is about)
        assert await blocked == f"no HTTP answer on port {port}"


async def test_a_program_that_never_starts_is_one_sentence_with_the_last_line_of_its_log(data: DataDir) -> None:
    async def never() -> str:
        return "no answer"

    program = msgspec.structs.replace(
        make_program(data, code="import sys; sys.exit('ERROR: no room')"), why_not_ready=never
    )
    with pytest.raises(StackError) as caught:
        async with supervise(data, []) as supervisor:
            await supervisor.start(program)

    assert str(caught.value) == f"sink does not start, it exited with 1: ERROR: no room (see {data.log('sink')})"


async def test_a_program_that_does_not_get_ready_is_one_sentence_with_its_reason(data: DataDir) -> None:
    async def never() -> str:
        return "kafka: away"

    program = msgspec.structs.replace(make_program(data), why_not_ready=never, ready_seconds=0.2)
    with pytest.raises(StackError, match="sink is not ready after 0 s: kafka: away"):
        async with supervise(data, []) as supervisor:
            await supervisor.start(program)


async def test_a_program_that_does_not_exist_is_one_sentence(data: DataDir) -> None:
    async def never() -> str:
        return "no answer"

    program = msgspec.structs.replace(make_program(data), command=["/no/such/program"], why_not_ready=never)
    with pytest.raises(StackError, match="cannot run /no/such/program: No such file"):
        async with supervise(data, []) as supervisor:
            await supervisor.start(program)


async def test_a_child_that_does_not_stop_in_time_is_killed(data: DataDir) -> None:
    announced: Announced = []
    deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); open('deaf', 'w').close(); time.sleep(60)"
    program = msgspec.structs.replace(make_program(data, code=deaf), folder=data.root, stop_seconds=0.2)
    async with supervise(data, announced) as supervisor:
        await supervisor.start(program)
        await wait_until((data.root / "deaf").exists)

    assert any(text.startswith("killed after 0.") for _, text in announced)


async def test_in_a_hurry_stopping_is_killing(data: DataDir) -> None:
    announced: Announced = []
    async with supervise(data, announced) as supervisor:
        await supervisor.start(msgspec.structs.replace(make_program(data), stop_signal=signal.SIGCONT))
        supervisor.hurry()

    assert any(text.startswith("killed after") for _, text in announced)


async def test_a_second_supervisor_of_the_same_data_is_refused_with_the_first_ones_pid(data: DataDir) -> None:
    async with supervise(data, []):
        with pytest.raises(
            StackError, match=rf"already runs on .* \(pid {os.getpid()}\): stop it with `tailrace down`"
        ):
            async with supervise(data, []):
                pass


async def test_a_disk_that_is_full_does_not_stop_the_supervision(data: DataDir) -> None:
    announced: Announced = []
    async with supervise(data, announced) as supervisor:
        data.processes.unlink()
        data.processes.mkdir()  # nothing can be written there any more
        (data.processes / "x").touch()
        await supervisor.start(make_program(data))

    assert any("cannot write down what runs" in text for _, text in announced)
    assert any(text.startswith("stopped after") for _, text in announced)
