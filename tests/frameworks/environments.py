"""An environment of its own for each run, kept under a cache folder that is keyed by the pins and reused.

In: the pins beside the run's script. Out: the Python that runs it. The packages of thirty frameworks are large and mostly the same, so they are
installed by uv, which links them from one store; uv itself is installed by pip, into an environment beside the others.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.frameworks.catalogue import Run

REPOSITORY: Final = Path(__file__).parents[2]
INSTALL_SECONDS: Final = 900
RUN_SECONDS: Final = 600
_UV: Final = "uv==0.13.9"
_GENTLY: Final = ("nice", "-n", "15", "ionice", "-c3")


class RunFailedError(Exception):
    """A run could not be installed or did not end well; the message ends with what it printed."""


def cache_folder() -> Path:
    """Where environments are kept: `$TAILRACE_TEST_CACHE/frameworks`, or .cache/frameworks in the repository."""
    chosen = os.environ.get("TAILRACE_TEST_CACHE")
    return (Path(chosen).expanduser().resolve() if chosen else REPOSITORY / ".cache") / "frameworks"


def environment_of(run: Run) -> Path:
    """The folder of a run's environment, installed unless it is there. Raises RunFailedError."""
    digest = hashlib.sha256(f"{sys.version}{sys.platform}".encode() + run.pins.read_bytes()).hexdigest()[:12]
    home = cache_folder() / f"{run.name}-{digest}"
    if (home / "ready").exists():
        return home
    print(f"{run.name}: installing into {home}", flush=True)
    shutil.rmtree(home, ignore_errors=True)
    _uv("venv", "--quiet", "--python", sys.executable, str(home))
    _uv("pip", "install", "--quiet", "--no-deps", "--python", str(python_of(home)), "--requirement", str(run.pins))
    (home / "ready").touch()
    return home


def pin(run: Run) -> None:
    """Writes the newest versions that go together as the run's pins. Raises RunFailedError."""
    quiet = ("--quiet", "--no-header", "--no-annotate", "--upgrade")
    _uv("pip", "compile", *quiet, "--python", sys.executable, "--output-file", str(run.pins), str(run.wanted))


def python_of(home: Path) -> Path:
    return home / "bin" / "python"


def call(command: list[str], variables: dict[str, str], seconds: int, folder: Path | None = None) -> str:
    """Runs a command to its end and returns what it printed. Raises RunFailedError with the last of that."""
    try:
        done = subprocess.run(
            [*_gently(), *command],
            cwd=folder,
            env=variables,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise RunFailedError(f"{command[0]} was not done after {seconds} s: {error.output}") from error
    if done.returncode:
        raise RunFailedError(f"{' '.join(command)}: exit code {done.returncode}\n{(done.stdout + done.stderr)[-4000:]}")
    return done.stdout + done.stderr


def _uv(*arguments: str) -> None:
    tools = cache_folder() / "tools"
    program = tools / "bin" / "uv"
    variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    variables["UV_CACHE_DIR"] = str(cache_folder() / "store")
    if not program.exists():
        call([sys.executable, "-m", "venv", str(tools)], variables, INSTALL_SECONDS)
        call([str(python_of(tools)), "-m", "pip", "install", "--quiet", _UV], variables, INSTALL_SECONDS)
    call([str(program), *arguments], variables, INSTALL_SECONDS)


def _gently() -> list[str]:
    return [] if shutil.which("ionice") is None else list(_GENTLY)
