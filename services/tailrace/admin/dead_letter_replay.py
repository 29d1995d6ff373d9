"""Replaying dead letters: letters in, raw records out, to the partition that they came from, under their time of receipt.

The events of a letter are folded like any others, so one that was applied in the meantime changes nothing. Where a letter does not have
its events' bytes in a form that processors read, its whole raw record is taken from the log, as long as that is kept.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple, cast

import asyncpg

from tailrace.admin.command import QUERIES, ProgressLine, open_connection, open_kafka
from tailrace.admin.raw_log import RawLog, open_raw_log
from tailrace.core.model import DiscardReason, ProjectId
from tailrace.runtime.kafka import make_producer
from tailrace.runtime.settings import Settings
from tailrace.wire.deletions import BadDeletionsError, decode_deletions
from tailrace.wire.events import EnvelopeError, decode_batch, decode_scores
from tailrace.wire.otlp import OtlpError, decode_spans
from tailrace.wire.records import BadRecordError, decode_record
from tailrace.wire.repricing import Repricing
from tailrace.wire.topics import RAW_KINDS, BadHeadersError, RawHeaders, RawKind, decode_raw_headers, topics_of

_LOCK: Final = 0x7461696C_0003
_NAMED_LEFT: Final = 20
_UNREADABLE_HEADERS: Final[DiscardReason] = "unknown_record_kind"


class Identity(NamedTuple):
    """What names a dead letter."""

    project_id: str
    partition: int
    origin: int
    sequence: int


class Selection(NamedTuple):
    """Which letters to replay; None takes any. `again`: also those that were replayed before."""

    project_id: str | None
    reason: str | None
    letter: Identity | None
    again: bool = False


class ReplayOutcome(NamedTuple):
    """What was done. `left`: letters that cannot be replayed, `left_names`: the first of them and why."""

    letters: int
    records: int
    left: int
    left_names: dict[str, str]


class Publication(NamedTuple):
    """A raw record to publish, and the sequences of the letters that it replays."""

    value: bytes
    headers: RawHeaders
    sequences: list[int]


async def replay_letters(settings: Settings, selection: Selection) -> ReplayOutcome:
    """Publish each selected letter once and note it; a crash between the two repeats the letters of one origin, which changes nothing.

    Raises OperatorError when Postgres or Kafka does not answer, and KafkaError when a record is not acknowledged.
    """
    producer = make_producer(settings.kafka, client_id="tailrace-replay")
    async with (
        open_connection(settings.postgres) as connection,
        open_raw_log(settings.kafka) as log,
        open_kafka(producer, settings.kafka),
    ):
        replay = _Replay(connection, log, producer, topics_of(settings.kafka.topic_prefix).raw)
        return await replay.run(selection)


class _Replay:
    """Replays origin by origin."""

    def __init__(self, connection: "asyncpg.Connection[Any]", log: RawLog, producer: Any, topic: str) -> None:
        self._connection = connection
        self._log = log
        self._producer = producer
        self._topic = topic
        self._letters = self._records = self._left = 0
        self._left_names: dict[str, str] = {}

    async def run(self, selection: Selection) -> ReplayOutcome:
        wanted = (*_parameters(selection), await self._connection.fetchval("select now()"))
        total = await self._connection.fetchval(QUERIES["count_replayable"], *wanted)
        progress = ProgressLine("replayed {done} of {total} dead letters", total)
        after: tuple[str, int, int] = ("", -1, -1)
        while (found := await self._connection.fetchrow(QUERIES["next_replayable"], *wanted, *after)) is not None:
            after = (found["project_id"], found["partition"], found["origin"])
            progress.advance(await self._replay_origin(after, wanted))
        progress.end()
        return ReplayOutcome(self._letters, self._records, self._left, self._left_names)

    async def _replay_origin(self, origin: tuple[str, int, int], wanted: Sequence[object]) -> int:
        """Replay what is selected of one raw record; returns how many letters that was.

        1. Take the lock: of two commands that run at once, the second finds these letters replayed.
        2. Publish and await every ack. 3. Note it. Dying before the commit repeats step 2 at the next run.
        """
        async with self._connection.transaction():
            await self._connection.execute("select pg_advisory_xact_lock($1)", _LOCK)
            letters = await self._connection.fetch(QUERIES["read_replayable"], *wanted, *origin)
            publications = await self._publications(letters)
            await asyncio.gather(*[self._publish(origin, one) for one in publications])
            done = [sequence for one in publications for sequence in one.sequences]
            await self._connection.execute(QUERIES["note_replayed"], *origin, done)
        self._letters += len(done)
        self._records += len(publications)
        for letter in letters:
            if letter["sequence"] not in done:
                self._leave(letter)
        return len(letters)

    async def _publications(self, letters: Sequence[asyncpg.Record]) -> list[Publication]:
        own = [_own_publication(letter) for letter in letters]
        readable = [one for one in own if one is not None]
        if len(readable) == len(letters) or not any(map(_may_be_in_log, letters)):
            return readable
        whole = await self._whole_record(letters)
        return _cover_others(letters, readable) if whole is None else [whole]

    async def _whole_record(self, letters: Sequence[asyncpg.Record]) -> Publication | None:
        """The raw record at the letters' origin, if the log still has it, and it is theirs, and this release reads it."""
        record = await self._log.find(letters[0]["partition"], letters[0]["origin"])
        if record is None:
            return None
        try:
            headers = decode_raw_headers(record.headers)
        except BadHeadersError:
            return None
        is_theirs = headers.project_id == letters[0]["project_id"] and (
            headers.received_at_us == _microseconds(letters[0]["received_at"]) or record.value == letters[0]["payload"]
        )
        if not is_theirs or read_body(headers.kind, record.value) is None:
            return None
        return Publication(record.value, headers, [letter["sequence"] for letter in letters])

    async def _publish(self, origin: tuple[str, int, int], publication: Publication) -> None:
        project_id, partition, _ = origin
        await self._producer.send_and_wait(
            self._topic,
            publication.value,
            key=project_id.encode(),
            partition=partition,
            headers=publication.headers.encode(),
        )

    def _leave(self, letter: asyncpg.Record) -> None:
        self._left += 1
        if len(self._left_names) < _NAMED_LEFT:
            name = f"{letter['project_id']}/{letter['partition']}/{letter['origin']}/{letter['sequence']}"
            self._left_names[name] = "neither its bytes nor what the raw log still has can be read by this release"


