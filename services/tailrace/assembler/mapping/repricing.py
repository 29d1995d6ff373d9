"""Repricings: a command's prices for observations of one trace flow in, one change of each observation's price terms flows out."""

from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Final

from tailrace.assembler.mapping.mapped import Mapped, reject_record
from tailrace.core.merge import Change
from tailrace.core.price_terms import PriceTermsError, check_terms, dump_terms
from tailrace.core.stamp import UPDATE, Stamp
from tailrace.wire.records import BadRecordError, decode_record
from tailrace.wire.repricing import MOST_OBSERVATIONS, Repricing
from tailrace.wire.topics import RawHeaders

_epoch: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DIGEST_BYTES: Final = 8


def map_repricing(headers: RawHeaders, payload: bytes) -> Mapped:
    """The whole record is one event: it is used, or one dead letter."""
    try:
        record = decode_record(payload, Repricing)
        texts = _check(record)
    except (BadRecordError, PriceTermsError) as error:
        return reject_record(str(error), payload, 1)
    at_us = (record.commanded_at - _epoch) // timedelta(microseconds=1)
    stamps = [Stamp(at_us, UPDATE, str(record.command), _digest(text)) for text in texts]
    changes = [
        Change(
            "observation",
            headers.project_id,
            record.trace_id,
            one.id,
            stamps[one.terms],
            {"price_terms": texts[one.terms]},
            is_correction=True,
        )
        for one in record.observations
    ]
    return Mapped(changes, [], 1)


def _check(record: Repricing) -> list[str]:
    """The texts of its terms. Raises PriceTermsError."""
    for terms in record.terms:
        check_terms(terms)
    if not 0 < len(record.observations) <= MOST_OBSERVATIONS:
        raise PriceTermsError(f"expected 1 to {MOST_OBSERVATIONS} observations, got {len(record.observations)}")
    for one in record.observations:
        if not 0 <= one.terms < len(record.terms):
            raise PriceTermsError(f"expected the number of one of {len(record.terms)} terms, got {one.terms}")
    if any("\x00" in text for text in (record.trace_id, *(one.id for one in record.observations))):
        raise PriceTermsError("expected ids without U+0000")
    return [dump_terms(terms) for terms in record.terms]


def _digest(text: str) -> str:
    return blake2b(text.encode(), digest_size=_DIGEST_BYTES).hexdigest()
