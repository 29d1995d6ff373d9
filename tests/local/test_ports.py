import socket

import pytest

from tailrace.local.ports import free_port, get_http, is_free


def test_a_port_that_somebody_listens_on_is_not_free() -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        assert not is_free("127.0.0.1", port)
        assert not is_free("0.0.0.0", port)
    assert is_free("127.0.0.1", port)


async def test_nobody_there_is_an_error() -> None:
    with pytest.raises(ConnectionRefusedError):
        await get_http(free_port(), "/readyz")


async def test_an_answer_that_is_no_http_is_an_error() -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", port)), pytest.raises(OSError, match=f"no HTTP answer on port {port}"):
        await get_http(port, "/readyz", timeout=0.2)
