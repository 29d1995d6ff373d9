"""Reads everything of a project that was under attack: whatever was stored can be read, as JSON that any parser takes."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import orjson

from tests.e2e.stack import Credentials
from tests.fuzz.http import Answer, Request, exchange
from tests.fuzz.target import basic

_V2_FIELDS = "core,basic,time,io,metadata,model,usage,prompt,metrics,trace_context"
_LISTS = {
    "traces": "/api/public/traces?limit=50&page={page}",
    "observations": "/api/public/observations?limit=50&page={page}",
    "scores v1": "/api/public/scores?limit=50&page={page}",
    "scores v2": "/api/public/v2/scores?limit=50&page={page}",
    "sessions": "/api/public/sessions?limit=50&page={page}",
    "users": "/api/tailrace/v1/users?limit=50&page={page}",
}
_CURSORS = {
    "observations v2": f"/api/public/v2/observations?limit=100&fields={_V2_FIELDS}",
    "scores v3": "/api/public/v3/scores?limit=100&fields=details,subject,annotation",
}
_DETAILS = {
    "traces": (
        "/api/public/traces/{id}",
        "/api/tailrace/v1/traces/{id}/tree",
        "/api/tailrace/v1/traces/{id}/tree?fields=io",
    ),
    "observations": ("/api/public/observations/{id}",),
    "scores v2": ("/api/public/v2/scores/{id}",),
    "sessions": ("/api/public/sessions/{id}",),
    "users": ("/api/tailrace/v1/users/{id}/windows?bucket=hour",),
}


class Readback:
    """Reads of one project. `faults`: what was not 200 with JSON; `reads`: how many there were."""

    def __init__(self, port: int, credentials: Credentials, *, most_pages: int, most_details: int) -> None:
        self._port = port
        self._credentials = credentials
        self._most_pages = most_pages
        self._most_details = most_details
        self.faults: list[str] = []
        self.reads = 0

    def run(self) -> "Readback":
        """Read lists, and details of what they name."""
        for name, path in _LISTS.items():
            ids = dict.fromkeys(str(row["id"]) for row in self._pages(path))
            for id_ in list(ids)[: self._most_details]:
                for detail in _DETAILS.get(name, ()):
                    self._read(detail.format(id=quote(id_, safe="")))
        for path in _CURSORS.values():
            self._follow(path)
        return self

    def _pages(self, path: str) -> Iterator[Any]:
        for page in range(1, self._most_pages + 1):
            found = self._read(path.format(page=page))
            if not found or not found["data"]:
                return
            yield from found["data"]

    def _follow(self, path: str) -> None:
        following = path
        for _ in range(self._most_pages):
            found = self._read(following)
            cursor = found and found["meta"].get("cursor")
            if not cursor:
                return
            following = f"{path}&cursor={quote(cursor, safe='')}"

    def _read(self, path: str) -> Any:
        self.reads += 1
        answer = exchange(
            self._port, Request(path.encode(), method=b"GET", framing="none"), authorization=basic(self._credentials)
        )
        if answer is not None and answer.status == 200:
            try:
                orjson.loads(answer.body)
                return json.loads(answer.body)
            except (ValueError, RecursionError) as error:
                self._note(path, answer, f"no JSON: {error}")
        elif answer is None or not _is_too_much(answer):
            self._note(path, answer, "not 200")
        return None

    def _note(self, path: str, answer: Answer | None, what: str) -> None:
        status, body = ("none", b"") if answer is None else (answer.status, answer.body)
        self.faults.append(f"{self._credentials.project} {path[:300]}: {what}: {status} {body[:300]!r}")


def _is_too_much(answer: Answer) -> bool:
    """A trace that is larger than an answer may be says how to ask for less of it."""
    return answer.status == 400 and b"ask" in answer.body
