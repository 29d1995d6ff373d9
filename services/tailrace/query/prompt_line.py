"""How processes agree on what they may answer about prompts from memory: a line of announcements through Postgres, and leases.

Postgres hands announcements to every listener in the order in which they were committed. So a process that hears a mark of its own has
heard of every change that was committed before the mark was: for LEASE_SECONDS from when it sent the mark it may answer from memory.
Who wrote answers once each process that may hold prompts has confirmed that it heard, or after SETTLE_SECONDS, which is longer: by then
the lease of whoever did not confirm has run out, unless it was had by a later mark, and then the change was heard of. So whoever asks
after a write was answered finds it, in any process. A process that loses its connection, or is frozen, has no lease, and asks Postgres.
"""

import asyncio
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import asyncpg
import msgspec

from tailrace.query.database import Database, Writer
from tailrace.query.prompt_cache import PromptCache
from tailrace.query.rows import CacheOfPrompts
from tailrace.query.sql import statement
from tailrace.runtime import metrics
from tailrace.runtime.log import get_logger
from tailrace.runtime.postgres import OUTAGE_ERRORS

log = get_logger(__name__)

CHANNEL: Final = "tailrace_prompts"
RENEW_SECONDS: Final = 0.5
LEASE_SECONDS: Final = 1.5
SETTLE_SECONDS: Final = 2.0
"""Longer than a lease by more than the clocks of two processes differ in speed."""

_CALL_SECONDS: Final = 5.0
_RECONNECT_SECONDS: Final = 1.0
_WORTH_WAITING: Final = (*OUTAGE_ERRORS, asyncpg.exceptions.UndefinedTableError)


class _Announcement(msgspec.Struct, frozen=True):
    """What is said: a prompt that changed; a writer's token and where to confirm it; on a process's own channel its mark, or who confirmed."""

    project: str | None = None
    name: str | None = None
    token: str | None = None
    reply: str | None = None
    mark: int | None = None
    heard: str | None = None
    cache: str | None = None


_announcement: Final = msgspec.json.Decoder(_Announcement)


class _Write:
    """A write that is to be settled: who has confirmed it so far."""

    def __init__(self) -> None:
        self.token = uuid.uuid4().hex
        self.confirmed: set[str] = set()
        self.changed = asyncio.Event()


