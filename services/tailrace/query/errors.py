"""What a request can be refused for, and the JSON that says so. SDKs parse JSON on every status, and some poll on the names."""

from typing import Any, Final

UNAVAILABLE_RETRY_SECONDS: Final = 5


class ApiError(Exception):
    """An answer that is not the one that was asked for."""

    status = 500
    name = "InternalServerError"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def body(self) -> dict[str, Any]:
        return {"message": self.message, "error": self.name}

    def headers(self) -> dict[str, str]:
        return {}


class InvalidRequestError(ApiError):
    """A parameter that cannot be used; `path` names it."""

    status = 400
    name = "InvalidRequestError"

    def __init__(self, message: str, *path: str | int) -> None:
        super().__init__(message)
        self.path = path

    def body(self) -> dict[str, Any]:
        issue = {"code": "custom", "path": list(self.path), "message": self.message}
        return {"message": "Invalid request data", "error": [issue]}


class InvalidBodyError(ApiError):
    """A body that cannot be used; all its faults are told at once, each with the path to it."""

    status = 400
    name = "InvalidRequestError"

    def __init__(self, faults: "list[InvalidRequestError]") -> None:
        super().__init__("; ".join(fault.message for fault in faults))
        self._faults = faults

    def body(self) -> dict[str, Any]:
        issues = [issue for fault in self._faults for issue in fault.body()["error"]]
        return {"message": "Invalid request data", "error": issues}


class TooMuchError(ApiError):
    """The answer would not fit; the message says how to ask for less."""

    status = 400
    name = "InvalidRequestError"


class TooLargeError(ApiError):
    """The request's body would not fit."""

    status = 413
    name = "InvalidRequestError"


class ConflictError(ApiError):
    """Somebody else changed it at the same time."""

    status = 409
    name = "LangfuseConflictError"


class ForbiddenError(ApiError):
    status = 403
    name = "ForbiddenError"


class NotFoundError(ApiError):
    """Clients poll until this name is gone."""

    status = 404
    name = "LangfuseNotFoundError"


class MethodNotAllowedError(ApiError):
    status = 405
    name = "MethodNotAllowedError"


class UnavailableError(ApiError):
    """Try again later: the database or a free place is missing."""

    status = 503
    name = "ServiceUnavailableError"

    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(UNAVAILABLE_RETRY_SECONDS)}
