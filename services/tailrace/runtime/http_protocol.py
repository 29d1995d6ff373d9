"""HTTP as uvicorn reads it, with one difference: what is no HTTP is refused in JSON too, which is what clients parse on every status."""

from typing import Final

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_HEAD: Final = (
    b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
)


class JsonRefusals(HttpToolsProtocol):
    """Answers a request that cannot be parsed with its reason, and closes the connection."""

    def send_400_response(self, msg: str) -> None:
        body = orjson.dumps({"message": msg, "error": "InvalidRequestError"})
        self.transport.write(_HEAD % len(body) + body)
        self.transport.close()
