"""The files that these tests hold against each other: their paths, and YAML read as plain data."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from tailrace.__main__ import COMMANDS
from tailrace.runtime.settings import load_settings

REPOSITORY = Path(__file__).parents[2]
DEPLOY = REPOSITORY / "deploy"
K8S = REPOSITORY / "k8s"
COMMAND_NAMES = {command.name for command in COMMANDS}

_variable = re.compile(r"\$\{(?P<name>\w+):-(?P<default>[^}]*)\}")


def read_yaml(path: Path) -> Any:
    """The one document of a file."""
    return yaml.safe_load(path.read_text())


def read_documents(path: Path) -> list[dict[str, Any]]:
    """All documents of a file."""
    return list(yaml.safe_load_all(path.read_text()))


def read_env(path: Path) -> dict[str, str]:
    """A file of NAME=value lines."""
    return dict(line.split("=", 1) for line in path.read_text().splitlines() if line and not line.startswith("#"))


def with_defaults(text: str) -> str:
    """`text` with each ${NAME:-default} replaced, as in a shell that sets none of them."""
    return _variable.sub(lambda match: match["default"], text)


def images_of(node: Any) -> Iterator[str]:
    """Every value of a key `image` anywhere in `node`."""
    if isinstance(node, dict):
        for key, value in node.items():  # pyright: ignore[reportUnknownVariableType]
            if key == "image" and isinstance(value, str):
                yield value
            else:
                yield from images_of(value)
    elif isinstance(node, list):
        for item in node:  # pyright: ignore[reportUnknownVariableType]
            yield from images_of(item)


def assert_usable_settings(environment: Mapping[str, str]) -> None:
    """Every variable is a setting, and its value can be read."""
    assert all(name.startswith("TAILRACE_") for name in environment)
    load_settings(environment)