class PromptLine:
    """One process's end of the line. Without `watch` nothing is ever answered from memory, and writes wait for the leases of others."""

    def __init__(self, cache: PromptCache, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.cache = cache
        self._clock = clock
        self._id = ""
        self._last_mark = 0
        self._marks: dict[int, float] = {}
        self._to_confirm: list[tuple[str, str]] = []
        self._wake = asyncio.Event()
        self._writes: dict[str, _Write] = {}
        metrics.query_prompt_cache_bytes.set_function(lambda: cache.size_bytes)

    def begin(self) -> _Write:
        """A write that will be announced in its transaction, and settled after it."""
        write = _Write()
        self._writes[write.token] = write
        return write

    def end(self, write: _Write) -> None:
        """The write is settled, or failed."""
        self._writes.pop(write.token, None)

    async def announce(self, writer: Writer, write: _Write) -> None:
        """Ask all processes for their word that they heard of this transaction, once it is committed."""
        await writer.execute(statement("announce_prompts"), (CHANNEL, write.token, _own_channel(self._id)))

    async def settle(self, database: Database, write: _Write) -> None:
        """Return once no process answers any more from before the write, which is committed."""
        started = self._clock()
        awaited = await self._others(database)
        while awaited is None or not awaited <= write.confirmed:
            left = started + SETTLE_SECONDS - self._clock()
            if left <= 0:
                break
            write.changed.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(write.changed.wait(), left)
        metrics.query_prompt_settle_seconds.observe(self._clock() - started)

    async def _others(self, database: Database) -> set[str] | None:
        """The processes that may hold prompts; None if that cannot be told."""
        try:
            async with database.snapshot() as reader:
                found = await reader.rows(CacheOfPrompts, statement("list_prompt_caches"), ())
        except OUTAGE_ERRORS as error:
            log.warning("prompts.settle.blind", error=type(error).__name__)
            return None
        return {str(one.id) for one in found}

    async def watch(self, dsn: str, stop: asyncio.Event) -> None:
        """Listen until `stop`; on each new connection everything that is kept is forgotten, as something may have been missed."""
        while not stop.is_set():
            try:
                await self._listen(dsn, stop)
            except _WORTH_WAITING as error:
                log.warning("prompts.listen.lost", error=type(error).__name__)
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), _RECONNECT_SECONDS)

    async def _listen(self, dsn: str, stop: asyncio.Event) -> None:
        connection = await asyncpg.connect(dsn, timeout=10)
        lost = asyncio.Event()
        connection.add_termination_listener(lambda _: self._lost(lost))
        self._id, self._to_confirm = str(uuid.uuid4()), []
        try:
            await connection.add_listener(CHANNEL, self._hear)
            await connection.add_listener(_own_channel(self._id), self._hear)
            await self._keep_leased(connection, stop, lost)
            self._revoke()
            await connection.execute(statement("drop_prompt_cache"), uuid.UUID(self._id), timeout=_CALL_SECONDS)
        finally:
            self._revoke()
            self._id = ""
            connection.terminate()

    async def _keep_leased(
        self, connection: "asyncpg.Connection[asyncpg.Record]", stop: asyncio.Event, lost: asyncio.Event
    ) -> None:
        stopping = asyncio.ensure_future(stop.wait())
        stopping.add_done_callback(lambda _: self._wake.set())
        due = self._clock()
        try:
            while not stop.is_set():
                if lost.is_set():
                    raise ConnectionResetError("the listening connection ended")
                if self._clock() >= due:
                    due = self._clock() + RENEW_SECONDS
                    await self._renew(connection)
                await self._confirm(connection)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), max(0.0, due - self._clock()))
                self._wake.clear()
        finally:
            stopping.cancel()

    async def _renew(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        self._last_mark += 1
        self._marks[self._last_mark] = self._clock()
        values = (uuid.UUID(self._id), _own_channel(self._id), self._last_mark)
        await connection.execute(statement("renew_prompt_cache"), *values, timeout=_CALL_SECONDS)

    async def _confirm(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        confirmed, self._to_confirm = self._to_confirm, []
        for reply, token in confirmed:
            await connection.execute(statement("confirm_prompts"), reply, token, self._id, timeout=_CALL_SECONDS)

    def _lost(self, lost: asyncio.Event) -> None:
        self._revoke()
        lost.set()
        self._wake.set()

    def _revoke(self) -> None:
        """No lease any more, also not by a mark that is still on its way."""
        self._marks = {}
        self.cache.revoke()

    def _hear(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        try:
            said = _announcement.decode(str(payload))
        except msgspec.DecodeError:
            self._revoke()  # whoever said this, and whatever it means
            return
        if said.project is not None and said.name is not None:
            self.cache.forget(said.project, said.name)
        if said.token is not None and said.reply is not None:
            self._to_confirm.append((said.reply, said.token))
            self._wake.set()
        if said.mark is not None:
            self._hear_mark(said.mark)
        if said.heard is not None and said.cache is not None and said.heard in self._writes:
            write = self._writes[said.heard]
            write.confirmed.add(said.cache)
            write.changed.set()

    def _hear_mark(self, mark: int) -> None:
        sent = self._marks.get(mark)
        if sent is not None:
            self._marks = {other: at for other, at in self._marks.items() if other > mark}
            self.cache.extend(sent + LEASE_SECONDS)


def _own_channel(id_: str) -> str:
    return f"{CHANNEL}_{id_ or 'nobody'}"
