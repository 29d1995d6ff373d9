"""What an owner does that is fenced: it gives the group the time to tell it that the partition is another's."""

import pytest

from tailrace.assembler.owner import fenced_pause_seconds
from tailrace.runtime.kafka import heartbeat_seconds
from tailrace.runtime.settings import Kafka


@pytest.mark.parametrize("session_timeout_seconds", [6, 10, 60])
def test_an_owner_that_was_fenced_waits_for_longer_than_a_heartbeat(session_timeout_seconds: int) -> None:
    settings = Kafka(session_timeout_seconds=session_timeout_seconds)

    assert heartbeat_seconds(settings) < fenced_pause_seconds(settings) < session_timeout_seconds
