"""Every process of the stack is killed with -9 once while spans come in: not one is lost or doubled, and every cent is right."""

import asyncio

import pytest

from tests.load.__main__ import kill_everything_once
from tests.load.stack import running_stack

pytestmark = pytest.mark.e2e


def test_after_a_kill_of_every_process_spans_costs_and_windows_are_right_to_the_last_digit() -> None:
    with running_stack() as stack:
        found = asyncio.run(kill_everything_once(stack, 3_000, pause_seconds=5))

    assert found["spans"] == {"acknowledged": 3_000, "stored": 3_000}
    assert float(found["cost_usd"]["difference"]) == 0
    assert found["windows"]["wrong"] == 0
    assert found["windows"]["checked"] > 50
    assert found["conservation"]["holds"] is True
    assert found["conservation"]["inFlight"] == 0
