"""What end-to-end tests stand on: the clients' environments, and one stack for the whole run, started as a user starts it."""

from collections.abc import Generator
from typing import Any

import pytest

from tests.e2e.environments import Environment, build_environments
from tests.e2e.read import Reader, reading
from tests.e2e.stack import Stack, running_stack
from tests.e2e.stories import Stories


@pytest.fixture(scope="session")
def environments(request: pytest.FixtureRequest) -> dict[str, Environment]:
    """The environments of all clients by name; those that are not in the cache are built first."""
    return {each.client.name: each for each in build_environments(report=lambda line: tell(request, line))}


@pytest.fixture(scope="session")
def stack() -> Generator[Stack]:
    """The stack that `tailrace up` starts."""
    with running_stack() as stack:
        yield stack


@pytest.fixture(scope="session")
def reader(stack: Stack) -> Generator[Reader]:
    """The read API, as the first project."""
    with reading(stack.credentials) as reader:
        yield reader


@pytest.fixture(scope="session")
def stories(
    stack: Stack, reader: Reader, environments: dict[str, Environment], request: pytest.FixtureRequest
) -> Generator[Stories]:
    """What every client wrote into the stack; in the end the terminal is told how soon it was visible."""
    stories = Stories(stack, reader, environments)
    yield stories
    told = ", ".join(f"{client} {seconds:.2f} s" for client, seconds in stories.visible_seconds().items())
    tell(request, f"accepted to visible: {told}")


def tell(request: pytest.FixtureRequest, line: str) -> None:
    """A line on the terminal, beside the results."""
    plugins = request.config.pluginmanager
    reporter: Any = plugins.get_plugin("terminalreporter")
    capture: Any = plugins.get_plugin("capturemanager")
    with capture.global_and_fixture_disabled():
        reporter.ensure_newline()
        reporter.write_line(line)
