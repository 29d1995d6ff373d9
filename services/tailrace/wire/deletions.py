"""The body of a raw record that deletes: ids in, bytes out, and back. Only edges write it, never a sender."""

from collections.abc import Sequence

import msgspec
import orjson

from tailrace.wire.ids import is_usable_id


class Deletions(msgspec.Struct, frozen=True, kw_only=True):
    """What is deleted, of the record's project."""

    scores: list[str]

    def __len__(self) -> int:
        return len(self.scores)


class BadDeletionsError(ValueError):
    """The bytes are no deletions that an edge has written."""


def encode_deletions(scores: Sequence[str]) -> bytes:
    """The body of a record that deletes the scores of these ids."""
    return msgspec.json.encode(Deletions(scores=list(scores)))


def decode_deletions(data: bytes) -> Deletions:
    """What `data` deletes. Raises BadDeletionsError."""
    try:
        deletions = msgspec.convert(orjson.loads(data), Deletions)
    except (orjson.JSONDecodeError, msgspec.ValidationError) as error:
        raise BadDeletionsError(str(error)) from None
    for id_ in deletions.scores:
        if "\x00" in id_ or not is_usable_id(id_):
            raise BadDeletionsError(f"expected ids of scores, got {id_[:100]!r}")
    if not deletions.scores:
        raise BadDeletionsError("expected the id of a score, got none")
    return deletions
