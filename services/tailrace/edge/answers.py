"""What the edge answers: JSON always, the refusals in the words that the SDKs know."""

from typing import Any, Final, Literal

import orjson
from starlette.responses import Response

RETRY_AFTER_SECONDS: Final = 2

RefusalReason = Literal[
    "unauthorized",
    "forbidden",
    "suspended",
    "invalid_request",
    "too_large",
    "timeout",
    "unavailable",
    "overloaded",
    "disconnected",
]
"""Why a whole request was refused; a closed list, for the metrics."""

_ERROR_NAMES: Final = {
    400: "InvalidRequestError",
    401: "UnauthorizedError",
    403: "ForbiddenError",
    404: "LangfuseNotFoundError",
    405: "MethodNotAllowedError",
    408: "RequestTimeoutError",
    413: "PayloadTooLargeError",
    415: "UnsupportedMediaTypeError",
    429: "TooManyRequestsError",
    500: "InternalServerError",
    503: "ServiceUnavailableError",
}


class Refusal(Exception):  # noqa: N818 - an answer, not a fault of ours
    """A request that is refused whole: its status, body and headers, and the reason that is counted."""

    def __init__(self, status: int, body: Any, reason: RefusalReason) -> None:
        super().__init__(reason)
        self.status = status
        self.body = body
        self.reason: RefusalReason = reason

    def answer(self) -> Response:
        headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if self.status == 503 else {}
        return json_answer(self.body, self.status, headers)


def refuse(status: int, message: str, reason: RefusalReason) -> Refusal:
    """A refusal in the usual form: `{"message": ..., "error": <name>}`."""
    return Refusal(status, error_body(status, message), reason)


def error_body(status: int, message: str) -> dict[str, str]:
    """The JSON of an error; clients key on its name."""
    return {"message": message, "error": _ERROR_NAMES.get(status, "InvalidRequestError")}


def json_answer(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """An answer of JSON."""
    return Response(orjson.dumps(body), status_code=status, headers=headers, media_type="application/json")
