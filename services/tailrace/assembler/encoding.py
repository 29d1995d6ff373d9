"""From assembled records to the messages that tell of them, each within what Kafka takes: those to be sent first, and those to follow."""

from collections.abc import Sequence
from typing import Final

from tailrace.assembler.batch import RawRecord, blaming
from tailrace.assembler.sender import Message, assembled_messages, cost_messages, letter_messages
from tailrace.runtime.kafka import MAX_RECORD_BYTES
from tailrace.wire.records import AssembledRecord
from tailrace.wire.topics import Topics

ENVELOPE_BYTES: Final = 1024


class TooLargeError(Exception):
    """What became of the record at `offset` is larger than Kafka takes."""

    def __init__(self, offset: int, size: int) -> None:
        super().__init__(f"expected a folded record of at most {MAX_RECORD_BYTES} bytes, got one of {size}")
        self.offset = offset
        self.size = size


def encode_batch(
    topics: Topics, partitions: int, batch: Sequence[RawRecord], assembled: Sequence[Sequence[AssembledRecord]]
) -> tuple[list[Message], list[Message]]:
    """What is sent first, and what is sent once that is confirmed. Raises FoldFailedError and TooLargeError."""
    side: list[Message] = []
    main: list[Message] = []
    for record, chunks in zip(batch, assembled, strict=True):
        with blaming(record):
            letters = [message for chunk in chunks for message in letter_messages(topics, chunk)]
            rows = assembled_messages(topics, chunks)
        largest = max(len(message.value) for message in (*letters, *rows))
        if largest > MAX_RECORD_BYTES - ENVELOPE_BYTES:
            raise TooLargeError(record.offset, largest)
        side += letters
        main += rows
    return [*cost_messages(topics, [chunk for chunks in assembled for chunk in chunks], partitions), *side], main
