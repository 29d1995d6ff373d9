"""The real stack with every service, by the console script: what was sent is there after a kill -9 of the supervisor."""

import base64
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from tests.local.harness import environment

pytestmark = pytest.mark.e2e


class WholeStack:
    """The stack in a folder, on one port for all its starts."""

    def __init__(self, folder: Path) -> None:
        self._environment = environment(folder)
        self._keys = folder / "data" / "keys.json"

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "tailrace", *arguments],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def processes(self) -> dict[str, dict[str, Any]]:
        return {process["name"]: process for process in json.loads(self.run("status", "--json").stdout)}

    def request(self, path: str, body: object = None) -> Any:
        keys = json.loads(self._keys.read_text())
        pair = base64.b64encode(f"{keys['publicKey']}:{keys['secretKey']}".encode()).decode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._environment['TAILRACE_PORT']}{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"authorization": f"Basic {pair}", "content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def send_trace(self) -> str:
        """Its id, once it can be read."""
        trace_id, now = uuid.uuid4().hex, time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
        event = {"id": uuid.uuid4().hex, "type": "trace-create", "timestamp": now}
        answer = self.request(
            "/api/public/ingestion", {"batch": [{**event, "body": {"id": trace_id, "name": "hello"}}]}
        )
        assert [one["status"] for one in answer["successes"]] == [201]
        deadline = time.monotonic() + 60
        while not self.has_trace(trace_id):
            assert time.monotonic() < deadline
            time.sleep(0.2)
        return trace_id

    def has_trace(self, trace_id: str) -> bool:
        try:
            return self.request(f"/api/public/traces/{trace_id}")["name"] == "hello"
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 404:
                return False
            raise


@pytest.fixture
def stack(tmp_path: Path) -> Generator[WholeStack]:
    stack = WholeStack(tmp_path)
    yield stack
    stack.run("down")


def test_the_whole_stack_starts_takes_a_trace_and_still_has_it_after_kill_9(stack: WholeStack) -> None:
    first = stack.run("up", "--detach")
    assert first.returncode == 0, first.stdout + first.stderr
    assert first.stdout.splitlines()[-1].startswith("ready after ")
    processes = stack.processes()
    assert list(processes) == ["supervisor", "serve", "assembler", "meter", "sink", "auditor", "kafka", "postgres"]
    assert {process["state"] for process in processes.values()} == {"ready"}
    before = stack.send_trace()

    os.kill(processes["supervisor"]["pid"], signal.SIGKILL)
    again = stack.run("up", "--detach")

    assert again.returncode == 0, again.stdout + again.stderr
    assert stack.has_trace(before)
    after = stack.send_trace()
    assert after != before

    assert stack.run("down").returncode == 0
    assert {process["state"] for process in stack.processes().values()} == {"stopped"}
