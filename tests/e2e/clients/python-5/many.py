"""Writes many spans of one trace with Python langfuse 5, in requests of twenty, and flushes; its log goes to stderr."""

import json
import logging
import sys

from langfuse import Langfuse

logging.basicConfig(level=logging.WARNING)
marker, count = sys.argv[1], int(sys.argv[2])
langfuse = Langfuse(flush_at=20)

with langfuse.start_as_current_observation(name=marker) as root:
    for number in range(count - 1):
        root.start_observation(name=f"{marker} {number}").end()
langfuse.flush()
print(json.dumps({"traceIds": [root.trace_id]}))
