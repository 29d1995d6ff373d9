"""What the edge's unit tests stand on: a log in memory, keys in memory, and a client that speaks to the application directly."""

import base64
import hashlib
from collections.abc import Sequence
from typing import Any

import httpx

from tailrace.core.model import ProjectId
from tailrace.edge.app import app_of, make_edge
from tailrace.edge.publisher import PublishError, RawRecord
from tailrace.edge.traffic import Traffic
from tailrace.runtime.keys import KeyCache, KeysUnavailableError, Principal, Quota, StoredKey
from tailrace.runtime.settings import Edge, Settings

SECRET = "sk-lf-secret"
OTLP = "/api/public/otel/v1/traces"
METRICS = "/api/public/otel/v1/metrics"
INGESTION = "/api/public/ingestion"
SCORES = "/api/public/scores"


class MemoryPublisher:
    """A log in memory: what was published, in order. `away`: it takes nothing."""

    def __init__(self, partitions: int = 8) -> None:
        self.partitions = partitions
        self.records: list[RawRecord] = []
        self.away = False

    async def publish(self, records: Sequence[RawRecord]) -> None:
        if self.away:
            raise PublishError("Kafka does not answer")
        self.records += records

    @property
    def events(self) -> int:
        return sum(record.headers.events for record in self.records)


class MemoryKeyStore:
    """The keys of three projects: pk-lf-a, pk-lf-b and the suspended pk-lf-suspended. `away`: it cannot be asked. `quota`: that of project-a."""

    def __init__(self) -> None:
        self.away = False
        self.quota = Quota()

    async def find(self, public_key: str) -> StoredKey | None:
        if self.away:
            raise KeysUnavailableError("away")
        name = public_key.removeprefix("pk-lf-")
        if name not in ("a", "b", "suspended"):
            return None
        principal = Principal(
            project_id=ProjectId(f"project-{name}"),
            project_name=name,
            organization_id="org",
            organization_name="Org",
            access="full",
            suspended=name == "suspended",
            quota=self.quota if name == "a" else Quota(),
        )
        return StoredKey(public_key, b"salt", hashlib.sha256(b"salt" + SECRET.encode()).digest(), principal)


class EdgeUnderTest:
    """The application with its fakes. Requests carry project-a's full key unless they say otherwise. `now`: the clock of its limits."""

    def __init__(self, **limits: int) -> None:
        self.publisher = MemoryPublisher()
        self.store = MemoryKeyStore()
        self.now = 1_800_000_000.0
        settings = Settings(edge=Edge(**limits))
        self.traffic = Traffic(settings.edge, clock=lambda: self.now)
        self.edge = make_edge(self.publisher, KeyCache(self.store), settings, self.traffic)
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app_of(self.edge), raise_app_exceptions=False), base_url="http://edge"
        )

    async def post(
        self, path: str, body: Any, *, key: str | None = None, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        """`body`: bytes as they are, else as JSON."""
        content = body if isinstance(body, bytes) else httpx.Request("POST", "http://x", json=body).content
        usual = httpx.Headers({"Authorization": key or full_key(), "Content-Type": "application/json"})
        usual.update(headers)
        return await self.client.post(path, content=content, headers=usual)


def full_key(project: str = "a", secret: str = SECRET) -> str:
    return "Basic " + base64.b64encode(f"pk-lf-{project}:{secret}".encode()).decode()


def scores_key(project: str = "a") -> str:
    return f"Bearer pk-lf-{project}"
