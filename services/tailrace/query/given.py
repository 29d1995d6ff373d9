"""What a request gave where something else was expected, in few words for the sender."""

from typing import Any, cast

_most_characters = 80
_most_bits = 200


def kind_of(value: object) -> str:
    """What a value of JSON is: its kind if it is large, itself if it is short. Any value will do, also a number of any size."""
    if value is None:
        return "nothing"
    if isinstance(value, (dict, list)):
        return "an object" if isinstance(value, dict) else f"a list of {len(cast('list[Any]', value))}"
    if isinstance(value, int) and value.bit_length() > _most_bits:
        return "a number of many digits"
    text = repr(value[:_most_characters] if isinstance(value, str) else value)
    return text if len(text) <= _most_characters else f"{text[:_most_characters]}…"
