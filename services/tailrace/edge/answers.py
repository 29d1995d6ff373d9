"""What the edge answers: JSON always, the refusals in the words that the SDKs know."""

import math
import time
from datetime import UTC, datetime
from typing import Any, Final, Literal, NamedTuple

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
    "quota_events",
    "quota_bytes",
    "share_of_bytes",
    "share_of_requests",
    "paced",
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


class Limit(NamedTuple):
    """A limit that a project is at: what it may have, what is left of it, and when there will be more."""

    reason: RefusalReason
    limit: int
    remaining: int
    wait_seconds: float

    def headers(self, now: float) -> dict[str, str]:
        """The headers by which SDKs know when to come again. `now`: seconds since 1970."""
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": str(math.ceil(now + self.wait_seconds)),
        }


class Refusal(Exception):  # noqa: N818 - an answer, not a fault of ours
    """A request that is refused whole: its status, body and headers, and the reason that is counted."""

    def __init__(self, status: int, body: Any, reason: RefusalReason, headers: dict[str, str] | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.body = body
        self.reason: RefusalReason = reason
        self.headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if status == 503 else headers or {}

    def answer(self) -> Response:
        return json_answer(self.body, self.status, self.headers)


def refuse(status: int, message: str, reason: RefusalReason) -> Refusal:
    """A refusal in the usual form: `{"message": ..., "error": <name>}`."""
    return Refusal(status, error_body(status, message), reason)


def refuse_limited(message: str, limit: Limit) -> Refusal:
    """429 for a project that is at a limit of its own."""
    now = time.time()
    retry_after = max(1, math.ceil(limit.wait_seconds))
    reset = datetime.fromtimestamp(math.ceil(now + retry_after), UTC)
    details = {
        "retryAfterSeconds": retry_after,
        "limit": limit.limit,
        "remaining": limit.remaining,
        "resetAt": reset.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }
    body = {"message": message, "code": "rate_limited", "details": details}
    headers = {"Retry-After": str(retry_after), **limit._replace(wait_seconds=retry_after).headers(now)}
    return Refusal(429, body, limit.reason, headers)


def error_body(status: int, message: str) -> dict[str, str]:
    """The JSON of an error; clients key on its name."""
    return {"message": message, "error": _ERROR_NAMES.get(status, "InvalidRequestError")}


def json_answer(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """An answer of JSON."""
    return Response(orjson.dumps(body), status_code=status, headers=headers, media_type="application/json")
