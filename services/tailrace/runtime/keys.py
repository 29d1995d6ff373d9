"""API keys: who a request speaks for. A secret is 128 random bits or more, so one salted SHA-256 keeps it; compares are constant-time.

Keys are read from Postgres once and kept, so that a known key works, within its project's quota, while Postgres is away. A change to a key or its project is
announced by the database (NOTIFY tailrace_keys) and forgets what is kept at once; after a listener lost its line everything is read again, as soon as Postgres answers.
"""

import asyncio
import base64
import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, Literal, NamedTuple, Protocol

import asyncpg

from tailrace.core.model import ProjectId
from tailrace.runtime import metrics
from tailrace.runtime.log import get_logger
from tailrace.runtime.postgres import OUTAGE_ERRORS

log = get_logger(__name__)

CHANNEL: Final = "tailrace_keys"
Access = Literal["full", "scores"]

_no_header = "No authorization header"
_bad_header = "Invalid authorization header"
_bad_key = "Invalid credentials. Confirm that you've configured the correct host."


class AuthError(Exception):
    """The request may not do this; `status` and `message` are the answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class KeysUnavailableError(Exception):
    """The key is not known here and Postgres cannot be asked: answer 503."""


class Quota(NamedTuple):
    """What a project may write. None: the installation's default; 0: no limit. Bytes are those of decompressed bodies."""

    events_per_second: int | None = None
    bytes_per_second: int | None = None
    max_body_bytes: int | None = None


class Principal(NamedTuple):
    """The project that a key speaks for. `access`: full for `Basic pk:sk`, scores for `Bearer pk`."""

    project_id: ProjectId
    project_name: str
    organization_id: str
    organization_name: str
    access: Access
    suspended: bool
    metadata: str = "{}"
    retention_days: int | None = None
    quota: Quota = Quota()


class StoredKey(NamedTuple):
    """What Postgres keeps of a key, with its project."""

    public_key: str
    salt: bytes
    secret_hash: bytes
    principal: Principal


class _Kept(NamedTuple):
    """A key, and after how many changes it was read."""

    key: StoredKey
    generation: int


class KeyStore(Protocol):
    """Where keys are kept."""

    async def find(self, public_key: str) -> StoredKey | None:
        """The live key, or None. Raises KeysUnavailableError."""
        ...


def hash_secret(secret: str, salt: bytes) -> bytes:
    """What is stored of a secret."""
    return hashlib.sha256(salt + secret.encode()).digest()


def generate_secret(prefix: str) -> str:
    """A new key text of 160 random bits."""
    return f"{prefix}{secrets.token_hex(20)}"


class KeyCache:
    """Authenticates requests from memory, and from `store` on a miss; holds at most `size` keys, and asks for at most `most_lookups` at once."""

    def __init__(self, store: KeyStore, *, size: int = 10_000, most_lookups: int = 1000) -> None:
        self._store = store
        self._size = size
        self._most_lookups = most_lookups
        self._lookups = 0
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._generation = 0
        self._doubted_before = 0
        metrics.edge_keys_cached.set_function(lambda: len(self._kept))

    async def authenticate(self, authorization: str | None) -> Principal:
        """The principal of an Authorization header. Raises AuthError or KeysUnavailableError."""
        if not authorization:
            raise AuthError(401, _no_header)
        scheme, _, credentials = authorization.strip().partition(" ")
        if scheme.lower() == "bearer":
            return await self._limited(credentials.strip())
        if scheme.lower() != "basic":
            raise AuthError(401, _bad_header)
        public_key, secret = _split_basic(credentials)
        return await self._full(public_key, secret)

    def forget(self, public_key: str | None = None) -> None:
        """Read this key again at its next use. All keys when none is named: those hold until Postgres answers."""
        self._generation += 1
        if public_key is None:
            self._doubted_before = self._generation
        else:
            self._kept.pop(public_key, None)

    async def _full(self, public_key: str, secret: str) -> Principal:
        key = await self._find(public_key)
        salt = key.salt if key is not None else b""
        expected = key.secret_hash if key is not None else bytes(32)
        matches = hmac.compare_digest(hash_secret(secret, salt), expected)
        if key is None or not matches:
            raise AuthError(401, _bad_key)
        return key.principal

    async def _limited(self, public_key: str) -> Principal:
        key = await self._find(public_key) if public_key.isascii() and public_key.isprintable() and public_key else None
        if key is None:
            raise AuthError(401, _bad_key)
        return key.principal._replace(access="scores")

    async def _find(self, public_key: str) -> StoredKey | None:
        kept = self._kept.get(public_key)
        if kept is not None:
            self._kept.move_to_end(public_key)
            if kept.generation >= self._doubted_before:
                return kept.key
        generation = self._generation
        try:
            found = await self._look_up(public_key)
        except KeysUnavailableError:
            kept = self._kept.get(public_key)
            if kept is None:
                raise
            return kept.key
        if generation == self._generation:
            self._keep(public_key, found)
        return found

    async def _look_up(self, public_key: str) -> StoredKey | None:
        if self._lookups >= self._most_lookups:
            raise KeysUnavailableError("too many keys are looked up")
        self._lookups += 1
        try:
            return await self._store.find(public_key)
        finally:
            self._lookups -= 1

    def _keep(self, public_key: str, found: StoredKey | None) -> None:
        if found is None:
            self._kept.pop(public_key, None)
            return
        self._kept[public_key] = _Kept(found, self._generation)
        if len(self._kept) > self._size:
            self._kept.popitem(last=False)


