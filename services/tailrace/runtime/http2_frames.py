"""How many frames come on a connection of HTTP/2, and how long the head under way is: bytes in, counts out, before anything is decoded.

Each frame costs some 30 µs of this process, whatever it holds, and its sender 9 bytes: without a bound a few hundred kB a second of frames that ask
for nothing (pings, settings, empty or tiny pieces of a body, pieces for requests that are over) would take a whole core.
"""

from typing import Final

MOST_SPARE_FRAMES: Final = 1_000
FRAMES_PER_REQUEST: Final = 20
BYTES_PER_FRAME: Final = 128
"""A sender may send 1,000 frames, 20 for each request, and one for every 128 bytes. Clients of gRPC send some 5 for a request, and bodies in pieces of kilobytes."""

_PREFACE_BYTES: Final = 24
_HEAD_BYTES: Final = 9
_HEADERS: Final = 1
_CONTINUATION: Final = 9


class FrameMeter:
    """The frames of one connection. `head_bytes`: of the head that came last, as far as it has begun. `frames`: how many have begun. `longest`: the size of the largest.

    h2 knows these bounds too, but keeps a frame of up to 16 MiB until all of it is there before it says that it is too large.
    """

    def __init__(self) -> None:
        self.head_bytes = 0
        self.longest = 0
        self.frames = 0
        self._bytes = 0
        self._left = _PREFACE_BYTES
        self._begun = b""

    def count(self, data: bytes) -> None:
        """Take in what has come next."""
        self._bytes += len(data)
        at = 0
        while at + self._left < len(data):
            at += self._left
            self._left = 0
            head = self._begun + data[at : at + _HEAD_BYTES - len(self._begun)]
            at += len(head) - len(self._begun)
            if len(head) < _HEAD_BYTES:
                self._begun = head
                return
            self._begun = b""
            self._note(int.from_bytes(head[:3]), head[3])
        self._left -= len(data) - at

    def has_too_many(self, requests: int) -> bool:
        """Whether more frames have come than so many requests and the bytes so far explain."""
        return self.frames > MOST_SPARE_FRAMES + FRAMES_PER_REQUEST * requests + self._bytes // BYTES_PER_FRAME

    def _note(self, size: int, kind: int) -> None:
        self.frames += 1
        self._left = size
        self.longest = max(self.longest, size)
        if kind == _HEADERS:
            self.head_bytes = size
        elif kind == _CONTINUATION:
            self.head_bytes += size
