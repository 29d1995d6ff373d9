"""The beat at which processors take their batches: what comes between two beats is worked off in one burst.

A batch costs much whatever it holds, and work that is picked up cold costs several times what it costs in a burst. All partitions of a process share the beat.
"""

import time
from typing import Final

BEAT_SECONDS: Final = 0.1
_BEAT_NS: Final = int(BEAT_SECONDS * 1_000_000_000)


def next_beat() -> float:
    """When the next one is, by the monotonic clock, in seconds; always in the future."""
    return (time.monotonic_ns() // _BEAT_NS + 1) * _BEAT_NS / 1_000_000_000
