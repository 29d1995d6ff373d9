"""From what senders wrote to changes of traces, observations and scores: `map_record`, and a module for each convention."""

from tailrace.assembler.mapping.mapped import Mapped, Reject
from tailrace.assembler.mapping.records import map_record

__all__ = ["Mapped", "Reject", "map_record"]
