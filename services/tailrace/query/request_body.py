"""Bodies of requests that write: bytes in, typed values out. All that is wrong with one is told at once, each fault with its path."""

from collections.abc import Collection
from contextlib import suppress
from math import isfinite
from typing import Any, cast

from tailrace.query.errors import InvalidBodyError, InvalidRequestError
from tailrace.wire.lenient_json import NotJsonError, load_json


class RequestBody:
    """A JSON object, and what was found wrong with it so far. A fault yields a stand-in, so that reading goes on until `check`."""

    def __init__(self, body: bytes) -> None:
        """Raises InvalidBodyError when it is no object."""
        try:
            given: object = load_json(body)
        except NotJsonError as error:
            raise InvalidBodyError([InvalidRequestError(str(error))]) from None
        if not isinstance(given, dict):
            raise InvalidBodyError([InvalidRequestError(f"expected an object, got {shown(given)}")])
        self._given = cast("dict[str, Any]", given)
        self._faults: list[InvalidRequestError] = []

    def check(self) -> None:
        """Raises InvalidBodyError if anything was wrong."""
        if self._faults:
            raise InvalidBodyError(self._faults)

    def fault(self, message: str, *path: str | int) -> None:
        """Note that something is wrong."""
        self._faults.append(InvalidRequestError(message, *path))

    def names(self) -> set[str]:
        """What is given, also what is null."""
        return set(self._given)

    def has(self, name: str) -> bool:
        """Whether it is given and not null."""
        return self._given.get(name) is not None

    def value(self, name: str) -> object:
        """What is given under a name, or None."""
        return self._given.get(name)

    def text(self, name: str, most: int, *, least: int = 1) -> str:
        """A text of `least` to `most` characters."""
        return self.text_in(self._given.get(name), most, name, least=least)

    def optional_text(self, name: str, most: int) -> str | None:
        """A text of at most so many characters, or None."""
        return self.text(name, most, least=0) if self.has(name) else None

    def text_in(self, value: object, most: int, *path: str | int, least: int = 1) -> str:
        """The text that stands at a path."""
        if isinstance(value, str) and least <= len(value) <= most:
            return value
        self.fault(f"expected a text of {least} to {most} characters, got {shown(value)}", *path)
        return ""

    def choice(self, name: str, choices: Collection[str]) -> str | None:
        """One of `choices`, or None where none is given."""
        value = self._given.get(name)
        if value is None or (isinstance(value, str) and value in choices):
            return value
        self.fault(f"expected one of {', '.join(choices)}, got {shown(value)}", name)
        return None

    def required_choice(self, name: str, choices: Collection[str]) -> str:
        """One of `choices`."""
        if not self.has(name):
            self.fault(f"expected one of {', '.join(choices)}, got nothing", name)
        return self.choice(name, choices) or ""

    def number(self, name: str) -> float | None:
        """A finite number, or None where none is given."""
        return self.number_in(self._given.get(name), name) if self.has(name) else None

    def number_in(self, value: object, *path: str | int) -> float:
        """The finite number that stands at a path."""
        number = float("nan")
        if isinstance(value, int | float) and not isinstance(value, bool):
            with suppress(OverflowError):
                number = float(value)
        if not isfinite(number):
            self.fault(f"expected a number that a double can hold, got {shown(value)}", *path)
            return 0
        return number

    def flag(self, name: str) -> bool | None:
        """True, false, or None where nothing is given."""
        value = self._given.get(name)
        if value is None or isinstance(value, bool):
            return value
        self.fault(f"expected true or false, got {shown(value)}", name)
        return None

    def list(self, name: str, most: int) -> list[object]:
        """A list of at most so many values."""
        value = self._given.get(name)
        if isinstance(value, list) and len(cast("list[object]", value)) <= most:
            return cast("list[object]", value)
        self.fault(f"expected a list of at most {most} values, got {shown(cast('object', value))}", name)
        return []


def shown(value: object) -> str:
    """What was given, in few words."""
    if value is None:
        return "nothing"
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else f"a list of {len(cast('list[object]', value))}"
    if isinstance(value, str):
        return repr(value if len(value) <= 60 else f"{value[:60]}…")
    if isinstance(value, int) and value.bit_length() > 200:
        return f"a whole number of {value.bit_length()} bits"
    return repr(value)
