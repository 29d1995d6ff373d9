"""The recorded payloads and the pins they were made with are fit to be shipped."""

import json
import re

import pytest

from tests import payloads
from tests.e2e.environments import CLIENTS


def test_every_client_has_a_recording_of_its_pinned_version() -> None:
    recorded = {name: payloads.recording_of(name).version for name in payloads.clients()}

    assert recorded == {name: client.version for name, client in CLIENTS.items()}


@pytest.mark.parametrize("client", CLIENTS)
def test_a_recording_holds_no_credentials_and_nothing_of_the_machine_that_made_it(client: str) -> None:
    recording = payloads.recording_of(client)

    for request in recording.requests:
        assert "authorization" not in request.headers
        assert b"sk-lf-" not in request.decoded()
        assert not re.search(rb"/(work|home|root|Users|tmp)/", request.decoded())


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_pins_every_package_and_names_no_registry(client: str) -> None:
    folder = CLIENTS[client].folder
    if CLIENTS[client].language == "python":
        lines = (folder / "requirements.txt").read_text(encoding="utf-8").splitlines()
        assert f"{CLIENTS[client].sdk}=={CLIENTS[client].version}" in lines
        assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines)
        return
    lock = json.loads((folder / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    assert lock[f"node_modules/{CLIENTS[client].sdk}"]["version"] == CLIENTS[client].version
    assert all("resolved" not in package for package in lock.values())
    assert all("integrity" in package for name, package in lock.items() if name)
