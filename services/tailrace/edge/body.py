"""Request bodies: a stream of compressed bytes in, one decompressed body out, never more memory than was granted.

A body that would become too large is given up at its limit, so that a small one that inflates to gigabytes costs no more than that.
"""

import asyncio
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Final

from tailrace.edge.answers import refuse
from tailrace.edge.room import Room

MOST_SECONDS: Final = 120.0
"""A sender that is slower holds memory that others need."""

_PIECE_BYTES: Final = 1024 * 1024
_GZIP_OR_ZLIB: Final = zlib.MAX_WBITS | 32
_COMPRESSED: Final = ("gzip", "x-gzip", "deflate")
_PLAIN: Final = ("", "identity")


class BodyLimit:
    """What one body may take: `most` bytes decompressed, out of the room that all share and of its project's part of that."""

    def __init__(self, room: Room, project: str) -> None:
        self._room = room
        self._project = project
        self.held = 0

    def take(self, size: int, most: int) -> None:
        """Raises Refusal."""
        if self.held + size > most:
            raise refuse(413, f"the body is larger than {most} bytes", "too_large")
        self._room.reserve(self._project, size, held=self.held)
        self.held += size

    def release(self) -> None:
        self._room.release(self._project, self.held)


async def read_body(
    stream: AsyncIterator[bytes], encoding: str, limit: BodyLimit, *, most: int, seconds: float = MOST_SECONDS
) -> bytes:
    """The decompressed body: at most `most` bytes, within `seconds`. `encoding` is the Content-Encoding. Raises Refusal."""
    encoding = encoding.strip().lower()
    if encoding not in _COMPRESSED and encoding not in _PLAIN:
        raise refuse(415, f"expected gzip, deflate or no Content-Encoding, got {encoding[:50]!r}", "invalid_request")
    pieces: list[bytes] = []
    async with _within(seconds):
        async for piece in stream if encoding in _PLAIN else inflate(stream):
            limit.take(len(piece), most)
            pieces.append(piece)
    return b"".join(pieces)


async def drop_body(stream: AsyncIterator[bytes], *, most: int, seconds: float = MOST_SECONDS) -> None:
    """Read a body that nobody wants, and keep nothing of it. Raises Refusal."""
    size = 0
    async with _within(seconds):
        async for piece in stream:
            size += len(piece)
            if size > most:
                raise refuse(413, f"the body is larger than {most} bytes", "too_large")


@asynccontextmanager
async def _within(seconds: float) -> AsyncGenerator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise refuse(408, f"the body took longer than {seconds:g} seconds", "timeout") from None


async def inflate(stream: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    """What gzip or zlib packed, in pieces of a bounded size. Raises Refusal."""
    inflater = _Inflater()
    async for chunk in stream:
        try:
            for piece in inflater.feed(chunk):
                yield piece
                await asyncio.sleep(0)
        except zlib.error:
            raise refuse(400, "expected a gzip or zlib stream, got something else", "invalid_request") from None
    if not inflater.complete:
        raise refuse(400, "expected a whole gzip or zlib stream, got the beginning of one", "invalid_request")


class _Inflater:
    """Decompresses in pieces of a bounded size; members that follow each other are one body."""

    def __init__(self) -> None:
        self._decoder = zlib.decompressobj(_GZIP_OR_ZLIB)
        self._begun = False

    @property
    def complete(self) -> bool:
        return self._decoder.eof or not self._begun

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Raises zlib.error."""
        while data:
            if self._decoder.eof:
                data = data.lstrip(b"\x00")
                if not data:
                    return
                self._decoder = zlib.decompressobj(_GZIP_OR_ZLIB)
            self._begun = True
            yield from self._drain(data)
            data = self._decoder.unused_data

    def _drain(self, data: bytes) -> Iterator[bytes]:
        while True:
            piece = self._decoder.decompress(data, _PIECE_BYTES)
            data = self._decoder.unconsumed_tail
            if piece:
                yield piece
            if self._decoder.eof or (not data and len(piece) < _PIECE_BYTES):
                return
