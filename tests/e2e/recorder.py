"""A server that answers like the public API and keeps every request it got, and the command that writes tests/payloads.

In: the HTTP requests of real SDK clients. Out: `Recorded` requests, in order of arrival, and the files under
tests/payloads made from them. With `forward_to` it passes each request on to a real server and gives that one's answer,
so that a test can send the very same bytes again (`resend`). It never keeps an Authorization header.

`python -m tests.e2e.recorder --write [client …]` records every client once and rewrites its payload files.
"""

import argparse
import json
import re
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

from tests.e2e.environments import CLIENTS, Environment, RunResult, build_environments, node_folder
from tests.payloads import FOLDER, Recorded

PUBLIC_KEY = "pk-lf-recorder"
SECRET_KEY = "sk-lf-recorder"  # the recorder's own, known to nobody else
TRACES_PATH = "/api/public/otel/v1/traces"
INGESTION_PATH = "/api/public/ingestion"
SCORES_PATH = "/api/public/scores"
KEPT_HEADERS = ("content-type", "content-encoding", "user-agent")
KEPT_PREFIXES = ("x-langfuse", "x_langfuse")


class Recorder:
    """A running server on a free port of this machine; `requests` grows as they arrive."""

    def __init__(self, forward_to: str | None = None) -> None:
        self.forward_to = forward_to
        self.requests: list[Recorded] = []
        self.answered_at = 0.0
        """When the last request had its answer, of time.monotonic()."""
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), self)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def keep(self, request: Recorded) -> None:
        with self._lock:
            self.requests.append(request)
            self.answered_at = time.monotonic()

    def posts(self, path: str) -> list[Recorded]:
        """The requests that were posted to `path`, in order of arrival."""
        return [each for each in self.requests if each.method == "POST" and each.path == path]


@contextmanager
def recording(forward_to: str | None = None) -> Generator[Recorder]:
    """A started `Recorder`, stopped at the end; `forward_to` is the base URL of a real server."""
    recorder = Recorder(forward_to)
    recorder.start()
    try:
        yield recorder
    finally:
        recorder.stop()


