"""What is no HTTP at all is answered as every other refusal is."""

import asyncio

import orjson
import pytest

from tailrace.local.ports import free_port
from tailrace.runtime.probes import Health, serve_probes
from tests.fakes import eventually


@pytest.mark.parametrize(
    "sent", [b"BREW /livez HTTP/1.1\r\n\r\n", b"GET /\xc5\xbc HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00", b"junk\r\n\r\n"]
)
async def test_what_is_no_http_is_a_400_in_json(sent: bytes) -> None:
    port = free_port()
    async with serve_probes(Health("edge", stall_seconds=60), host="127.0.0.1", port=port) as server:
        await eventually(lambda: server.started)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    assert head.startswith(b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\n")
    assert orjson.loads(body)["error"] == "InvalidRequestError"
