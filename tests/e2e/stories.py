"""What each client wrote into the stack, made when a test first asks: one run, its requests, and every answer there was about it."""

import time
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, NamedTuple

from tests.e2e.environments import RUN_SECONDS, Environment, RunResult
from tests.e2e.expected import ExpectedTrace, expected_trace
from tests.e2e.read import VISIBLE_SECONDS, Answers, Reader, Story, has_trace, load, read_all, wait_until
from tests.e2e.recorder import recording
from tests.e2e.sent import count_events
from tests.e2e.stack import Stack
from tests.payloads import Recorded


class Written(NamedTuple):
    """One run of a client. `visible_seconds`: so long after its last request was accepted all of it could be read, to 0.03 s."""

    client: str
    environment: Environment
    result: RunResult
    expected: ExpectedTrace
    story: Story
    requests: list[Recorded]
    answers: Answers
    visible_seconds: float
    state_at_first: str
    ended: datetime

    def answer(self, name: str) -> Any:
        """The JSON of an answer, by its name in `Story.paths`."""
        return load(self.answers[name])

    @property
    def events(self) -> int:
        """How many events its requests hold."""
        return count_events(self.requests)


class Stories:
    """One run of every client against the stack, each made when first asked for."""

    def __init__(self, stack: Stack, reader: Reader, environments: dict[str, Environment]) -> None:
        self._stack = stack
        self._reader = reader
        self._environments = environments
        self._written: dict[str, Written] = {}

    def of(self, client: str) -> Written:
        if client not in self._written:
            self._written[client] = self._write(client)
        return self._written[client]

    def visible_seconds(self) -> dict[str, float]:
        """How long after its last accepted request each run could be read, by client."""
        return {client: written.visible_seconds for client, written in self._written.items()}

    def _write(self, client: str) -> Written:
        at = now_ms()
        expected = expected_trace(client, f"run-{client}", at)
        url, *keys = self._stack.credentials.sender
        with recording(forward_to=url) as recorder, ThreadPoolExecutor(1) as thread:
            running = thread.submit(self._environments[client].run, f"run-{client}", recorder.url, *keys, at=at)
            readable_at = wait_until(
                lambda: self._has_all(expected, running),
                f"all that {client} wrote",
                seconds=RUN_SECONDS + VISIBLE_SECONDS,
                every_seconds=0.03,
            )
            result = running.result()
            accepted_at = recorder.answered_at
            requests = [each for each in recorder.requests if each.method == "POST"]
        (trace_id,) = result.trace_ids
        story = Story(trace_id=trace_id, session_id=expected.session_id, user_id=expected.user_id)
        return Written(
            client=client,
            environment=self._environments[client],
            result=result,
            expected=expected,
            story=story,
            requests=requests,
            answers=read_all(self._reader, story),
            visible_seconds=readable_at - accepted_at,
            state_at_first=self._reader.json(story.tree_path)["state"],
            ended=datetime.now(UTC),
        )

    def _has_all(self, expected: ExpectedTrace, running: Future[RunResult]) -> bool:
        """Whether all of it can be read. Raises what the client raised."""
        if running.done():
            running.result()
        return has_trace(
            self._reader, expected.user_id, observations=len(expected.observations), scores=len(expected.scores)
        )


def now_ms() -> datetime:
    """The time as clients are told it, in whole milliseconds."""
    now = datetime.fromtimestamp(time.time(), UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)
