"""How a Faust app is run: it stops with its block, also when Faust itself does not come to an end."""

import asyncio

import pytest

from tailrace.runtime import faust_app
from tailrace.runtime.faust_app import running


class StubbornApp:
    """Starts, and never ends stopping: as Faust when its consumer's thread died without a broker."""

    crash_reason = None

    def __init__(self) -> None:
        self.asked_to_stop = False

    async def start(self) -> None:
        """It is up at once."""

    async def wait_until_stopped(self) -> None:
        await asyncio.Event().wait()

    async def stop(self) -> None:
        self.asked_to_stop = True
        await asyncio.Event().wait()


async def test_an_app_that_does_not_stop_is_left_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faust_app, "STOP_SECONDS", 0.01)
    app = StubbornApp()

    async with asyncio.timeout(5), running(app):
        pass

    assert app.asked_to_stop