def _split_basic(credentials: str) -> tuple[str, str]:
    try:
        public_key, _, secret = base64.b64decode(credentials, validate=True).decode().partition(":")
    except ValueError:
        raise AuthError(401, _bad_header) from None
    if not public_key or not secret or "\x00" in public_key:
        raise AuthError(401, _bad_header)
    return public_key, secret


_find_key = """
    select k.public_key, k.secret_salt, k.secret_hash, p.project_id, p.name, p.metadata::text as metadata, p.retention_days,
           p.quota_events_per_second, p.quota_bytes_per_second, p.quota_max_body_bytes,
           p.suspended_at is not null as suspended, o.id as organization_id, o.name as organization_name
    from api_keys k join projects p using (project_id) join organizations o on o.id = p.organization_id
    where k.public_key = $1 and k.revoked_at is null
"""


class PostgresKeyStore:
    """Keys in Postgres."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def find(self, public_key: str) -> StoredKey | None:
        try:
            row = await self._pool.fetchrow(_find_key, public_key)
        except OUTAGE_ERRORS as error:
            raise KeysUnavailableError(str(error) or type(error).__name__) from error
        return None if row is None else _stored_key(row)


def _stored_key(row: Any) -> StoredKey:
    principal = Principal(
        project_id=ProjectId(row["project_id"]),
        project_name=row["name"],
        organization_id=row["organization_id"],
        organization_name=row["organization_name"],
        access="full",
        suspended=row["suspended"],
        metadata=row["metadata"],
        retention_days=row["retention_days"],
        quota=Quota(row["quota_events_per_second"], row["quota_bytes_per_second"], row["quota_max_body_bytes"]),
    )
    return StoredKey(row["public_key"], row["secret_salt"], row["secret_hash"], principal)


async def watch_keys(
    cache: KeyCache, dsn: str, stop: asyncio.Event, *, on_outage: Callable[[str], None] | None = None
) -> None:
    """Forget what Postgres announces until `stop`. On each new line to Postgres everything is forgotten: an announcement may be lost."""
    while not stop.is_set():
        try:
            await _listen(cache, dsn, stop)
        except OUTAGE_ERRORS as error:
            log.warning("keys.listen.lost", error=type(error).__name__)
            if on_outage is not None:
                on_outage(type(error).__name__)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), 1.0)


async def _listen(cache: KeyCache, dsn: str, stop: asyncio.Event) -> None:
    connection = await asyncpg.connect(dsn, timeout=10)
    lost = asyncio.Event()

    def announced(_connection: object, _pid: int, _channel: str, payload: object) -> None:
        cache.forget(None if payload == "*" else str(payload))

    connection.add_termination_listener(lambda _: lost.set())
    try:
        await connection.add_listener(CHANNEL, announced)
        cache.forget()
        while not stop.is_set() and not lost.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(_first_of(stop, lost), 5.0)
            if not lost.is_set():
                await connection.fetchval("select 1", timeout=5)
        if lost.is_set():
            raise ConnectionResetError("the listening connection ended")
    finally:
        connection.terminate()


async def _first_of(*events: asyncio.Event) -> None:
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
