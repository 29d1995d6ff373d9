"""Deletions: ids flow in, one change for each flows out, which says only that the score is deleted."""

from hashlib import blake2b

from tailrace.assembler.mapping.mapped import Mapped, reject_record
from tailrace.assembler.mapping.scores import NO_TRACE
from tailrace.core.merge import Change
from tailrace.core.stamp import CREATE, Stamp
from tailrace.wire.deletions import BadDeletionsError, decode_deletions
from tailrace.wire.topics import RawHeaders


def map_deletions(headers: RawHeaders, payload: bytes) -> Mapped:
    """The changes of a record that deletes."""
    try:
        deletions = decode_deletions(payload)
    except BadDeletionsError as error:
        return reject_record(str(error), payload, headers.events)
    digest = blake2b(payload, digest_size=8).hexdigest()
    stamp = Stamp(headers.received_at_us, CREATE, "", digest)
    changes = [Change("score", headers.project_id, NO_TRACE, id_, stamp, {"deleted": True}) for id_ in deletions.scores]
    return Mapped(changes, [], len(deletions))
