"""HTTP as a careless or hostile client speaks it: a request in exact bytes in, what the server said out.

No client library stands between: framing may lie, headers may hold any byte, a body may stop in the middle.
"""

import http.client
import socket
from contextlib import suppress
from typing import Literal, NamedTuple

SECONDS = 120.0

Framing = Literal["length", "chunked", "stops", "chunks stop", "bad chunks", "none"]
"""How the end of the body is told; the two that stop close their side before the body is whole."""

_CHUNK_BYTES = 64 * 1024


class Request(NamedTuple):
    """`authorization`: None is the key of the project under attack, b"" is no header."""

    target: bytes
    body: bytes = b""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    method: bytes = b"POST"
    framing: Framing = "length"
    authorization: bytes | None = None

    @property
    def may_stay_unanswered(self) -> bool:
        """Whether the client itself breaks off."""
        return self.framing in ("stops", "chunks stop")


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


def exchange(port: int, request: Request, *, authorization: bytes) -> Answer | None:
    """The answer to one request on a connection of its own; None when the server closes without one."""
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as line:
        with suppress(BrokenPipeError, ConnectionResetError):  # it may answer before it has read everything
            line.sendall(_head(request, authorization))
            _send_body(line, request)
        response = http.client.HTTPResponse(line, method=request.method.decode("latin-1"))
        try:
            response.begin()
            body = response.read()
        except (http.client.HTTPException, ConnectionResetError):
            return None
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, body)


def _head(request: Request, authorization: bytes) -> bytes:
    sent = authorization if request.authorization is None else request.authorization
    headers = [(b"Host", b"127.0.0.1"), (b"Connection", b"close"), *request.headers]
    if sent:
        headers.append((b"Authorization", sent))
    if request.framing in ("length", "stops"):
        missing = 1000 if request.framing == "stops" else 0
        headers.append((b"Content-Length", b"%d" % (len(request.body) + missing)))
    elif request.framing != "none":
        headers.append((b"Transfer-Encoding", b"chunked"))
    lines = [b"%b %b HTTP/1.1" % (request.method, request.target), *(b"%b: %b" % header for header in headers)]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def _send_body(line: socket.socket, request: Request) -> None:
    if request.framing in ("length", "stops", "none"):
        line.sendall(request.body)
    elif request.framing == "bad chunks":
        line.sendall(b"zz\r\n" + request.body)
    else:
        for start in range(0, len(request.body), _CHUNK_BYTES):
            piece = request.body[start : start + _CHUNK_BYTES]
            line.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
        if request.framing == "chunked":
            line.sendall(b"0\r\n\r\n")
    if request.may_stay_unanswered:
        line.shutdown(socket.SHUT_WR)
