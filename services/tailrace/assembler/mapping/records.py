"""Raw records: headers and bytes flow in, changes and rejects flow out. Pure: no clock, no randomness, no state.

events == events behind `changes` (or behind nothing, as a log line) + len(rejects). What a sender did wrong becomes a reject, never an exception.
"""

from tailrace.assembler.mapping.deletions import map_deletions
from tailrace.assembler.mapping.ingestion import map_batch
from tailrace.assembler.mapping.mapped import Mapped
from tailrace.assembler.mapping.otlp import map_spans
from tailrace.assembler.mapping.repricing import map_repricing
from tailrace.assembler.mapping.scores import map_scores
from tailrace.wire.topics import RawHeaders


def map_record(headers: RawHeaders, payload: bytes) -> Mapped:
    """What one raw record says."""
    if headers.kind == "ingestion":
        return map_batch(headers, payload)
    if headers.kind == "scores":
        return map_scores(headers, payload)
    if headers.kind == "repricing":
        return map_repricing(headers, payload)
    if headers.kind == "deletions":
        return map_deletions(headers, payload)
    return map_spans(headers, headers.kind, payload)
