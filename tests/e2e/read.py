"""Reads over HTTP what the stack has of a trace: credentials in, the bytes of every answer out, by a name for each question.

Amounts in JSON become decimals, so that no digit is lost before a test looks at it.
"""

import json
import re
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import httpx

from tests.e2e.stack import Credentials

BUCKETS = ("minute", "hour", "day")
ALL_V2_FIELDS = "core,basic,time,io,metadata,model,usage,prompt,metrics,trace_context"
VISIBLE_SECONDS = 20
"""After this long, what was accepted must be readable, also on a machine that does much else."""

_state = re.compile(rb'"state":"(open|complete)"')


class Reader:
    """The read API, asked with one key pair."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def status(self, path: str) -> int:
        return self._client.get(path).status_code

    def bytes(self, path: str) -> bytes:
        """The body of a 200."""
        answer = self._client.get(path)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text}"
        return answer.content

    def json(self, path: str) -> Any:
        return load(self.bytes(path))


@contextmanager
def reading(credentials: Credentials) -> Generator[Reader]:
    """A `Reader` while the block runs."""
    client = httpx.Client(
        base_url=credentials.url,
        auth=(credentials.public_key, credentials.secret_key),
        timeout=30,
        trust_env=False,
    )
    with client:
        yield Reader(client)


def load(text: str | bytes) -> Any:
    """JSON with every number that has a point as a Decimal."""
    return json.loads(text, parse_float=Decimal)


@dataclass(frozen=True, kw_only=True)
class Story:
    """Where one run of a client is found: the ids of its trace, session and user."""

    trace_id: str
    session_id: str
    user_id: str

    @property
    def trace_path(self) -> str:
        return f"/api/public/traces/{quote(self.trace_id, safe='')}"

    @property
    def tree_path(self) -> str:
        return f"/api/tailrace/v1/traces/{quote(self.trace_id, safe='')}/tree"

    def paths(self, observation_ids: list[str]) -> dict[str, str]:
        """Every question there is about it."""
        of_trace = f"traceId={quote(self.trace_id, safe='')}"
        of_user = quote(self.user_id, safe="")
        paths = {
            "tree": self.tree_path,
            "tree with bodies": f"{self.tree_path}?fields=io",
            "trace": self.trace_path,
            "traces": f"/api/public/traces?userId={of_user}",
            "observations": f"/api/public/observations?{of_trace}",
            "observations v2": f"/api/public/v2/observations?{of_trace}&fields={ALL_V2_FIELDS}",
            "scores v1": f"/api/public/scores?userId={of_user}",
            "scores v2": f"/api/public/v2/scores?{of_trace}",
            "scores v3": f"/api/public/v3/scores?{of_trace}&fields=details,subject,annotation",
            "session": f"/api/public/sessions/{quote(self.session_id, safe='')}",
            "user": f"/api/tailrace/v1/users?search={of_user}",
        }
        paths |= {f"windows {each}": f"/api/tailrace/v1/users/{of_user}/windows?bucket={each}" for each in BUCKETS}
        return paths | {f"observation {id_}": f"/api/public/observations/{id_}" for id_ in observation_ids}


Answers = Mapping[str, bytes]
"""The body of each answer, by the names of `Story.paths`."""


def read_all(reader: Reader, story: Story) -> Answers:
    """Every answer there is about a story.

    The state of a trace, open or complete, follows from the time of reading: it is made the same. An amended one stays.
    """
    ids = [each["id"] for each in reader.json(story.trace_path)["observations"]]
    return {
        name: _state.sub(b'"state":"by time"', reader.bytes(path)) for name, path in story.paths(sorted(ids)).items()
    }


def has_trace(reader: Reader, user_id: str, *, observations: int, scores: int) -> bool:
    """Whether there is one trace of this user, with so many of each."""
    traces = reader.json(f"/api/public/traces?userId={quote(user_id, safe='')}")["data"]
    return [(len(each["observations"]), len(each["scores"])) for each in traces] == [(observations, scores)]


def wait_until(
    is_so: Callable[[], bool], what: str, *, seconds: float = VISIBLE_SECONDS, every_seconds: float = 0.02
) -> float:
    """Returns the moment (of time.monotonic) at which `is_so` said yes. Raises AssertionError when it does not in `seconds`."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(every_seconds)
    return time.monotonic()
