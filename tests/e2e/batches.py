"""Batches of events as an SDK posts them, for tests that say by hand what is in them: events in, what was answered out."""

import uuid
from datetime import UTC, datetime
from typing import Any, NamedTuple

import httpx

from tests.e2e.recorder import INGESTION_PATH
from tests.e2e.stack import Credentials


class Answer(NamedTuple):
    """What a batch was answered: the ids of the events that were taken, and what was said of the others by id."""

    status: int
    taken: list[str]
    errors: dict[str, dict[str, Any]]


def event(kind: str, body: dict[str, Any], *, id_: str | None = None, timestamp: str | None = None) -> dict[str, Any]:
    """An event of now with an id of its own."""
    return {"id": id_ or str(uuid.uuid4()), "type": kind, "timestamp": timestamp or moment(), "body": body}


def moment() -> str:
    """Now, as SDKs write it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def send(credentials: Credentials, *events: dict[str, Any]) -> Answer:
    """Posts a batch of these events."""
    answer = httpx.post(
        credentials.url + INGESTION_PATH,
        auth=(credentials.public_key, credentials.secret_key),
        json={"batch": events},
        trust_env=False,
        timeout=30,
    )
    body = answer.json()
    taken = [each["id"] for each in body.get("successes", [])]
    return Answer(answer.status_code, taken, {each["id"]: each for each in body.get("errors", [])})
