"""`tailrace up` on a real Kafka and a real PostgreSQL, with tiny services: what a person sees and what survives."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Generator
from pathlib import Path

import asyncpg
import psutil
import pytest

from tailrace.local.datadir import DataDir
from tailrace.local.ports import free_port
from tailrace.local.postgres import LocalPostgres
from tests.local.harness import Terminal, status, tailrace, tiny_stack
from tests.stack import execute, run_async

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Generator[Terminal]:
    """One running stack for the tests that leave it running."""
    with tiny_stack(tmp_path_factory.mktemp("stack")) as terminal:
        yield terminal


def test_a_first_start_prints_address_keys_snippet_and_ready(stack: Terminal) -> None:
    text = "\n".join(stack.lines)
    keys_file = stack.folder / "data" / "keys.json"
    keys = json.loads(keys_file.read_text())

    assert re.search(r"^URL +http://localhost:\d+$", text, re.MULTILINE)
    assert re.search(r"^OTLP/gRPC +http://localhost:\d+$", text, re.MULTILINE)
    assert f"public key  {keys['publicKey']}" in text
    assert f"secret key  {keys['secretKey']}" in text
    assert sum(line.startswith("    ") for line in stack.lines) >= 5
    assert stack.lines[-1].startswith("ready after ")
    assert oct(keys_file.stat().st_mode & 0o777) == "0o600"


def test_status_names_each_process_with_pid_state_and_lag(stack: Terminal) -> None:
    answer = tailrace(stack.folder, "status", "--json")
    processes = {process["name"]: process for process in json.loads(answer.stdout)}

    assert answer.returncode == 0
    assert list(processes) == ["supervisor", "assembler", "sink", "kafka", "postgres"]
    assert {process["state"] for process in processes.values()} == {"ready"}
    assert processes["supervisor"]["pid"] == stack.process.pid
    assert processes["sink"]["lag"] == 5
    assert all(os.kill(process["pid"], 0) is None for process in processes.values())


def test_a_second_up_on_the_same_data_says_who_runs(stack: Terminal) -> None:
    second = Terminal(stack.folder)

    assert second.wait_end() == 1
    assert second.lines[-1].startswith(
        f"tailrace: tailrace already runs on {stack.folder}/data (pid {stack.process.pid})"
    )


@pytest.mark.parametrize("name", ["sink", "kafka", "postgres"])
def test_a_child_that_is_killed_is_said_and_started_again(stack: Terminal, name: str) -> None:
    before = status(stack.folder)[name]

    os.kill(before["pid"], signal.SIGKILL)
    stack.wait_for(f"{name:<10} exited with -9, restarting")
    stack.wait_for(f"{name:<10} ready again")

    after = status(stack.folder)[name]
    assert after["restarts"] == before["restarts"] + 1
    assert after["state"] == "ready"
    assert after["pid"] != before["pid"]
    assert after.get("port") == before.get("port")


def test_ctrl_c_stops_all_in_the_order_in_which_events_flow_and_a_second_start_finds_the_data(tmp_path: Path) -> None:
    with tiny_stack(tmp_path) as first:
        keys = [line for line in first.lines if " key  " in line]
        leave_a_mark(tmp_path)
        assert first.press_ctrl_c() == 0
    stopped = [line.split()[0] for line in first.lines if " stopped after " in line]

    with tiny_stack(tmp_path) as second:
        assert [line for line in second.lines if " key  " in line] == keys
        assert find_marks(tmp_path) == 1

    assert stopped == ["assembler", "sink", "kafka", "postgres"]
    assert tailrace(tmp_path, "status").returncode == 1


def test_after_kill_9_of_the_supervisor_the_next_start_ends_the_orphans_and_finds_the_data(tmp_path: Path) -> None:
    with tiny_stack(tmp_path) as first:
        leave_a_mark(tmp_path)
        orphans = [process["pid"] for name, process in status(tmp_path).items() if name != "supervisor"]
        sink = status(tmp_path)["sink"]["pid"]
        freeze(sink)  # so that it cannot follow its supervisor
        first.kill()

    assert tailrace(tmp_path, "status").returncode == 1
    with tiny_stack(tmp_path) as second:
        assert any(line.startswith("sink") and "was left over" in line for line in second.lines)
        assert find_marks(tmp_path) == 1
        assert set(orphans).isdisjoint(process["pid"] for process in status(tmp_path).values())
    wait_until(lambda: all(is_gone(pid) for pid in orphans))


def test_a_data_folder_that_is_removed_while_it_runs_ends_everything(tmp_path: Path) -> None:
    with tiny_stack(tmp_path) as stack:
        pids = [process["pid"] for process in status(tmp_path).values()]
        shutil.rmtree(tmp_path / "data")
        os.kill(pids[-1], signal.SIGKILL)  # as PostgreSQL and Kafka do by themselves, only sooner

        assert stack.wait_end() == 1
        assert any("was removed while tailrace ran on it" in line for line in stack.lines)
        wait_until(lambda: all(is_gone(pid) for pid in pids))


def test_detach_returns_when_ready_and_down_stops_it(tmp_path: Path) -> None:
    front = Terminal(tmp_path, "--detach")

    assert front.wait_end() == 0
    assert front.lines[-1].startswith("ready after ")
    assert any(line.startswith("secret key  sk-lf-") for line in front.lines)
    assert "sk-lf-" not in (tmp_path / "data" / "logs" / "up.log").read_text()
    supervisor = status(tmp_path)["supervisor"]
    assert supervisor["state"] == "ready"
    assert supervisor["pid"] != front.process.pid

    down = tailrace(tmp_path, "down")

    assert down.returncode == 0
    assert f"(pid {supervisor['pid']})" in down.stdout
    assert {process["state"] for process in status(tmp_path).values()} == {"stopped"}
    assert tailrace(tmp_path, "down").stdout == f"nothing runs on {tmp_path}/data\n"


def test_a_service_that_cannot_start_is_named_with_the_last_line_of_its_log(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, "broken")

    assert terminal.wait_end() == 1
    assert re.fullmatch(
        r"tailrace: (assembler|sink) does not start, it exited with 1: ERROR: this one is broken on purpose \(see .*\.log\)",
        terminal.lines[-1],
    )
    assert {process["state"] for process in status(tmp_path).values()} == {"stopped"}


@pytest.fixture
def used_folder(stack: Terminal, tmp_path: Path) -> Path:
    """A folder with a copy of data that a stack has used; what was in flight there matters to no test."""
    subprocess.run(["cp", "-a", str(stack.folder / "data"), str(tmp_path / "data")], check=True)
    (tmp_path / "data" / "processes.json").unlink()
    return tmp_path


def test_a_kafka_that_does_not_come_up_is_said_with_its_last_line_and_its_log(used_folder: Path) -> None:
    meta = used_folder / "data" / "kafka" / "log" / "meta.properties"
    meta.write_text("version=1\nnode.id=77\ncluster.id=other\n")

    terminal = Terminal(used_folder)

    assert terminal.wait_end(timeout=120) == 1
    assert terminal.lines[-1].startswith("tailrace: kafka does not start, it exited with 1: ")
    assert "77" in terminal.lines[-1]
    assert terminal.lines[-1].endswith(f"(see {used_folder}/data/logs/kafka.log)")


@pytest.mark.parametrize(
    ("gone", "sentence"),
    [
        ("postgres", "the data folder {data} is damaged (postgres/ is gone): restore it"),
        ("kafka", "the data folder {data} is damaged (kafka/ is gone): restore it"),
        ("postgres/PG_VERSION", "the database folder {data}/postgres is damaged (PG_VERSION or postgres.password is"),
        ("postgres.password", "the database folder {data}/postgres is damaged (PG_VERSION or postgres.password is"),
        ("kafka/log/meta.properties", "Kafka's folder {data}/kafka is damaged (log/meta.properties is missing)"),
    ],
)
def test_data_that_is_gone_is_said_and_never_replaced_by_nothing(used_folder: Path, gone: str, sentence: str) -> None:
    data = used_folder / "data"
    (data / gone).rename(used_folder / "elsewhere")

    terminal = Terminal(used_folder)

    assert terminal.wait_end() == 1
    assert terminal.lines[-1].startswith(f"tailrace: {sentence.format(data=data)}")
    assert not (data / gone).exists()


def test_a_port_that_is_taken_is_said_before_anything_starts(tmp_path: Path) -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        terminal = Terminal(tmp_path, TAILRACE_PORT=str(port))
        assert terminal.wait_end() == 1

    assert terminal.lines[-1] == (
        f"tailrace: port {port} is taken by another program: stop that one, or set TAILRACE_PORT to another port"
    )
    assert not (tmp_path / "data" / "postgres").exists()


def test_a_port_for_grpc_that_is_taken_is_said_too(tmp_path: Path) -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        terminal = Terminal(tmp_path, TAILRACE_EDGE_GRPC_PORT=str(port))
        assert terminal.wait_end() == 1

    assert terminal.lines[-1] == (
        f"tailrace: port {port} is taken by another program: stop that one, or set TAILRACE_EDGE_GRPC_PORT to another port, or to 0"
    )


def test_ctrl_c_while_it_starts_stops_what_has_started(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path)
    terminal.wait_for("postgres   ready")

    assert terminal.press_ctrl_c() == 1
    assert terminal.lines[-1] == "tailrace: stopped before it was ready"
    assert any(line.startswith("postgres   stopped after") for line in terminal.lines)


def test_servers_of_your_own_are_used_instead(
    tmp_path: Path, kafka_bootstrap: str, empty_postgres_dsn: str, topic_prefix: str
) -> None:
    own = {
        "TAILRACE_KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap,
        "TAILRACE_POSTGRES_DSN": empty_postgres_dsn,
        "TAILRACE_TOPIC_PREFIX": topic_prefix,
    }
    with tiny_stack(tmp_path, **own) as terminal:
        assert list(status(tmp_path)) == ["supervisor", "assembler", "sink"]

    assert not any(empty_postgres_dsn in line for line in terminal.lines)
    assert not (tmp_path / "data" / "kafka").exists()


def leave_a_mark(folder: Path) -> None:
    run_async(execute(dsn_of(folder), "insert into organizations (id, name) values ('mark', 'mark')"))


def find_marks(folder: Path) -> int:
    return run_async(_count_marks(dsn_of(folder)))


async def _count_marks(dsn: str) -> int:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval("select count(*) from organizations where id = 'mark'")
    finally:
        await connection.close()


def dsn_of(folder: Path) -> str:
    port = status(folder)["postgres"]["port"]
    return LocalPostgres(folder=DataDir.at(str(folder / "data")).postgres, port=port).dsn()


def freeze(pid: int) -> None:
    """Stop it, and return only once it stands still: a signal that comes before would end it."""
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: psutil.Process(pid).status() == psutil.STATUS_STOPPED)


def is_gone(pid: int) -> bool:
    """Whether it has ended; who inherits an orphan may not have asked for its exit code yet."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)
