"""When an event speaks: the total order by which merging decides."""

from typing import Final, NamedTuple

CREATE: Final = 0
UPDATE: Final = 1


class Stamp(NamedTuple):
    """Effective time in microseconds since 1970, phase (create before update), event id, digest of the event's bytes.

    Two events with one stamp are the same event.
    """

    at_us: int
    phase: int
    event_id: str
    digest: str