def resend(requests: Iterable[Recorded], base_url: str, public_key: str, secret_key: str) -> list[int]:
    """Sends the same bytes once more, in the same order, and returns the status codes."""
    credentials = b64encode(f"{public_key}:{secret_key}".encode()).decode()
    authorization = {"authorization": f"Basic {credentials}"}
    return [_send(base_url, each.method, each.path, each.headers | authorization, each.body)[0] for each in requests]


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], recorder: Recorder) -> None:
        super().__init__(address, _Handler)
        self.recorder = recorder


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_GET(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def do_PATCH(self) -> None:
        self._handle()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Requests are kept, not printed."""

    def _handle(self) -> None:
        recorder = cast("_Server", self.server).recorder
        body = self._read_body()
        headers = {name.lower(): value for name, value in self.headers.items()}
        status, answer = self._answer(recorder, headers, body)
        kept = {name: value for name, value in headers.items() if _is_kept(name)}
        recorder.keep(Recorded(method=self.command, path=self.path, headers=kept, body=body, status=status))
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def _read_body(self) -> bytes:
        if self.headers.get("transfer-encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("content-length", 0)))
        chunks: list[bytes] = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def _answer(self, recorder: Recorder, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        if recorder.forward_to is not None:
            passed_on = {name: value for name, value in headers.items() if name not in {"host", "transfer-encoding"}}
            return _send(recorder.forward_to, self.command, self.path, passed_on, body)
        status, answer = canned_answer(self.command, urlsplit(self.path).path, headers, body)
        return status, json.dumps(answer).encode()


def canned_answer(method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, object]:
    """What the public API answers to a good request; unknown routes are 404 and a missing key is 401, both as JSON."""
    if "authorization" not in headers:
        return 401, {"message": "No authorization header"}
    answer = _ANSWERS.get(f"{method} {path}")
    if answer is None:
        return 404, {"message": f"no route {method} {path}", "error": "LangfuseNotFoundError"}
    return answer(body)


def _accept_events(body: bytes) -> tuple[int, object]:
    events = json.loads(body)["batch"]
    return 207, {"successes": [{"id": event["id"], "status": 201} for event in events], "errors": []}


def _accept_scores(body: bytes) -> tuple[int, object]:
    scores = json.loads(body)
    return (202, {"message": "Accepted"}) if isinstance(scores, list) else (200, {"id": scores["id"]})


_ANSWERS: dict[str, Callable[[bytes], tuple[int, object]]] = {
    "GET /api/public/health": lambda _: (200, {"status": "OK", "version": "3.0.0"}),
    "GET /api/public/projects": lambda _: (200, {"data": [{"id": "recorder", "name": "recorder"}]}),
    f"POST {TRACES_PATH}": lambda _: (200, {}),
    f"POST {INGESTION_PATH}": _accept_events,
    f"POST {SCORES_PATH}": _accept_scores,
}


def _is_kept(name: str) -> bool:
    return name in KEPT_HEADERS or name.startswith(KEPT_PREFIXES)


def _send(base_url: str, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
    address = urlsplit(base_url)
    connection = HTTPConnection(address.hostname or "127.0.0.1", address.port, timeout=30)
    try:
        connection.request(method, path, body=body, headers=headers)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def record(environment: Environment, marker: str) -> tuple[RunResult, list[Recorded]]:
    """Runs a client once against a recorder of its own; raises ClientFailedError as `Environment.run` does."""
    with recording() as recorder:
        result = environment.run(marker, recorder.url, PUBLIC_KEY, SECRET_KEY)
        return result, list(recorder.requests)


def write_payloads(environment: Environment, result: RunResult, requests: list[Recorded], folder: Path) -> None:
    """Writes the POST requests of one run as NN.bin or NN.json with an index.json, replacing what was there."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    entries: list[dict[str, object]] = []
    for number, request in enumerate((each for each in requests if each.method == "POST"), start=1):
        is_plain = request.headers["content-type"].startswith("application/json") and not _is_compressed(request)
        name = f"{number:02}.{'json' if is_plain else 'bin'}"
        (folder / name).write_bytes(_without_machine(environment, request.body) if is_plain else request.body)
        entries.append({"file": name, "path": request.path, "headers": request.headers, "status": request.status})
    client = environment.client
    index = {"client": client.name, "sdk": client.sdk, "version": client.version, "marker": result.marker}
    index |= {"at": result.at.isoformat(), "traceIds": result.trace_ids, "requests": entries}
    (folder / "index.json").write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")


def _is_compressed(request: Recorded) -> bool:
    return "content-encoding" in request.headers


def _without_machine(environment: Environment, body: bytes) -> bytes:
    """The body with this machine's paths and names replaced: NodeSDK reports them as resource attributes."""
    text = body.decode()
    text = re.sub(r'("host\.id","value":\{"stringValue":)"\w+"', r'\1"0123456789abcdef"', text)
    text = re.sub(r'("host\.name","value":\{"stringValue":)"[^"]+"', r'\1"support-host"', text)
    for found, written in ((str(environment.home), "/app"), (str(node_folder()), "/usr/bin")):
        text = text.replace(found, written)
    return text.encode()


def main() -> None:
    """Records the named clients (default: all) and rewrites their payload files."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.recorder", description=main.__doc__)
    parser.add_argument("--write", action="store_true", help="rewrite tests/payloads (otherwise only report)")
    parser.add_argument("clients", nargs="*", metavar="client", help=", ".join(CLIENTS))
    arguments = parser.parse_args()
    for environment in build_environments(arguments.clients or list(CLIENTS)):
        name = environment.client.name
        result, requests = record(environment, f"recorded-{name}")
        for request in requests:
            size = len(request.body)
            print(f"{name}: {request.method} {request.path} {size} bytes -> {request.status}", flush=True)
        if arguments.write:
            write_payloads(environment, result, requests, FOLDER / name)


if __name__ == "__main__":
    main()
