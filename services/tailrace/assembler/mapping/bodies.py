"""Input and output of a span, and the attributes that they stood in."""

from typing import NamedTuple


class Bodies(NamedTuple):
    """`input` and `output` are the texts to store. `keys`: attributes that are used up by them."""

    input: str | None
    output: str | None
    keys: tuple[str, ...]
