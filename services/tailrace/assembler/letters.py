"""Dead letters: what of a raw record cannot be used, with the sender's bytes once."""

from collections.abc import Sequence
from typing import NamedTuple

from tailrace.assembler.entities import instant
from tailrace.assembler.mapping import Mapped, Reject
from tailrace.core.model import DiscardReason
from tailrace.wire.records import DeadLetter
from tailrace.wire.topics import RawHeaders


class Doom(NamedTuple):
    """Why a record is a dead letter before anything of it is read: folding or sending it has failed before."""

    reason: DiscardReason
    detail: str
    keep_bytes: bool = True


def dead_letter(headers: RawHeaders, sequence: int, reject: Reject) -> DeadLetter:
    """The letter of a reject, the one of its record with this number."""
    return DeadLetter(
        project_id=headers.project_id,
        sequence=sequence,
        reason=reject.reason,
        detail=reject.detail,
        entity=reject.entity,
        content_kind=headers.kind,
        payload=reject.payload,
        received_at=instant(headers.received_at_us),
    )


def all_dead(headers: RawHeaders, reject: Reject) -> Mapped:
    """Every event of the record is dead; the first letter has the bytes, the others point to it."""
    other = reject._replace(payload=b"", detail=f"{reject.detail} (the bytes are with sequence 0)")
    rejects = [reject, *[other] * (headers.events - 1)][: headers.events]
    return Mapped(changes=[], rejects=rejects, events=headers.events)


def rejects_without_room(observation_ids: Sequence[str], first: int, value: bytes, max_spans: int) -> list[Reject]:
    """Rejects of observations without room in their trace; the first of them, number `first` of its record, has the record's bytes."""
    detail = f"the trace holds {max_spans} observations, the most that one trace may"
    rejects = [
        Reject("too_many_spans", f"{detail} (the bytes are with sequence {first})", observation_id, b"")
        for observation_id in observation_ids
    ]
    if rejects:
        rejects[0] = rejects[0]._replace(payload=value, detail=f"{detail} (the bytes are its record's)")
    return rejects
