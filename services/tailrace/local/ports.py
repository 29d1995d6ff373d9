"""Free ports on this machine, and a small question to one that is taken."""

import asyncio
import contextlib
import random
import socket

# Below the range from which systems pick the near end of outgoing connections (32768 and up on Linux), so that nobody takes
# a port between our look and the listener's start.
_choices = range(15_000, 32_000)


def free_port() -> int:
    """A port on 127.0.0.1 that nobody listens on. Raises OSError if a thousand tries find none."""
    for port in random.sample(_choices, 1000):
        if is_free("127.0.0.1", port):
            return port
    raise OSError("no free port found on 127.0.0.1 between 15000 and 32000")


def is_free(host: str, port: int) -> bool:
    """Whether a listener could start on `host`:`port` now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


async def get_http(port: int, path: str, *, timeout: float = 2.0) -> tuple[int, str]:
    """Status and body of GET `path` on 127.0.0.1. Raises OSError when nobody answers in `timeout` seconds."""
    try:
        async with asyncio.timeout(timeout):
            return await _get_http(port, path)
    except (TimeoutError, ValueError, IndexError, EOFError) as error:
        raise OSError(f"no HTTP answer on port {port}") from error


async def _get_http(port: int, path: str) -> tuple[int, str]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(f"GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
        head, _, body = (await reader.read(-1)).partition(b"\r\n\r\n")
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    return int(head.split(b" ", 2)[1]), body.decode(errors="replace")
