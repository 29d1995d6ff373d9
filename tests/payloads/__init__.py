"""Requests of real SDK clients, as they came over the wire, for any test that wants true input.

In: the files beside this one (their format is in README.md). Out: `Recorded` requests. Written by
`python -m tests.e2e.recorder --write`, never by hand.
"""

import gzip
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """One request as it came: `body` is the bytes of the wire (still compressed), `status` what it was answered."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    status: int

    def decoded(self) -> bytes:
        """The body without its Content-Encoding."""
        return gzip.decompress(self.body) if self.headers.get("content-encoding") == "gzip" else self.body

    def json(self) -> Any:
        return json.loads(self.decoded())


@dataclass(frozen=True, kw_only=True)
class Recording:
    """One run of one client: `at` is the start time it was told (ISO-8601), `marker` is in its names and ids."""

    client: str
    sdk: str
    version: str
    marker: str
    at: str
    trace_ids: list[str]
    requests: list[Recorded]


def clients() -> list[str]:
    """The clients that there is a recording of."""
    return sorted(index.parent.name for index in FOLDER.glob("*/index.json"))


def recording_of(client: str) -> Recording:
    """The recorded run of one client, its requests in the order they were sent."""
    index = json.loads((FOLDER / client / "index.json").read_text(encoding="utf-8"))
    requests = [
        Recorded(
            method="POST",
            path=entry["path"],
            headers=entry["headers"],
            body=(FOLDER / client / entry["file"]).read_bytes(),
            status=entry["status"],
        )
        for entry in index["requests"]
    ]
    told = {name: index[name] for name in ("client", "sdk", "version", "marker", "at")}
    return Recording(**told, trace_ids=index["traceIds"], requests=requests)
