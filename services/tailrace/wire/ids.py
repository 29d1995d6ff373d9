"""The rule that every id of an entity keeps, at the edge and behind it alike."""

from typing import Final

MAX_ID_BYTES: Final = 800
"""The longest id in UTF-8: two of them and a project id must fit into one entry of an index of Postgres."""


def is_usable_id(text: str) -> bool:
    """Whether `text` can be the id of an entity."""
    return bool(text) and (len(text) * 4 <= MAX_ID_BYTES or len(text.encode()) <= MAX_ID_BYTES)
