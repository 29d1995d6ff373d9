"""Asks for metrics with Python langfuse 4: client.api.metrics (v2) and client.api.legacy.metrics_v1."""

import json
import sys

from langfuse import Langfuse
from langfuse.api.core import ApiError

asked = json.loads(sys.argv[1])
api = Langfuse(tracing_enabled=False).api


def refusal():
    try:
        api.metrics.metrics(query=asked["bad"])
    except ApiError as error:
        return [error.status_code, error.body]
    return None


print(
    json.dumps(
        {
            "observations": api.metrics.metrics(query=asked["observations"]).data,
            "scores": api.metrics.metrics(query=asked["scores"]).data,
            "traces": api.legacy.metrics_v1.metrics(query=asked["traces"]).data,
            "refused": refusal(),
        }
    )
)