def read_body(kind: RawKind, payload: bytes) -> tuple[bytes, int] | None:
    """A raw record's body made of a letter's bytes, and how many events it holds; None when this release cannot read any in it."""
    try:
        if kind == "ingestion":
            return _read_batch(payload) or _read_batch(b'{"batch":[%b]}' % payload)
        if kind == "scores":
            scores = decode_scores(payload)
            return (payload, len(scores.events) + len(scores.errors)) if scores.events else None
        if kind == "repricing":
            decode_record(payload, Repricing)
            return payload, 1
        if kind == "deletions":
            return payload, len(decode_deletions(payload))
        spans = sum(1 for _ in decode_spans(kind, payload))
    except (EnvelopeError, OtlpError, BadRecordError, BadDeletionsError):
        return None
    return (payload, spans) if spans else None


def _read_batch(payload: bytes) -> tuple[bytes, int] | None:
    try:
        batch = decode_batch(payload)
    except EnvelopeError:
        return None
    return (payload, sum(map(len, batch))) if batch.events else None


def _own_publication(letter: asyncpg.Record) -> Publication | None:
    if letter["reason"] == _UNREADABLE_HEADERS or letter["content_kind"] not in RAW_KINDS:
        return None
    kind = cast("RawKind", letter["content_kind"])
    read = read_body(kind, letter["payload"])
    if read is None:
        return None
    headers = RawHeaders(kind, ProjectId(letter["project_id"]), _microseconds(letter["received_at"]), read[1])
    return Publication(read[0], headers, [letter["sequence"]])


def _may_be_in_log(letter: asyncpg.Record) -> bool:
    """Whether the bytes of this letter are not its event's as the sender wrote it: those of a batch event or a score are."""
    kept_apart = letter["content_kind"] in ("ingestion", "scores") and letter["payload"]
    return not kept_apart or letter["reason"] == _UNREADABLE_HEADERS


def _cover_others(letters: Sequence[asyncpg.Record], readable: Sequence[Publication]) -> list[Publication]:
    """Give the letters without bytes to the first body of several events: one letter has the bytes of their whole record."""
    empty = [letter["sequence"] for letter in letters if not letter["payload"]]
    body = next((one for one in readable if one.headers.events > 1), None)
    if body is None:
        return list(readable)
    return [one._replace(sequences=[*one.sequences, *empty]) if one is body else one for one in readable]


def _microseconds(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def _parameters(selection: Selection) -> tuple[object, ...]:
    project_id, partition, origin, sequence = selection.letter or (selection.project_id, None, None, None)
    return project_id, selection.reason, partition, origin, sequence, selection.again
